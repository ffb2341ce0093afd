"""Kinds that do nothing but what a test is about."""

from typing import Annotated, Any, Literal

from pydantic import Field

from agent_tools import Artifact, GiveUp, JobContext, Result, job_kind
from agent_tools.jobs.kinds import Kinds

DREAMT: list[str] = []
"""Every dream that was really dreamt, and not taken from an earlier version."""


@job_kind("sleep", timeout="10m", retries=2, usually="a night", aliases=["nap"])
async def sleep(
    job: JobContext,
    hours: Annotated[int, Field(ge=1, le=12)] = 8,
    dreams: tuple[str, ...] = (),
    note: str = "",
) -> Artifact:
    """Sleep, and write down what was dreamt."""
    told = [await job.step("dream", _dream, dream) for dream in dreams]
    return Artifact.text("dreams.txt", "\n".join(told), title="Dreams")


@job_kind("misbehave")
async def misbehave(
    job: JobContext,
    how: Literal[
        "result of 65 KB", "result of 2 MB", "NUL in result", "NUL in line", "NUL in error", "surrogate in error"
    ],
) -> Result:
    """Return or raise what is hard to keep."""
    data: dict[str, Any] = {}
    match how:
        case "result of 65 KB":
            data = {"filling": "x" * 65_000}
        case "result of 2 MB":
            data = {"filling": "x" * 2_000_000}
        case "NUL in result":
            data = {"text": "a\0b"}
        case "NUL in line":
            return Result(line="a\0b")
        case "NUL in error":
            raise GiveUp("a\0b")
        case "surrogate in error":
            raise GiveUp("a\ud800b")
    return Result(data=data)


@job_kind("unwired", needs=["A_KEY_THAT_NOBODY_SET"])
async def unwired(job: JobContext) -> None:
    """Need a key."""


KINDS_FOR_TESTS = Kinds([sleep, misbehave, unwired])


async def _dream(dream: str) -> str:
    DREAMT.append(dream)
    return dream.upper()
