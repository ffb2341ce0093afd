"""How an attempt ended, as it is written into the book."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from json import dumps
from typing import Any, Literal

from pydantic import BaseModel

from agent_tools.jobs.artifacts import Artifact, Result
from agent_tools.jobs.context import GiveUp, Parked, TryAgain
from agent_tools.jobs.errors import BadRequest, StoreUnavailable
from agent_tools.jobs.job import JobError
from agent_tools.jobs.kinds import Made, refuse_unstorable

log = logging.getLogger("backburner.worker")

MAX_RESULT_BYTES = 64_000


@dataclass(frozen=True)
class Ending:
    """`completed`, `failed` for good, `errored` (tried again while attempts are left), or with nothing spent `given_back` or `parked`."""

    outcome: Literal["completed", "failed", "errored", "given_back", "parked"]
    result: Mapping[str, Any] | None = None
    line: str | None = None
    artifacts: tuple[Artifact, ...] = field(default=())
    error: JobError | None = None
    after_s: float | None = None
    """When to try again; None: the backoff's choice."""
    parked: Parked | None = None
    """What it waits for."""


GIVEN_BACK = Ending("given_back")


def of_made(made: Made | BaseModel) -> Ending:
    """What a handler returned. Raises BadRequest or TypeError for what cannot be kept."""
    result = _as_result(made)
    artifacts = tuple(result.artifacts)
    data = result.data.model_dump(mode="json") if isinstance(result.data, BaseModel) else result.data
    data = None if data is None else dict(data)
    redo = {"redo": dict(result.redo)} if result.redo else {}
    with_redo = {**(data or {}), **redo}
    refuse_unstorable(with_redo)
    if redo and _fits(with_redo):
        return Ending("completed", with_redo, result.line, artifacts)
    if data is None or _fits(data):
        return Ending("completed", data, result.line, artifacts)
    # Nothing is lost: what is too large for a reply becomes a file beside the others.
    as_file = Artifact.text("result.json", dumps(data, ensure_ascii=False), title="Result")
    return Ending("completed", None, result.line, (*artifacts, as_file))


def of_error(error: BaseException, job_id: str) -> Ending:
    """An exception of the handler. An unforeseen one shows only that it was; the log has everything."""
    match error:
        case GiveUp():
            return Ending("failed", error=JobError("gave_up", _clean(error)))
        case TryAgain():
            return Ending("errored", error=JobError("try_again", _clean(error), retryable=True), after_s=error.after_s)
        case StoreUnavailable():
            return Ending("errored", error=JobError(error.code, _clean(error), retryable=True))
        case BadRequest():
            return Ending("failed", error=JobError(error.code, _clean(error)))
        case OSError() if error.errno is not None:
            log.error("job %s failed", job_id, exc_info=error)
            return Ending(
                "errored", error=JobError("io_error", f"The worker's disk or network: {_clean(error)}", retryable=True)
            )
        case asyncio.CancelledError():
            log.error("job %s: something the handler awaited was cancelled", job_id)
        case _:
            log.error("job %s failed", job_id, exc_info=error)
    name = type(error).__name__
    return Ending(
        "errored",
        error=JobError("unexpected", f"The handler failed in a way it did not foresee ({name}).", retryable=True),
    )


def too_slow(limit_s: float) -> Ending:
    """The attempt ran longer than its kind allows."""
    return Ending(
        "errored", error=JobError("timeout", f"The attempt ran longer than its limit of {limit_s:g} s.", retryable=True)
    )


def _as_result(made: Made | BaseModel) -> Result:
    match made:
        case Result() if all(isinstance(each, Artifact) for each in made.artifacts):
            return made
        case None:
            return Result()
        case Artifact():
            return Result(artifacts=(made,))
        case BaseModel():
            return Result(data=made.model_dump(mode="json"))
        case Mapping():
            return Result(data=made)
        case Iterable():
            artifacts = tuple(made)
            if all(isinstance(each, Artifact) for each in artifacts):
                return Result(artifacts=artifacts)
    raise BadRequest(
        f"The handler returned a {type(made).__name__}; it must return artifacts, a JSON object or a Result."
    )


def _fits(data: Mapping[str, Any]) -> bool:
    return len(dumps(data, ensure_ascii=False).encode()) <= MAX_RESULT_BYTES


def _clean(error: BaseException) -> str:
    return (str(error) or type(error).__name__).replace("\0", "").encode("utf-8", "replace").decode()[:2000]
