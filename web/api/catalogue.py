"""What there is: kinds that can be created, subjects that jobs lie under, how it all went."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from agent_tools.jobs.job import Worker
from agent_tools.jobs.kinds import Kind
from agent_tools.jobs.why import unavailable
from agent_tools.view import present
from sql.door import KindStats, SubjectCount
from web.api import replies
from web.api.asked import StatsQuery
from web.api.operation import Caller
from web.api.replies import answer


async def list_kinds(caller: Caller) -> Response:
    """List what can be created, the arguments of each, and whether a worker that is alive can run it."""
    alive = [worker for worker in await caller.backburner.workers() if worker.is_alive]
    kinds = caller.backburner.kinds
    shown = [_kind(kind, alive) for kind in kinds.values()]
    broken = [{"name": name, "available": False, "reason": reason} for name, reason in kinds.broken.items()]
    return answer(replies.Kinds.model_validate({"kinds": shown + broken}))


async def list_subjects(caller: Caller) -> Response:
    """List the subjects that have jobs, and how many lie under each."""
    places: dict[str | None, list[SubjectCount]] = {}
    for count in await caller.backburner.subjects():
        places.setdefault(count.name, []).append(count)
    unorganised = _count(places.pop(None, []))
    named = [{"subject": name, **_count(counts)} for name, counts in places.items()]
    newest_first = sorted(named, key=lambda place: (place["newest"], place["subject"]), reverse=True)
    return answer(replies.Subjects.model_validate({"subjects": newest_first, "unorganised": unorganised}))


async def read_stats(caller: Caller, query: StatsQuery) -> Response:
    """How the jobs of each kind went: how many, how many well, how long they took, what models cost, how many wait."""
    found = await caller.backburner.stats(query.days)
    return answer(replies.Stats.model_validate({"days": query.days, "kinds": [_stats(kind) for kind in found]}))


def _stats(kind: KindStats) -> dict[str, Any]:
    told = kind._asdict()
    seconds = {f"{name}econds": told.pop(name) for name in ("average_s", "p50_s", "p95_s")}
    rounded = {name: value if value is None else round(value, 3) for name, value in seconds.items()}
    rate = kind.success_rate
    return present({**told, **rounded, "success_rate": rate if rate is None else round(rate, 4)})


def _kind(kind: Kind, alive: Sequence[Worker]) -> Mapping[str, Any]:
    reason = unavailable(kind.name, alive)
    told = {
        "name": kind.name,
        "description": kind.description,
        "aliases": list(kind.aliases),
        "timeout_s": kind.timeout_s,
        "args_schema": kind.schema,
        "available": reason is None,
    }
    usually = {"usually": kind.usually} if kind.usually else {}
    return told | usually | ({"reason": reason} if reason else {})


def _count(counts: Sequence[SubjectCount]) -> dict[str, Any]:
    newest = {"newest": max(count.newest for count in counts)} if counts else {}
    return {
        "jobs": sum(count.jobs for count in counts),
        "by_status": {count.status: count.jobs for count in counts},
        **newest,
    }
