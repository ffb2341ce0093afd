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
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rig.patience import eventually
from storm.customers import Customers, served
from storm.harm import SORTS, Scene
from storm.site import LEASE_S, SWEEP_S, Site, opened
from storm.verdict import STUCK_S, Verdict, glance, of_everything

BREATH_S = 0.5
"""Between two faults: enough for the jobs of the one before to move, too little for calm."""
_SETTLES = ("completed", "failed", "retrying", "waiting", "given_back")
_FIRST = """SELECT extract(epoch FROM min(at) - %(since)s)::float8 AS seconds FROM job_events
             WHERE job_id = ANY (%(jobs)s) AND type = ANY (%(settles)s) AND at > %(since)s"""


@dataclass(frozen=True)
class Plan:
    """How long and how hard."""

    seed: int
    jobs: int
    faults: int
    seconds: float
    per_s: float


@dataclass
class Record:
    """What happened, sort by sort."""

    recoveries: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    injected: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    affected: dict[str, int] = field(default_factory=lambda: defaultdict(int))
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
    said = parser.parse_args(words)
    return Plan(
        said.seed,
        said.jobs or (1000 if said.short else 20_000),
        said.faults or len(SORTS) * (1 if said.short else 10),
        said.seconds or (115 if said.short else 3600),
        said.per_second,
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
            for name in _sequence(plan.faults, chance):
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
            return record, of_everything(site, customers.ledger), len(customers.ledger.orders)
        finally:
            for task in (ordering, *others):
                task.cancel()
            await asyncio.gather(ordering, *others, return_exceptions=True)


def _sequence(faults: int, chance: random.Random) -> list[str]:
    """Every sort as often as every other, in any order."""
    names: list[str] = []
    while len(names) < faults:
        names += chance.sample(list(SORTS), len(SORTS))
    return names[:faults]


async def _one_fault(scene: Scene, name: str, record: Record) -> None:
    """From before it begins until the first job that it hurt has moved on, and a look at everything that moves."""
    book = scene.site.book
    begun = datetime.now(UTC)
    jobs = list(await SORTS[name](scene))
    ended = datetime.now(UTC)
    record.injected[name] += 1
    unfinished = {row["id"] for row in book.rows("SELECT id FROM jobs WHERE id = ANY (%(jobs)s) AND (finished_at IS NULL OR finished_at > %(ended)s)", jobs=jobs, ended=ended)}
    affected = [job for job in jobs if job in unfinished]
    record.affected[name] += len(affected)
    if affected:

        def first() -> float | None:
            found = book.rows(_FIRST, jobs=affected, since=ended, settles=list(_SETTLES))[0]["seconds"]
            return None if found is None else float(found)

        try:
            await eventually(lambda: first() is not None, STUCK_S)
            record.recoveries[name].append(first() or 0.0)
        except AssertionError:
            record.stuck += [f"{job}: nothing happened for {STUCK_S:g} s after: {name}" for job in affected]
    verdict = glance(scene.site, begun)
    record.stuck += [each for each in verdict.stuck if each not in record.stuck]
    record.problems += [each for each in verdict.broken if each not in record.problems]
    print(f"{(ended - begun).total_seconds():6.1f} s  {name}{'' if verdict.is_good else '   <-- ' + str(verdict)}", flush=True)


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
    lines = ["| Fault | times | jobs it could hurt | first of them moved on (median, longest) |", "|---|---|---|---|"]
    for name in SORTS:
        if times := record.injected.get(name):
            seconds = sorted(record.recoveries.get(name, ()))
            took = f"{statistics.median(seconds):.1f} s, {seconds[-1]:.1f} s" if seconds else "–"
            lines.append(f"| {name} | {times} | {record.affected[name]} | {took} |")
    return "\n".join(lines)


def line(record: Record, verdict: Verdict, jobs: int) -> str:
    """The one line."""
    recoveries = sorted(seconds for each in record.recoveries.values() for seconds in each)
    p95 = recoveries[int(0.95 * (len(recoveries) - 1))] if recoveries else 0.0
    return (
        f"faults: {len(record.injected)} sorts, {sum(record.injected.values())} injected, {jobs} jobs, {len(verdict.lost)} lost, "
        f"{len(verdict.doubled)} doubled, {len(verdict.stuck)} stuck, recovery p95 {p95:.1f} s"
    )


async def main(plan: Plan) -> int:
    """0 where nothing was lost, doubled or stuck, and every invariant held."""
    folder = Path(tempfile.mkdtemp(prefix="bb-storm-"))
    folder.chmod(0o711)  # Postgres does not run as root
    print(f"storm of {plan.faults} faults over at least {plan.jobs} jobs, lease {LEASE_S:g} s, sweep {SWEEP_S:g} s, seed {plan.seed}", flush=True)
    async with opened(folder) as site:
        began = time.monotonic()
        record, verdict, jobs = await storm(site, plan)
        took = time.monotonic() - began
        totals = site.book.rows("SELECT coalesce(sum(errors), 0) AS errors, coalesce(sum(crashes), 0) AS crashes, count(*) FILTER (WHERE crashes = 3) AS thrice FROM jobs")[0]
        asked, done = sum(site.receiver.effects.values()), len(site.receiver.receipts)
    verdict.stuck += [each for each in record.stuck if each not in verdict.stuck]
    verdict.broken += [each for each in record.problems if each not in verdict.broken]
    for what, sentences in vars(verdict).items():
        for sentence in sentences[:50]:
            print(f"{what}: {sentence}")
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
    raise SystemExit(asyncio.run(main(planned())))
