"""What stands before a queued job, and for how long."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from agent_tools.jobs.job import QUEUED, Job, Limit, Worker

MOST_AHEAD = 1000
"""So many jobs are counted before another; of more only that there are more."""
TURNS = {1: 16, 0: 4, -1: 1}
"""Priority → how many turns its jobs get while those of another get theirs (the bell rings so)."""


class Head(NamedTuple):
    """The first jobs of a lane, which is what is due of one priority in one queue: their kinds, and where some of them stand."""

    queue: str
    priority: int
    kinds: Sequence[str]
    places: Mapping[str, int]


class Going(NamedTuple):
    """Jobs of one kind that run, with for how many seconds each has; `most` may run at once. `queue` None: none runs."""

    queue: str | None
    kind: str
    for_s: Sequence[float]
    most: int | None


@dataclass(frozen=True)
class Place:
    """Where a due job stands: of each kind how many of its tenant are to be begun before it, and what runs in its queue."""

    ahead: Mapping[str, int] = field(default_factory=dict)
    running: Mapping[str, Sequence[float]] = field(default_factory=dict)
    most: Mapping[str, int] = field(default_factory=dict)
    """Kind → how many may run at once, where not as many as there are slots."""
    is_counted: bool = True
    """False: it stands further back than is counted."""

    @property
    def count(self) -> int:
        """How many jobs stand before it; above MOST_AHEAD: nobody counted how many more."""
        return sum(self.ahead.values()) if self.is_counted else MOST_AHEAD + 1


def places(jobs: Sequence[Job], now: datetime, heads: Sequence[Head], going: Sequence[Going]) -> dict[str, Place]:
    """Job id → where it stands, of those of the jobs that are due."""
    most = {each.kind: each.most for each in going if each.most is not None}
    running: dict[str, dict[str, Sequence[float]]] = defaultdict(dict)
    for each in going:
        if each.queue is not None:
            running[each.queue][each.kind] = each.for_s
    found: dict[str, Place] = {}
    for job in jobs:
        if job.status != QUEUED or job.run_after > now:
            continue
        lanes = {head.priority: head for head in heads if head.queue == job.queue}
        own = lanes.get(job.priority)
        place = own.places.get(job.id) if own else None
        ahead = _ahead(job.priority, place, lanes) if place is not None else {}
        found[job.id] = Place(ahead, running[job.queue], most, is_counted=place is not None)
    return found


def limits(jobs: Sequence[Job], going: Sequence[Going]) -> dict[str, Limit]:
    """Kind → how many may run at once, and how many do; of the kinds of these jobs."""
    return {
        kind: Limit(
            next((each.most for each in going if each.kind == kind), None),
            sum(len(each.for_s) for each in going if each.kind == kind),
        )
        for kind in {job.kind for job in jobs}
    }


def _ahead(priority: int, place: int, lanes: Mapping[int, Head]) -> Mapping[str, int]:
    """What is begun before the job at this place of its lane: lanes take turns, and the higher ones get more of them."""
    ahead = Counter(lanes[priority].kinds[:place])
    for other, lane in lanes.items():
        if other != priority:
            ahead.update(lane.kinds[: place * TURNS[other] // TURNS[priority] + (other > priority)])
    return ahead


def wait_s(job: Job, place: Place, workers: Sequence[Worker], takes: Mapping[str, float]) -> float | None:
    """For how long the job will stand in its queue, by what each kind takes; None where nobody can tell."""
    serving = [each for each in workers if each.is_alive and job.kind in each.kinds and job.queue in each.queues]
    slots = sum(each.max_jobs for each in serving)
    busy = sum(min(each.running, each.max_jobs) for each in serving)
    if not slots or not place.is_counted:
        return None
    for_its_kind_s = _wait_for_its_kind_s(job.kind, place, takes)
    for_a_slot_s = _wait_for_a_slot_s(place, slots, busy, takes)
    return None if for_its_kind_s is None or for_a_slot_s is None else max(for_its_kind_s, for_a_slot_s)


def _wait_for_its_kind_s(kind: str, place: Place, takes: Mapping[str, float]) -> float | None:
    """Until fewer of its kind run than may."""
    most, running = place.most.get(kind), place.running.get(kind, ())
    if most is None or place.ahead.get(kind, 0) + len(running) < most:
        return 0
    if kind not in takes or not most:
        return None
    return _work_s(kind, place, takes) / most


def _wait_for_a_slot_s(place: Place, slots: int, busy: int, takes: Mapping[str, float]) -> float | None:
    """Until a worker has a hand free. What is ahead but may not run yet stands in nobody's way."""
    room = {kind: max(most - len(place.running.get(kind, ())), 0) for kind, most in place.most.items()}
    soon = sum(min(number, room.get(kind, number)) for kind, number in place.ahead.items())
    if soon < slots - busy:
        return 0
    kinds = {*place.ahead, *place.running}
    running = sum(len(each) for each in place.running.values())
    if not kinds <= takes.keys() or (busy and not running):
        return None
    # Jobs of others hold slots, too, and are taken to be like those that can be seen.
    unseen_s = sum(_left_s(kind, place, takes) for kind in place.running) * max(busy / running - 1, 0) if running else 0
    work_s = {kind: _work_s(kind, place, takes) for kind in kinds}
    return _together_s(work_s, unseen_s, slots, place.most)


def _together_s(work_s: Mapping[str, float], more_s: float, slots: int, most: Mapping[str, int]) -> float:
    """How long so much work takes in so many slots, where of some kinds only so many run at once."""
    held, capped = 0, set[str]()
    while True:
        rest_s = more_s + sum(seconds for kind, seconds in work_s.items() if kind not in capped)
        free = slots - held
        if free <= 0:
            return max(work_s[kind] / most[kind] for kind in capped if most[kind])
        each_s = rest_s / free
        over = {kind for kind in work_s.keys() & most.keys() - capped if work_s[kind] > most[kind] * each_s}
        if not over:
            return each_s
        capped |= over
        held += sum(most[kind] for kind in over)


def _work_s(kind: str, place: Place, takes: Mapping[str, float]) -> float:
    return place.ahead.get(kind, 0) * takes[kind] + _left_s(kind, place, takes)


def _left_s(kind: str, place: Place, takes: Mapping[str, float]) -> float:
    return sum(max(takes[kind] - for_s, 0) for for_s in place.running.get(kind, ()))
