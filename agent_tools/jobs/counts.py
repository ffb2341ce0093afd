"""What happened, counted: how often, and how long it took."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

BOUNDS_S = (
    0.1, 0.25, 0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 450, 600, 900, 1800, 3600, 7200, 14_400,
    28_800, 86_400, 259_200, 604_800, 2_592_000,
)  # fmt: skip
"""Between these lie the buckets. What is counted is kept by their number: they can only be added to at the end."""
NOT_MEASURED = -1


class Counted(NamedTuple):
    """So many jobs of a kind to which this happened, that took so long: bucket n lies above so many of the bounds."""

    kind: str
    what: str
    bucket: int
    jobs: int
    seconds: float


class Hour(NamedTuple):
    """What happened in the hour that began then: jobs that completed and failed, and those over which workers died.

    Of the latter `crashed` began again; `poisoned`, which are among those that failed, had taken three workers along.
    """

    began: datetime
    completed: int = 0
    failed: int = 0
    crashed: int = 0
    poisoned: int = 0


@dataclass
class Spread:
    """How long things took."""

    buckets: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    seconds: float = 0

    def add(self, counted: Counted) -> None:
        """Count these in, as far as they were measured."""
        if counted.bucket != NOT_MEASURED:
            self.buckets[counted.bucket] += counted.jobs
            self.seconds += counted.seconds

    @property
    def jobs(self) -> int:
        """How many were measured."""
        return sum(self.buckets.values())

    def quantile(self, share: float) -> float | None:
        """About how long so large a share of them took at most; None where none was measured."""
        wanted, below = share * self.jobs, 0
        for bucket in sorted(self.buckets):
            here = self.buckets[bucket]
            if below + here >= wanted:
                low, high = (BOUNDS_S[bucket - 1] if bucket else 0.0), BOUNDS_S[min(bucket, len(BOUNDS_S) - 1)]
                return low + (high - low) * max(wanted - below, 0) / here
            below += here
        return None

    def up_to(self) -> list[tuple[str, int]]:
        """Bound → how many took no longer; the last one is `+Inf`."""
        found, total = [], 0
        for bucket, bound in enumerate(BOUNDS_S):
            total += self.buckets.get(bucket, 0)
            found.append((str(float(bound)), total))
        return [*found, ("+Inf", self.jobs)]


@dataclass
class Tally:
    """What happened to the jobs of one kind."""

    times: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    took: dict[str, Spread] = field(default_factory=lambda: defaultdict(Spread))
    """By how it ended."""
    waited: Spread = field(default_factory=Spread)
    """Until a worker began with what was due."""

    @property
    def failed(self) -> int:
        """All that failed, also those for which workers died."""
        return self.times["failed"] + self.times["poison"]

    @property
    def success_rate(self) -> float | None:
        """Completed among those that completed or failed; None where none did."""
        ended = self.times["completed"] + self.failed
        return self.times["completed"] / ended if ended else None


def tallies(counted: Iterable[Counted]) -> dict[str, Tally]:
    """Kind → what happened to its jobs."""
    found: dict[str, Tally] = defaultdict(Tally)
    for each in counted:
        tally = found[each.kind]
        tally.times[each.what] += each.jobs
        if each.what == "started":
            tally.waited.add(each)
        elif each.what in ("completed", "failed"):
            tally.took[each.what].add(each)
    return dict(found)


def every_hour(hours: Sequence[Hour], now: datetime, many: int = 24) -> list[Hour]:
    """The last hours, the one that goes on last, also those in which nothing ended."""
    known: Mapping[datetime, Hour] = {each.began: each for each in hours}
    this = now.replace(minute=0, second=0, microsecond=0)
    began = [this - timedelta(hours=ago) for ago in reversed(range(many))]
    return [known.get(each, Hour(each)) for each in began]
