"""Asking a model for a job: what comes is told as progress, and what it took is kept with the answer."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, Protocol

from pydantic import BaseModel

from agent_tools.jobs.context import JobContext
from agent_tools.llm.answers import Shape
from agent_tools.llm.client import Llm, Message, Tokens
from agent_tools.settings import Settings


class Counted(Protocol):
    """What a model was asked for, as a step records it, with the tokens that it took."""

    @property
    def tokens_in(self) -> int:
        """Read by the model."""

    @property
    def tokens_out(self) -> int:
        """Written by it."""


class Count:
    """Adds up what the answers took that it is handed to as `on_used`."""

    def __init__(self) -> None:
        self.tokens = Tokens()

    def __call__(self, more: Tokens) -> None:
        """And so many more."""
        self.tokens += more

    def told(self) -> dict[str, int]:
        """As a step records it."""
        return {"tokens_in": self.tokens.read, "tokens_out": self.tokens.written}


class Answered(BaseModel, Generic[Shape]):
    """What a model said and how many tokens that took, as a step records it."""

    said: Shape
    tokens_in: int = 0
    tokens_out: int = 0


async def ask_aloud(
    job: JobContext,
    llm: Llm,
    doing: str,
    messages: Sequence[Message],
    shape: type[Shape],
    *,
    most_tokens: int,
    tell: Callable[[str], None] | None = None,
) -> Answered[Shape]:
    """The model's answer; `doing` and the tokens so far are the job's progress, or what `tell` makes of them.

    Raises LlmError.
    """
    count, tell = Count(), tell or job.progress
    tell(doing)
    on_text = _counting(lambda tokens: tell(f"{doing}: about {tokens:,} tokens"))
    said = await llm.ask(messages, shape, most_tokens=most_tokens, on_text=on_text, on_used=count)
    # Not Answered[shape]: a shape that was made for this question alone is recorded as what it looks like.
    return Answered(said=said, **count.told())


def usage(answers: Iterable[Counted], settings: Settings) -> dict[str, Any]:
    """What goes into a result's data: `usage` with `tokens_in`, `tokens_out` and, where prices are set, `cost`.

    Statistics add these up. Nothing where the server does not count.
    """
    took = Tokens()
    for answer in answers:
        took += Tokens(answer.tokens_in, answer.tokens_out)
    if took == Tokens():
        return {}
    counted = {"tokens_in": took.read, "tokens_out": took.written}
    if settings.llm_price_in is None and settings.llm_price_out is None:
        return {"usage": counted}
    millions = took.read * (settings.llm_price_in or 0) + took.written * (settings.llm_price_out or 0)
    return {"usage": {**counted, "cost": round(millions / 1_000_000, 6)}}


def _counting(tell: Callable[[int], None]) -> Callable[[str], None]:
    """Counts the pieces of a stream, most of which are a token each; from the start where the text starts again."""
    pieces, length = 0, 0

    def hear(text: str) -> None:
        nonlocal pieces, length
        if len(text) < length:
            pieces = 0
        if len(text) != length:
            pieces, length = pieces + 1, len(text)
            if pieces > 1:
                tell(pieces)

    return hear
