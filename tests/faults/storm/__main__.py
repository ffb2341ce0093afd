"""`make faults`: a storm over an installation of its own, and the one line that says what was lost in it."""

import argparse
import asyncio
import logging
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from rig.book import Book
from rig.patience import eventually

from storm.customers import Customers, served
from storm.harm import SORTS, Scene
from storm.site import LEASE_S, SWEEP_S, Site, opened
from storm.verdict import STUCK_S, Verdict, glance, of_everything

BREATH_S = 0.5
"""Between two faults: enough for the jobs of the one before to move, too little for calm."""
_SETTLES = ("completed", "failed", "retrying", "waiting", "given_back")
_MOVED = """SELECT min(first) AS first, max(first) AS last FROM (
              SELECT greatest(0, extract(epoch FROM min(at) - %(since)s))::float8 AS first FROM job_events
               WHERE job_id = ANY (%(jobs)s) AND type = ANY (%(settles)s)
                 -- None of them was seen to have ended by then: an end with an earlier time was committed since.
                 AND (at > %(since)s OR type IN ('completed', 'failed')) GROUP BY job_id) AS each_job"""


@dataclass(frozen=True)
class Plan:
    """How long and how hard."""

    seed: int
    jobs: int
    faults: int
    seconds: float
    per_s: float
    sorts: tuple[str, ...]


class Injected(NamedTuple):
    """A fault that has ended, and the jobs that it could have hurt and that had not ended then."""

    sort: str
    ended: datetime
    jobs: list[str]


class Moved(NamedTuple):
    """How long after a fault's end the first of those jobs was settled, and how long until all had been; None: none was."""

    first: float | None
    last: float | None


@dataclass
class Record:
    """What happened."""

    faults: list[Injected] = field(default_factory=list)
    moved: list[Moved] = field(default_factory=list)
    """To each of the faults."""
    missed: list[str] = field(default_factory=list)
    """Faults that could not be made, and why."""
    problems: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)


