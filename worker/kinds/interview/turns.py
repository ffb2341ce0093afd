"""The turns of an interview, as completed jobs keep them."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from agent_tools import Earlier, JobContext

KIND = "interview_message"


class Turn(BaseModel):
    """A message, and what was answered to it."""

    job: str
    message: str
    reply: str
    complete: bool = False


async def turns_before(job: JobContext, interview: str) -> list[Turn]:
    """What was said in the interview so far, oldest first."""
    read = map(_read, await job.earlier(KIND, interview=interview))
    return [turn for turn in read if turn]


def newest(turns: Sequence[Turn], most_characters: int) -> list[Turn]:
    """As many of the turns, counted from the end, as fit."""
    kept = list[Turn]()
    for turn in reversed(turns):
        most_characters -= len(turn.message) + len(turn.reply)
        if most_characters < 0:
            break
        kept.insert(0, turn)
    return kept


def transcript(turns: Sequence[Turn]) -> str:
    """The conversation as Markdown."""
    return "\n\n".join(f"**You**\n\n{turn.message}\n\n**Interviewer**\n\n{turn.reply}" for turn in turns) + "\n"


def _read(earlier: Earlier) -> Turn | None:
    told: dict[str, Any] = dict(earlier.result or {})
    try:
        return Turn.model_validate({**told, "job": earlier.id})
    except ValidationError:  # of a version that kept something else
        return None
