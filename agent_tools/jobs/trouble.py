"""How an installation stands → what is wrong with it, in sentences that say what to do. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from agent_tools.jobs.job import Worker
from agent_tools.jobs.why import about, duration, unavailable

LEAST_WAIT_S = 120.0
"""Nobody calls it slow when a job begins within this, however fast it usually is."""
SLOWER = 3
"""So many times what is usual is longer than usual."""
LATE_NEWS_S = 10.0
LEAST_FREE_BYTES = 1_000_000_000
LEAST_FREE_SHARE = 0.05


class Unfinished(NamedTuple):
    """So many jobs of a kind in a queue are in this state: queued (due), scheduled, running, person, outside or jobs.

    `since` is for how long the first of them has been.
    """

    kind: str
    queue: str
    state: str
    jobs: int
    since: datetime


class Oldest(NamedTuple):
    """The first of the jobs that wait for a worker, and why it does."""

    job: str
    why: str


class Deliveries(NamedTuple):
    """How it goes with telling webhooks. `failing` were tried and will be again; `given_up` within the last week."""

    pending: int
    failing: int
    given_up: int


class Questions(NamedTuple):
    """How many questions are open; 10,000 stands for more."""

    open: int
    long_open: int
    oldest: datetime | None


class Room(NamedTuple):
    """What is left of the disk on which artifacts lie."""

    free: int
    all: int


class Keeping(NamedTuple):
    """For how many days is kept what completed and nobody filed (None: for ever), and since when that is the rule."""

    days: int | None
    since: datetime


@dataclass(frozen=True)
class Seen:
    """What was looked at. None: it could not be, or is not known here."""

    now: datetime
    workers: Sequence[Worker]
    unfinished: Sequence[Unfinished]
    deliveries: Deliveries
    questions: Questions
    usual_wait_s: Mapping[str, float] = field(default_factory=dict)
    """Kind → what 9 of 10 of its jobs wait for a worker at most."""
    oldest: Mapping[tuple[str, str], Oldest] = field(default_factory=dict)
    """Kind and queue → the first of those that wait, for some that wait long."""
    crashed: int = 0
    poisoned: int = 0
    redis_answers: bool = True
    tail_lag_s: float | None = None
    room: Room | None = None


@dataclass(frozen=True)
class Trouble:
    """Something is wrong: what, and what to do. `is_urgent`: jobs stand still, or will soon. `href` leads to more."""

    said: str
    do: str
    is_urgent: bool = False
    href: str = ""


def troubles(seen: Seen) -> list[Trouble]:
    """Everything that is wrong, the urgent first; nothing where all is well."""
    found = [*_nobody_works(seen), *_slow(seen), *_away(seen), *_full(seen), *_broken(seen), *_unanswered(seen)]
    return sorted(found, key=lambda each: not each.is_urgent)


def _nobody_works(seen: Seen) -> list[Trouble]:
    if any(worker.is_alive for worker in seen.workers):
        return []
    last = max((worker.seen_at for worker in seen.workers), default=None)
    since = f"; the last one was seen {duration((seen.now - last).total_seconds())} ago" if last else ""
    said = f"No worker is alive{since}. {_stand_still(sum(each.jobs for each in seen.unfinished if each.state == 'queued'))}"
    return [Trouble(said, "Start one with 'backburner up' or 'backburner worker'.", is_urgent=True)]


def _stand_still(jobs: int) -> str:
    return f"{_jobs(jobs)} {'stands' if jobs == 1 else 'stand'} still." if jobs else "Whatever is asked for will wait."


def _slow(seen: Seen) -> list[Trouble]:
    alive = [worker for worker in seen.workers if worker.is_alive]
    found = []
    for each in seen.unfinished if alive else ():
        if each.state != "queued":
            continue
        why_not = unavailable(each.kind, alive)
        waited_s = (seen.now - each.since).total_seconds()
        if why_not and waited_s > LATE_NEWS_S:
            said = f"{_jobs(each.jobs)} of the kind '{each.kind}' {_wait(each.jobs)}, and no worker alive runs it."
            do = f"{why_not} 'backburner doctor' says what each kind needs." if why_not else ""
            found.append(Trouble(said, do, is_urgent=True, href=_of_kind(each.kind)))
        elif waited_s > max(LEAST_WAIT_S, SLOWER * seen.usual_wait_s.get(each.kind, 0)):
            found.append(_waits_long(seen, each, waited_s))
    return found


def _waits_long(seen: Seen, queued: Unfinished, waited_s: float) -> Trouble:
    usual_s = seen.usual_wait_s.get(queued.kind)
    usually = f"; 9 of 10 begin within {about(usual_s)}" if usual_s else ""
    said = (
        f"{_jobs(queued.jobs)} of the kind '{queued.kind}' {_wait(queued.jobs)} for a worker, the oldest for "
        f"{duration(waited_s)}{usually}."
    )
    oldest = seen.oldest.get((queued.kind, queued.queue))
    alive = [worker for worker in seen.workers if worker.is_alive]
    is_full = all(worker.running >= worker.max_jobs for worker in alive)
    more = "More workers help: 'backburner worker --workers 2', on any machine." if is_full or not oldest else ""
    do = f"{f'Of the oldest: {oldest.why} ' if oldest else ''}{more}".strip()
    return Trouble(said, do, href=f"/jobs/{oldest.job}" if oldest else _of_kind(queued.kind))


def _away(seen: Seen) -> list[Trouble]:
    found = []
    if not seen.redis_answers:
        said = "Redis does not answer. What is asked for is kept, and begins when it is back."
        found.append(Trouble(said, "Start it again; 'backburner doctor' says which address is asked.", is_urgent=True))
    if seen.tail_lag_s is not None and seen.tail_lag_s > LATE_NEWS_S:
        said = f"Live pages and waits are {duration(seen.tail_lag_s)} behind."
        do = "A transaction that writes, in this database server, has been open for so long: end it. pg_stat_activity names it."
        found.append(Trouble(said, do))
    return found


def _full(seen: Seen) -> list[Trouble]:
    room = seen.room
    if room is None or (room.free >= LEAST_FREE_BYTES and room.free >= LEAST_FREE_SHARE * room.all):
        return []
    said = f"The disk of the artifacts is nearly full: {room.free / 1e9:.1f} of {room.all / 1e9:.0f} GB are free."
    do = "Make room there, or let go what nobody files: BACKBURNER_KEEP_DAYS."
    return [Trouble(said, do, is_urgent=room.free < LEAST_FREE_BYTES / 2)]


def _broken(seen: Seen) -> list[Trouble]:
    found = []
    if seen.crashed or seen.poisoned:
        crashed = f"Workers died over {_jobs(seen.crashed + seen.poisoned)} in the last day"
        given_up = f"; {_jobs(seen.poisoned)} took three along and {'was' if seen.poisoned == 1 else 'were'} given up"
        do = "Look at what failed, and in the workers' log; too little memory is the usual reason."
        found.append(Trouble(f"{crashed}{given_up if seen.poisoned else ''}.", do, href="/jobs?status=failed&since=1d"))
    told = seen.deliveries
    if told.failing or told.given_up:
        parts = [
            f"{told.failing} {'is' if told.failing == 1 else 'are'} tried again" if told.failing else "",
            f"{told.given_up} {'was' if told.given_up == 1 else 'were'} given up this week" if told.given_up else "",
        ]
        said = f"Messages to webhooks are not taken: {' and '.join(part for part in parts if part)}."
        found.append(Trouble(said, "GET /api/v1/webhooks says which address answers what."))
    return found


def _unanswered(seen: Seen) -> list[Trouble]:
    asked = seen.questions
    if not asked.long_open or asked.oldest is None:
        return []
    one = asked.long_open == 1
    said = (
        f"{'One question waits' if one else f'{asked.long_open:,} questions wait'} longer than a week"
        f"{':' if one else ', the oldest'} for {duration((seen.now - asked.oldest).total_seconds())}."
    )
    return [Trouble(said, "Remind whoever it is for, answer, or cancel the job: it waits for ever.", href="/waiting")]


def _jobs(number: int) -> str:
    return "1 job" if number == 1 else f"{number:,} jobs"


def _wait(number: int) -> str:
    return "waits" if number == 1 else "wait"


def _of_kind(kind: str) -> str:
    return f"/jobs?status=open&kind={kind}"
