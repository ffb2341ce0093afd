"""A kind that does nothing but ask, as a test wants it to."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from agent_tools import Artifact, JobContext, Result, job_kind
from agent_tools.jobs.kinds import Kinds, load_kinds

_PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63b8606c0a0003040141af9b8c240000000049454e44ae426082"
)


class Changes(BaseModel):
    """What may be changed before something is published."""

    title: str = Field(min_length=3, description="It stands above the post.")
    words: Annotated[int, Field(ge=1, le=500)] = 120
    tone: Literal["plain", "festive"] = "plain"
    may_wait: bool = True


class Tags(BaseModel):
    """What may be given, and need not."""

    tag: str | None = None


@job_kind("publish")
async def publish(
    job: JobContext,
    text: str = "# Tides\n\nThe **sea** comes and goes.",
    question: str = "Publish this?",
    choices: tuple[str, ...] = ("approve", "edit", "send back", "reject"),
    leads_to: dict[str, str] = {},  # noqa: B006 - the kind's default, copied by its model
    form: Literal["none", "optional", "required"] = "none",
    shows: Literal["text", "picture", "file", "page", "markdown", "facts", "nothing"] = "text",
    facts: dict[str, Any] = {},  # noqa: B006
    who: str | None = None,
    within: str | None = None,
    may_edit: bool = False,
) -> Result:
    """Ask before anything is published."""
    answer = await job.ask(
        question,
        choices={**dict.fromkeys(choices, ""), **leads_to} if leads_to else choices,
        form={"none": None, "optional": Tags, "required": Changes}[form],
        show=_thing(shows, text, facts),
        who=who,
        within=within,
        may_edit=may_edit,
    )
    values = answer.values.model_dump() if answer.values else None
    data = {"decision": answer.decision, "values": values, "notes": answer.notes, "by": answer.by}
    data |= {"edited": answer.edited} if answer.edited else {}
    return Result(data=data, line=f"{answer.by}: {answer.decision}")


def _thing(shows: str, text: str, facts: dict[str, Any]) -> Any:
    match shows:
        case "picture":
            return Artifact("poster.png", "Poster", "image/png", data=_PIXEL)
        case "file":
            return Artifact("deck.pptx", "Deck", "application/vnd.ms-powerpoint", data=b"PK")
        case "page":
            return Artifact.text("page.html", f"<h1>Page</h1><script>alert(1)</script>{text}", title="Page")
        case "markdown":
            return Artifact.text("post.md", text, title="Post")
        case "facts":
            return facts
    return text if shows == "text" else None


def kinds_that_ask() -> Kinds:
    """It, beside those that are installed."""
    return Kinds([*load_kinds().values(), publish])
