"""A worker that dies at one point of a job's life: `DOOM="settle_jobs parked: sent" python -m rig.doomed batched`.

The points are the calls by which a worker speaks to Postgres and Valkey. `before`: nothing was sent. `sent`: it was
done there, and nobody here has seen the reply. `after`: the reply was seen, and whatever it leads to at once.
"""

import os
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import arq.cli

from agent_tools.bell import Bell, WatchBell
from sql.hands import HandsStore
from sql.queries import queries
from sql.watch import WatchStore
from worker.__main__ import main

DOOMED_EXIT_CODE = 99
PLACES = ("before", "sent", "after")
_VERBS = (
    "announce_worker",
    "claim_jobs",
    "beat_jobs",
    "progress_jobs",
    "settle_jobs",
    "wake_jobs",
    "reap_jobs",
    "ring_jobs",
    "record_step",
)
_REACTION_S = 0.002


class Doom:
    """The point, and the end."""

    def __init__(self, said: str) -> None:
        self._point, _, self._place = said.partition(": ")

    def before(self, points: set[str]) -> None:
        if self._place == "before" and self._point in points:
            os._exit(DOOMED_EXIT_CODE)

    def sent(self, points: set[str]) -> None:
        if self._point not in points:
            return
        if self._place == "sent":
            os._exit(DOOMED_EXIT_CODE)
        if self._place == "after":
            threading.Timer(_REACTION_S, os._exit, (DOOMED_EXIT_CODE,)).start()


def statement(text: str, batch: Mapping[str, Any] | None) -> set[str]:
    """The points that this statement is."""
    name = next((verb for verb in _VERBS if verb in text), None) or next(
        (name for name, known in queries().items() if known == text), ""
    )
    outcomes = {
        str(job["outcome"]) for job in (batch or {}).get("jobs", ()) if isinstance(job, dict) and "outcome" in job
    }
    steps = {f"{name} {(batch or {})['name']}"} if name == "record_step" and batch else set()
    return {name, *steps, *(f"{name} {outcome}" for outcome in outcomes)}


def doom_calls(doom: Doom) -> None:
    """Have every call of a worker pass by."""

    def asynchronously(
        call: Callable[..., Awaitable[Any]], points: Callable[..., set[str]]
    ) -> Callable[..., Awaitable[Any]]:
        async def passed(self: Any, *args: Any, **more: Any) -> Any:
            where = points(*args)
            doom.before(where)
            reply = await call(self, *args, **more)
            doom.sent(where)
            return reply

        return passed

    def blocking(call: Callable[..., Any], points: Callable[..., set[str]]) -> Callable[..., Any]:
        def passed(self: Any, *args: Any, **more: Any) -> Any:
            where = points(*args)
            doom.before(where)
            reply = call(self, *args, **more)
            doom.sent(where)
            return reply

        return passed

    def of(text: str, batch: Mapping[str, Any] | None = None, *_: object) -> set[str]:
        return statement(text, batch)

    HandsStore._call = asynchronously(HandsStore._call, of)  # type: ignore[method-assign]
    WatchStore._run = blocking(WatchStore._run, of)  # type: ignore[method-assign]
    WatchStore._sweep = blocking(WatchStore._sweep, of)  # type: ignore[method-assign]
    for verb in ("ring", "take", "forget", "tell"):
        setattr(Bell, verb, asynchronously(getattr(Bell, verb), lambda *_, verb=verb: {f"bell {verb}"}))
    for verb in ("ring", "look"):
        setattr(WatchBell, verb, blocking(getattr(WatchBell, verb), lambda *_, verb=verb: {f"sweep's bell {verb}"}))


if __name__ == "__main__":
    doom_calls(Doom(os.environ["DOOM"]))
    if sys.argv[1] == "stock":
        sys.argv[1:] = ["worker.WorkerSettings"]
        arq.cli.cli()
    raise SystemExit(main())
