"""The kind `approval`: a person decides about something, however long that takes."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from agent_tools import JobContext, Result, job_kind
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
        Field(description="What it is about: Markdown, a https address, job://ID or job://ID/artifacts/NAME."),
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
    who: Annotated[str | None, Field(max_length=100, description="Whose answer is wanted; default anybody's.")] = None,
) -> Result:
    """Ask a person to decide, and keep the answer. It waits for days if need be, and no worker waits with it.

    When it completed, `decision` is the choice's own word (`rejected` for reject), with notes, form values and who it was.
    After send back, redo what the notes name and ask again.
    """
    from worker.kinds.approval.shown import look_up, record  # noqa: PLC0415 - loaded only where something is asked

    shown = await look_up(job, content)
    answer = await job.ask(
        question, choices=_offered(choices, content), form=form, show=shown, who=who
    )  # from here on it may be months later
    decision = "rejected" if answer.decision == "reject" else answer.decision
    data = {"decision": decision, "values": answer.values, "notes": answer.notes, "by": answer.by}
    return Result(
        data={name: value for name, value in data.items() if value is not None}
        | ({"at": answer.at.isoformat(timespec="seconds")} if answer.at else {}),
        artifacts=[await record(job.title or question, question, shown)],
        line=_line(answer.decision, answer.by, answer.notes),
    )


def _offered(choices: tuple[str, ...] | None, content: str | None) -> tuple[str, ...]:
    """A job can be redone, so it can be sent back."""
    if choices is not None:
        return choices
    return ("approve", "reject", "send back") if (content or "").startswith("job://") else ("approve", "reject")


_SAID = {None: "Answered", "approve": "Approved", "reject": "Rejected", "send back": "Sent back"}
_MOST_NOTES = 300


def _line(choice: str | None, by: str | None, notes: str | None) -> str:
    said = f"{_SAID.get(choice, f'“{choice}”')} by {by or 'somebody'}"
    if not notes:
        return said
    told = " ".join(notes.split())
    return f"{said}: {told if len(told) <= _MOST_NOTES else told[: _MOST_NOTES - 1] + '…'}"
