"""The kind `drill`: work that does what it is told, for operators and tests."""

import asyncio
import hashlib
import os
import ssl
import time
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from agent_tools import InputFile, JobContext, Result, job_kind


@job_kind("drill", timeout="1h", retries=4, usually="as long as it is told", needs=["BACKBURNER_DRILLS"], agent=False)
async def drill(
    job: JobContext,
    seconds: Annotated[float, Field(ge=0, le=3600, description="how long to work, spread over the steps")] = 0,
    steps: Annotated[int, Field(ge=0, le=100, description="how many recorded steps to take")] = 0,
    result_bytes: Annotated[int, Field(ge=0, le=100_000_000, description="how much filling the result carries")] = 0,
    fail: Annotated[
        Literal["none", "error", "crash", "block"],
        Field(description="error: raise; crash: end the process; block: hold up the worker's loop"),
    ] = "none",
    fail_times: Annotated[int, Field(ge=0, description="how many first attempts fail; 0: all")] = 0,
    source: Annotated[str | None, InputFile(), Field(description="a file to be read, as upload:ID")] = None,
    effect_url: Annotated[str, Field(description="POSTed to once, with the job's key as Idempotency-Key")] = "",
) -> Result:
    """Rehearse: wait, take steps, fail as told, and report which attempt succeeded."""
    for number in range(steps):
        job.progress(f"Step {number + 1} of {steps}", number, steps)
        await job.step(f"step {number + 1}", _work, seconds / steps)
    if not steps:
        job.progress("Working", 0, 1)
        await _work(seconds)
    if effect_url:
        await _post(effect_url, job.key("effect"), job.attempt)
    if fail != "none" and (fail_times == 0 or job.attempt <= fail_times):
        _fail(fail)
    job.progress("Done", 1, 1)
    data: dict[str, Any] = {"attempt": job.attempt, "fence": job.fence, "pid": os.getpid()}
    if source:
        path = await job.file(source)
        data["source"] = {"name": path.name, "sha256": await asyncio.to_thread(_digest, path)}
    if result_bytes:
        data["filling"] = "x" * result_bytes
    return Result(data=data, line=f"Drilled in attempt {job.attempt}")


async def _work(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


async def _post(url: str, key: str, attempt: int) -> None:
    import httpx2  # noqa: PLC0415  # loaded by those who need it, not by every process that knows the kind

    async with httpx2.AsyncClient(timeout=10, verify=_certificates()) as client:
        answer = await client.post(url, headers={"Idempotency-Key": key}, json={"attempt": attempt})
        answer.raise_for_status()


@cache
def _certificates() -> ssl.SSLContext:
    """Read once: a tenth of a second that holds up the loop."""
    return ssl.create_default_context()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fail(how: str) -> None:
    if how == "crash":
        os._exit(137)
    if how == "block":
        time.sleep(3600)  # what this drill is for
    raise RuntimeError("This drill was told to fail.")