def planned(words: list[str] | None = None) -> Plan:
    """From the command line."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--short", action="store_true", help="each sort once, in under three minutes")
    parser.add_argument("--jobs", type=int, help="at least so many jobs (20,000; short: 1,000)")
    parser.add_argument("--faults", type=int, help="so many faults (every sort ten times; short: once)")
    parser.add_argument("--seconds", type=float, help="no new fault after so long (an hour; short: 115 s)")
    parser.add_argument("--per-second", type=float, default=22, help="how many jobs are created in a second")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10_000))
    parser.add_argument("--sorts", type=int, help="only so many sorts, whichever the seed picks (all)")
    parser.add_argument("--only", default="", help="only sorts with one of these in their names, by comma")
    said = parser.parse_args(words)
    sorts = tuple(name for name in SORTS if any(word.strip() in name for word in said.only.split(",")))
    sorts = tuple(random.Random(said.seed).sample(sorts, min(said.sorts or len(sorts), len(sorts))))
    return Plan(
        said.seed,
        said.jobs or (1000 if said.short else 20_000),
        said.faults or len(sorts) * (1 if said.short else 10),
        said.seconds or (115 if said.short else 3600),
        said.per_second,
        sorts,
    )


async def storm(site: Site, plan: Plan) -> tuple[Record, Verdict, int]:
    """Faults one after the other over a stream of jobs, then calm, then the verdict."""
    record, chance = Record(), random.Random(plan.seed)
    async with served(site, random.Random(plan.seed + 1)) as (customers, tail):
        ordering = asyncio.create_task(customers.order_until_told(plan.per_s))
        others = [asyncio.create_task(customers.answer_forever()), asyncio.create_task(customers.listen_forever(tail))]
        try:
            scene, began = Scene(site, customers, chance, record.problems), time.monotonic()
            await eventually(lambda: len(customers.ledger.orders) > plan.per_s, 30, "the first jobs")
            for name in _sequence(plan, chance):
                if time.monotonic() - began > plan.seconds:
                    break
                await _one_fault(scene, name, record)
                _fail_early(ordering, *others)
                await asyncio.sleep(BREATH_S)
            while len(customers.ledger.orders) < plan.jobs:
                await asyncio.sleep(BREATH_S)
            customers.is_ordering, customers.answers_all = False, True
            await ordering
            await _calm(site, customers)
            record.moved = [_moved(site.book, fault) for fault in record.faults]
            return record, of_everything(site, customers.ledger), len(customers.ledger.orders)
        finally:
            for task in (ordering, *others):
                task.cancel()
            await asyncio.gather(ordering, *others, return_exceptions=True)


def _sequence(plan: Plan, chance: random.Random) -> list[str]:
    """Every sort as often as every other, in any order."""
    names: list[str] = []
    while len(names) < plan.faults:
        names += chance.sample(plan.sorts, len(plan.sorts))
    return names[: plan.faults]


async def _one_fault(scene: Scene, name: str, record: Record) -> None:
    """From before it begins until the first job that it hurt has moved on, and a look at everything that moves."""
    book = scene.site.book
    begun = datetime.now(UTC)
    try:
        jobs = list(await SORTS[name](scene))
    except AssertionError as error:
        record.missed.append(f"{name}: {error}")
        return
    ended = datetime.now(UTC)
    left = book.rows(
        "SELECT id FROM jobs WHERE id = ANY (%(jobs)s) AND (finished_at IS NULL OR finished_at > %(ended)s)",
        jobs=jobs,
        ended=ended,
    )
    fault = Injected(name, ended, [row["id"] for row in left])
    record.faults.append(fault)
    try:
        await eventually(lambda: not fault.jobs or _moved(book, fault).first is not None, STUCK_S)
    except AssertionError:
        record.stuck += [f"{job}: nothing happened for {STUCK_S:g} s after: {name}" for job in fault.jobs]
    verdict = glance(scene.site, begun)
    record.stuck += [each for each in verdict.stuck if each not in record.stuck]
    record.problems += [each for each in verdict.broken + verdict.doubled if each not in record.problems]
    print(
        f"{(ended - begun).total_seconds():6.1f} s  {name}{'' if verdict.is_good else '   <-- ' + str(verdict)}",
        flush=True,
    )


def _moved(book: Book, fault: Injected) -> Moved:
    return Moved(**book.rows(_MOVED, jobs=fault.jobs, since=fault.ended, settles=list(_SETTLES))[0])


def _fail_early(*tasks: "asyncio.Task[None]") -> None:
    for task in tasks:
        if task.done() and (error := task.exception()):
            raise error


async def _calm(site: Site, customers: Customers) -> None:
    """Wait until nothing moves any more: all has ended, and the subscriber has heard of it."""
    try:
        await eventually(lambda: not site.book.number("SELECT count(*) FROM jobs WHERE finished_at IS NULL"), STUCK_S)
        last = site.book.rows("SELECT tx::text::bigint AS tx, id FROM job_events ORDER BY tx DESC, id DESC LIMIT 1")[0]
        await eventually(lambda: (last["tx"], last["id"]) in customers.ledger.heard[-50:], 10)
    except AssertionError:
        pass  # the verdict says what


def table(record: Record) -> str:
    """One line a sort."""
    lines = [
        "| Fault | times | jobs it could hurt | seconds until the first moved on: median, longest | until all had: median, longest |",
        "|---|---|---|---|---|",
    ]
    for name in SORTS:
        if of_this := [
            (fault, moved) for fault, moved in zip(record.faults, record.moved, strict=True) if fault.sort == name
        ]:
            first, last = _of([moved.first for _, moved in of_this]), _of([moved.last for _, moved in of_this])
            lines.append(
                f"| {name} | {len(of_this)} | {sum(len(fault.jobs) for fault, _ in of_this)} | {first} | {last} |"
            )
    return "\n".join(lines)


def _of(found: list[float | None]) -> str:
    seconds = [each for each in found if each is not None]
    return f"{statistics.median(seconds):.1f}, {max(seconds):.1f}" if seconds else "–"


def line(record: Record, verdict: Verdict, jobs: int) -> str:
    """The one line."""
    seconds = sorted(moved.first for moved in record.moved if moved.first is not None)
    p95 = seconds[int(0.95 * (len(seconds) - 1))] if seconds else 0.0
    sorts = len({fault.sort for fault in record.faults})
    return (
        f"faults: {sorts} sorts, {len(record.faults)} injected, {jobs} jobs, {len(verdict.lost)} lost, "
        f"{len(verdict.doubled)} doubled, {len(verdict.stuck)} stuck, recovery p95 {p95:.1f} s"
    )


async def main(plan: Plan) -> int:
    """0 where nothing was lost, doubled or stuck, and every invariant held."""
    folder = Path(tempfile.mkdtemp(prefix="bb-storm-"))
    folder.chmod(0o711)  # Postgres does not run as root
    print(
        f"storm of {plan.faults} faults over at least {plan.jobs} jobs, lease {LEASE_S:g} s, sweep {SWEEP_S:g} s, seed {plan.seed}",
        flush=True,
    )
    async with opened(folder) as site:
        await site.crew.begin(site.book)
        began = time.monotonic()
        record, verdict, jobs = await storm(site, plan)
        took = time.monotonic() - began
        totals = site.book.rows(
            "SELECT coalesce(sum(errors), 0) AS errors, coalesce(sum(crashes), 0) AS crashes, count(*) FILTER (WHERE crashes = 3) AS thrice FROM jobs"
        )[0]
        asked, done = sum(site.receiver.effects.values()), len(site.receiver.receipts)
    verdict.stuck += [each for each in record.stuck if each not in verdict.stuck]
    verdict.broken += [each for each in record.problems if each not in verdict.broken + verdict.doubled]
    for what, sentences in vars(verdict).items():
        for sentence in sentences[:50]:
            print(f"{what}: {sentence}")
    for sentence in record.missed:
        print(f"not injected: {sentence}")
    print(table(record))
    print(f"\n{took:.0f} s; {totals['crashes']} crashes and {totals['errors']} errors counted, {totals['thrice']} jobs met three crashes;"
          f" {done} effects outside, asked for {asked} times")  # fmt: skip
    print(line(record, verdict, jobs))
    if verdict.is_good:
        shutil.rmtree(folder, ignore_errors=True)
        return 0
    print(f"{len(verdict.broken)} broken; seed {plan.seed}; logs of the workers: {folder / 'logs'}")
    return 1


if __name__ == "__main__":
    os.environ["BACKBURNER_DRILLS"] = "1"
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr)
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    raise SystemExit(asyncio.run(main(planned())))
