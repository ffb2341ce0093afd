"""How an installation stands → what the operators' page shows of it. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from agent_tools.jobs.counts import Hour, Spread, Tally
from agent_tools.jobs.job import Worker
from agent_tools.jobs.trouble import Keeping, Seen, Unfinished
from agent_tools.jobs.why import about, duration
from agent_tools.operating import Overview
from sql.operations import Made, Table
from web.words import Moment, kind_name, moment, size

STATES = ("queued", "scheduled", "running", "person", "outside", "jobs")
_NICE = (1, 2, 5)


@dataclass(frozen=True)
class Tile:
    """One number that says how it goes."""

    label: str
    number: str
    note: str
    href: str = ""
    is_bad: bool = False


@dataclass(frozen=True)
class Bar:
    """An hour of the chart: heights in percent, from the bottom."""

    hour: str
    completed: int
    failed: int
    completed_height: float
    failed_height: float


@dataclass(frozen=True)
class Chart:
    """What ended in the last 24 hours, by the hour. `most` stands at its top."""

    bars: Sequence[Bar]
    most: int
    said: str


@dataclass(frozen=True)
class UnderWay:
    """What the jobs of one kind in one queue do that have not ended; `counts` in the order of STATES."""

    kind: str
    href: str
    queue: str
    counts: Sequence[int]
    oldest: str


@dataclass(frozen=True)
class Went:
    """How the jobs of a kind went in a while."""

    completed: int
    failed: int
    rate: str
    median: str
    most: str


@dataclass(frozen=True)
class KindRow:
    """How a kind does: in the last week, and in the last month."""

    kind: str
    week: Went
    month: Went


@dataclass(frozen=True)
class WorkerRow:
    """A worker that is alive."""

    name: str
    host: str
    pid: int
    version: str
    up: str
    kinds: str
    unable: Sequence[tuple[str, str]]
    running: int
    slots: int
    beat: str


@dataclass(frozen=True)
class Sized:
    """Something, how many there are of it, and how large they are together."""

    name: str
    many: str
    size: str


def tiles(overview: Overview) -> list[Tile]:
    """The numbers at the top."""
    seen = overview.seen
    alive = [worker for worker in seen.workers if worker.is_alive]
    slots, used = sum(worker.max_jobs for worker in alive), sum(worker.running for worker in alive)
    queued, people = _in(seen, "queued"), _in(seen, "person")
    others = [*_in(seen, "outside"), *_in(seen, "jobs")]
    done, failed = sum(hour.completed for hour in overview.hours), sum(hour.failed for hour in overview.hours)
    scheduled = _sum(_in(seen, "scheduled"))
    first = f"the first {_age(queued, seen.now)} ago" if queued else "nothing waits for a worker"
    later = f"; {scheduled:,} for later" if scheduled else ""
    return [
        Tile("Queued", f"{_sum(queued):,}", first + later, "/jobs?status=queued"),
        Tile("Running", f"{_sum(_in(seen, 'running')):,}", f"{used} of {slots} slots taken", "/jobs?status=running"),
        Tile("Wait for people", f"{_sum(people):,}", _since(people, seen.now), "/waiting"),
        Tile("Wait for others", f"{_sum(others):,}", "for what is outside, or for jobs", "/jobs?status=waiting"),
        Tile("Done", f"{done:,}", "in 24 hours", "/jobs?status=completed&since=1d"),
        Tile("Failed", f"{failed:,}", _share(failed, done), "/jobs?status=failed&since=1d", is_bad=failed > 0),
    ]


def summary(seen: Seen) -> str:
    """What there is to say where nothing is wrong."""
    alive = sum(worker.is_alive for worker in seen.workers)
    asked = (
        f" {_count(seen.questions.open, 'question')} open, for as long as people take." if seen.questions.open else ""
    )
    return f"{_count(alive, 'worker')} alive, what is due begins, Redis answers, news arrive, and there is room on the disk.{asked}"


def chart(hours: Sequence[Hour]) -> Chart:
    """The last 24 hours as bars, what failed on top of what completed."""
    most = _nice(max((hour.completed + hour.failed for hour in hours), default=0))
    bars = [
        Bar(
            f"{hour.began:%H:%M}",
            hour.completed,
            hour.failed,
            round(100 * hour.completed / most, 2),
            round(100 * hour.failed / most, 2),
        )
        for hour in hours
    ]
    done, failed = sum(hour.completed for hour in hours), sum(hour.failed for hour in hours)
    said = f"{_count(done, 'job')} completed and {failed:,} failed in the last 24 hours"
    busiest = max(hours, key=lambda hour: hour.completed + hour.failed, default=None)
    if busiest is None or not done + failed:
        return Chart(bars, most, f"{said}.")
    return Chart(bars, most, f"{said}, most of them from {busiest.began:%H:%M} UTC on.")


def under_way(seen: Seen) -> list[UnderWay]:
    """What has not ended, by kind and queue."""
    places: dict[tuple[str, str], dict[str, Unfinished]] = defaultdict(dict)
    for each in seen.unfinished:
        places[each.kind, each.queue][each.state] = each
    return [
        UnderWay(
            kind_name(kind),
            f"/jobs?status=open&kind={kind}",
            queue,
            [states[state].jobs if state in states else 0 for state in STATES],
            _age([states["queued"]], seen.now) if "queued" in states else "",
        )
        for (kind, queue), states in sorted(places.items())
    ]


def kinds(week: Mapping[str, Tally], month: Mapping[str, Tally]) -> list[KindRow]:
    """How each kind does, the busiest first."""
    busiest = sorted(month, key=lambda kind: (-month[kind].times["completed"] - month[kind].failed, kind))
    rows = [KindRow(kind_name(kind), _went(week.get(kind, Tally())), _went(month[kind])) for kind in busiest]
    return [row for row in rows if row.month.completed or row.month.failed]


def workers(seen: Seen) -> list[WorkerRow]:
    """Those that are alive."""
    return [_worker(worker, seen.now) for worker in seen.workers if worker.is_alive]


def gone(seen: Seen) -> int:
    """How many workers left or fell silent within the last day."""
    return sum(not worker.is_alive for worker in seen.workers)


def tables(found: Iterable[Table]) -> list[Sized]:
    """The tables, the largest first."""
    return [
        Sized(table.name, f"about {table.rows:,}" if table.rows >= 0 else "not looked at yet", size(table.bytes))
        for table in found
    ]


def made(found: Iterable[Made]) -> list[Sized]:
    """What jobs made, by kind, the largest first."""
    return [Sized(kind_name(each.kind), f"about {each.files:,}", size(each.bytes)) for each in found]


def kept(keeping: Keeping, now: datetime) -> str:
    """For how long jobs are kept, as a sentence."""
    if keeping.days is None:
        return "Completed jobs are kept for ever. BACKBURNER_KEEP_DAYS lets those go that nobody files."
    days = _count(keeping.days, "day")
    return (
        f"What is filed under a subject is kept for ever; what nobody files goes {days} after it completed, "
        f"never before it was announced for {min(keeping.days, 7)} days. So since {moment(keeping.since, now).exact}."
    )


def as_of(now: datetime) -> Moment:
    """When all this was looked at."""
    return moment(now, now)


def _worker(worker: Worker, now: datetime) -> WorkerRow:
    return WorkerRow(
        worker.name,
        worker.host,
        worker.pid,
        worker.version or "",
        duration((now - worker.started_at).total_seconds()),
        ", ".join(worker.kinds) or "none",
        sorted(worker.unavailable.items()),
        worker.running,
        worker.max_jobs,
        f"{max((now - worker.seen_at).total_seconds(), 0):.0f} s ago",
    )


def _went(tally: Tally) -> Went:
    rate, took = tally.success_rate, tally.took["completed"]
    return Went(
        tally.times["completed"],
        tally.failed,
        "" if rate is None else _percent(rate),
        _took(took, 0.5),
        _took(took, 0.9),
    )


def _took(spread: Spread, share: float) -> str:
    seconds = spread.quantile(share)
    if seconds is None:
        return ""
    return about(seconds).removeprefix("about ") if seconds >= 1 else "under 1 s"


def _percent(rate: float) -> str:
    """Never 100 % where one failed."""
    return f"{min(100 * rate, 99.9):.1f} %" if 0.99 < rate < 1 else f"{100 * rate:.0f} %"


def _share(failed: int, done: int) -> str:
    return f"{_percent(failed / (failed + done))} of what ended in 24 hours" if failed else "in 24 hours"


def _in(seen: Seen, state: str) -> list[Unfinished]:
    return [each for each in seen.unfinished if each.state == state]


def _sum(found: Iterable[Unfinished]) -> int:
    return sum(each.jobs for each in found)


def _age(found: Sequence[Unfinished], now: datetime) -> str:
    return duration((now - min(each.since for each in found)).total_seconds())


def _since(found: Sequence[Unfinished], now: datetime) -> str:
    return f"the first for {_age(found, now)}" if found else "no question is open"


def _count(number: int, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"


def _nice(most: int) -> int:
    """A round number that is not below it."""
    power = 1
    while True:
        for nice in _NICE:
            if nice * power >= most:
                return nice * power
        power *= 10
