"""The kind `approval`: a person decides about something, however long that takes."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from agent_tools import Answer, Artifact, JobContext, Person, Result, job_kind
from agent_tools.edits import of_form, of_text
from worker.kinds.approval.asked import checked_choices, checked_content, checked_form, not_blank


@job_kind(
    "approval",
    timeout="1m",
    usually="as long as the person takes",
    example={"question": "Publish this?", "content": "job://0e8z453fk1krg"},
)
async def approval(
    job: JobContext,
    question: Annotated[str, AfterValidator(not_blank), Field(max_length=2000)],
    content: Annotated[
        str | None,
        AfterValidator(checked_content),
        Field(
            description="What it is about: Markdown, a https address, job://ID or job://ID/artifacts/NAME.",
            json_schema_extra={"contentMediaType": "text/markdown"},
        ),
    ] = None,
    choices: Annotated[
        tuple[str, ...] | None,
        AfterValidator(checked_choices),
        Field(description="Default approve and reject; of a job also send back, with notes on what to redo."),
    ] = None,
    form: Annotated[
        dict[str, Any] | None,
        AfterValidator(checked_form),
        Field(description='To fill in, flat JSON schema: {"properties": {"price": {"type": "number"}}}.'),
    ] = None,
    who: Annotated[
        str | None, Person(), Field(max_length=100, description="The person who is to answer; default anybody.")
    ] = None,
) -> Result:
    """Ask a person to decide, and keep the answer. It waits for days if need be, and no worker waits with it.

    When it completed, `decision` is the choice's own word (`rejected` for reject), with notes, form values and who it was.
    After send back, redo what the notes name and ask again. A Markdown text may come back changed: `edited.md`, and `edits`.
    """
    from worker.kinds.approval.shown import is_text, look_up, record  # noqa: PLC0415 - loaded only where something is asked

    shown = await look_up(job, content)
    answer = await job.ask(
        question,
        choices=_offered(choices, content),
        form=form,
        show=shown,
        who=who,
        may_edit=is_text(content, shown),
    )  # from here on it may be months later
    data = {
        "decision": "rejected" if answer.decision == "reject" else answer.decision,
        "values": answer.values,
        "changed": of_form(form, answer.values) or None,
        "notes": answer.notes,
        "edits": of_text(content or "", answer.edited) if answer.edited else None,
        "by": answer.by,
        "at": answer.at.isoformat(timespec="seconds") if answer.at else None,
    }
    edited = [Artifact.text("edited.md", answer.edited, title="As it was edited")] if answer.edited else []
    return Result(
        data={name: value for name, value in data.items() if value is not None},
        artifacts=[*edited, await record(job.title or question, question, shown)],
        line=_line(answer),
    )


def _offered(choices: tuple[str, ...] | None, content: str | None) -> tuple[str, ...]:
    """A job can be redone, so it can be sent back."""
    if choices is not None:
        return choices
    return ("approve", "reject", "send back") if (content or "").startswith("job://") else ("approve", "reject")


_SAID = {None: "Answered", "approve": "Approved", "reject": "Rejected", "send back": "Sent back"}
_MOST_NOTES = 300


def _line(answer: Answer) -> str:
    edited = ", with edits" if answer.edited else ""
    said = f"{_SAID.get(answer.decision, f'“{answer.decision}”')} by {answer.by or 'somebody'}{edited}"
    if not answer.notes:
        return said
    told = " ".join(answer.notes.split())
    return f"{said}: {told if len(told) <= _MOST_NOTES else told[: _MOST_NOTES - 1] + '…'}"
