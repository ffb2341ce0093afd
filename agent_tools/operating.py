"""What an operator looks at: how an installation stands, as one tenant's door sees it."""

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agent_tools.app import Backburner
from agent_tools.jobs.counts import Hour, Tally, every_hour, tallies
from agent_tools.jobs.errors import JobNotFound
from agent_tools.jobs.trouble import LEAST_WAIT_S, Keeping, Oldest, Room, Seen, Unfinished
from sql.operations import Limited, Made, Table

DAY_H, WEEK_D, MONTH_D = 24, 7, 30
REDIS_WITHIN_S = 1.0
_LEAST_SAMPLES = 20
"""Of fewer nobody says what is usual."""
_MOST_WHYS = 5


@dataclass(frozen=True)
class Overview:
    """How an installation stands. By kind: what happened in the last week and month."""

    seen: Seen
    week: Mapping[str, Tally]
    month: Mapping[str, Tally]
    hours: Sequence[Hour]
    limits: Sequence[Limited]
    tables: Sequence[Table]
    database_bytes: int
    made: Sequence[Made]
    keeping: Keeping


async def overview(backburner: Backburner, tail_lag_s: float | None = None) -> Overview:
    """Everything that there is to look at. `tail_lag_s`: how far behind the reader's own process is. Raises BookUnavailable."""
    book = backburner.operations
    hours, week, month = await asyncio.gather(book.hours(DAY_H), book.counted(WEEK_D), book.counted(MONTH_D))
    limits, tables, database_bytes, keeping = await asyncio.gather(
        book.limits(), book.tables(), book.database_bytes(), book.keeping()
    )
    artifacts = next((table.rows for table in tables if table.name == "artifacts"), 0)
    seen, made = await asyncio.gather(_seen(backburner, hours, tallies(week), tail_lag_s), book.made(max(artifacts, 0)))
    return Overview(
        seen=seen,
        week=tallies(week),
        month=tallies(month),
        hours=every_hour(hours, seen.now),
        limits=limits,
        tables=tables,
        database_bytes=database_bytes,
        made=made,
        keeping=keeping,
    )


async def look(backburner: Backburner) -> Seen:
    """Only what is needed to say what is wrong. Raises BookUnavailable."""
    book = backburner.operations
    hours, week = await asyncio.gather(book.hours(DAY_H), book.counted(WEEK_D))
    return await _seen(backburner, hours, tallies(week))


async def _seen(
    backburner: Backburner, hours: Sequence[Hour], week: Mapping[str, Tally], tail_lag_s: float | None = None
) -> Seen:
    book = backburner.operations
    now, workers, unfinished = await asyncio.gather(backburner.now(), backburner.workers(), book.unfinished())
    deliveries, questions, redis_answers, room = await asyncio.gather(
        book.deliveries(),
        book.questions(),
        backburner.redis_answers(REDIS_WITHIN_S),
        asyncio.to_thread(_room, backburner.artifacts_folder),
    )
    waits = {kind: tally.waited for kind, tally in week.items()}
    late = [each for each in unfinished if each.state == "queued" and (now - each.since).total_seconds() > LEAST_WAIT_S]
    return Seen(
        now,
        workers,
        unfinished,
        deliveries,
        questions,
        usual_wait_s={
            kind: usual
            for kind, waited in waits.items()
            if waited.jobs >= _LEAST_SAMPLES and (usual := waited.quantile(0.9)) is not None
        },
        oldest=await _oldest(backburner, late),
        crashed=sum(hour.crashed for hour in hours),
        poisoned=sum(hour.poisoned for hour in hours),
        redis_answers=redis_answers,
        tail_lag_s=tail_lag_s,
        room=room,
    )


async def _oldest(backburner: Backburner, late: Sequence[Unfinished]) -> dict[tuple[str, str], Oldest]:
    """The first of each of these, and why it waits."""
    found = {}
    for each in late[:_MOST_WHYS]:
        job = await backburner.operations.first_queued(each.kind, each.queue)
        with suppress(JobNotFound):  # gone meanwhile
            if job:
                found[each.kind, each.queue] = Oldest(job, await backburner.why(job))
    return found


def _room(folder: Path | None) -> Room | None:
    """What is left of the disk; None where the folder is not there (yet), or there is none."""
    if folder is None:
        return None
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return Room(usage.free, usage.total)
