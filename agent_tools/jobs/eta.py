"""A job, and what others like it took → when it will have ended."""

import json
import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import fmean, median
from typing import NamedTuple

from agent_tools.jobs.job import QUEUED, RUNNING, Job, Worker
from agent_tools.jobs.runs import BEFORE_STEPS, SIZE, Run, SoFar, Stage

FEWEST = 3
"""From fewer runs nothing is foretold."""
_FIXED = 0.05
"""Of a usual number of units: what a stage takes before the first, in units."""
_MUST_TELL = 0.8
"""Units are believed where they leave at most this much of the spread that there is without them."""
_SLOW, _FAST = 1 / 3, 3.0
"""How much slower or faster than usual a run is taken to be."""
_CALM = 0.1
"""Of what a run should take: how much of it has to be seen before its speed counts half."""
_A_MOMENT_S = 0.001
_TOLD_EVERY_S = 1.0
"""How old what is known of a run may be: workers write it at most so often."""


@dataclass(frozen=True)
class Span:
    """A length of time that is not known exactly: 8 of 10 lie between `low_s` and `high_s`, half below `mid_s`."""

    low_s: float
    mid_s: float
    high_s: float

    def __add__(self, other: "Span") -> "Span":
        return Span(self.low_s + other.low_s, self.mid_s + other.mid_s, self.high_s + other.high_s)

    def times(self, factor: float) -> "Span":
        """So much of it."""
        return Span(self.low_s * factor, self.mid_s * factor, self.high_s * factor)

    def less(self, seconds: float) -> "Span":
        """What is left of it after so long; never less than nothing."""
        return Span(max(self.low_s - seconds, 0), max(self.mid_s - seconds, 0), max(self.high_s - seconds, 0))


NOTHING = Span(0, 0, 0)
_UNSAID = SoFar(Run({}))


@dataclass(frozen=True)
class Eta:
    """When a job will have ended, from now. `percent`: how much of it is done, None before it began."""

    left: Span
    usually_s: float
    percent: int | None = None
    is_overdue: bool = False
    """It takes longer than any other did, and nobody knows how long: `left` says nothing."""


class Place(NamedTuple):
    """Where a queued job stands. `ahead_s` is what those before it take together; `unknown`: of so many nobody knows."""

    ahead: int
    ahead_s: float = 0
    unknown: int = 0
    running: int = 0
    """How many jobs of its queue run, of those that may be seen."""
    running_s: float = 0


def eta(
    job: Job, now: datetime, history: "History", *, place: Place | None = None, workers: Sequence[Worker] = ()
) -> Eta | None:
    """When the job will have ended; None where that cannot be told, or lies with people or with what is outside.

    Of a queued job only where `place` says how it stands among the others that `workers` have to do.
    """
    if len(history.runs) < FEWEST:
        return None
    if job.status == RUNNING and job.claimed_at:
        so_far = _so_far(job)
        here_s = max((now - job.claimed_at).total_seconds(), 0)
        return _of_running(history, so_far, max(here_s - so_far.at_s, 0))
    if job.status == QUEUED and place is not None and not job.crashes:
        return _of_queued(job, now, history, place, workers)
    return None


def _so_far(job: Job) -> SoFar:
    """What its last attempt said, as the present one begins with it where it has said nothing yet."""
    said = job.progress.so_far if job.progress else None
    if said is None:
        return SoFar(Run({BEFORE_STEPS: Stage(0)}, size_of(job.args)), fence=job.fence or 0)
    return said if said.fence == job.fence else replace(said, at_s=0, fence=job.fence or 0)


def size_of(args: Mapping[str, object]) -> float:
    """How much a job was given, in characters."""
    return len(json.dumps(args, ensure_ascii=False, default=str))


def _of_running(history: "History", so_far: SoFar, in_stage_s: float) -> Eta | None:
    left = history.left(so_far, in_stage_s)
    if left is None:
        return None
    spent_s = so_far.run.took_s + in_stage_s
    whole_s = spent_s + left.mid_s
    percent = min(int(100 * spent_s / whole_s), 99) if whole_s > 0 else 0
    is_overdue = left.mid_s <= 0 and spent_s > history.usually_s
    return Eta(left, history.usually_s, percent, is_overdue)


def _of_queued(job: Job, now: datetime, history: "History", place: Place, workers: Sequence[Worker]) -> Eta | None:
    was_run = job.progress is not None and job.progress.so_far is not None
    own = history.left(_so_far(job), 0) if was_run else history.takes(size_of(job.args))
    before_s = wait_s(job, place, workers)
    if own is None or before_s is None:
        return None
    before_s += max((job.run_after - now).total_seconds(), 0)
    return Eta(own + Span(before_s, before_s, before_s), history.usually_s)


def wait_s(job: Job, place: Place, workers: Sequence[Worker]) -> float | None:
    """For how long the job will stand in its queue; None where nobody can tell."""
    serving = [each for each in workers if each.is_alive and job.kind in each.kinds and job.queue in each.queues]
    slots = sum(each.max_jobs for each in serving)
    busy = sum(min(each.running, each.max_jobs) for each in serving)
    if not slots:
        return None
    if place.ahead < slots - busy:
        return 0
    if place.unknown or (busy and not place.running):
        return None
    # Jobs of others hold slots, too, and are taken to be like those that can be seen.
    running_s = place.running_s * max(busy / place.running, 1) if place.running else 0
    return (place.ahead_s + running_s) / slots


class History:
    """The last runs of one kind that ended well."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = runs
        self._fits: dict[tuple[str | None, str | None], _Fit | None] = {}
        self._after: dict[str, dict[str, float]] = {}
        self._waits = median(run.waits for run in runs) if runs else 0
        self.usually_s = median(run.took_s for run in runs) if runs else 0.0

    def takes(self, size: float | None) -> Span | None:
        """What a job of this size takes from its begin to its end; None below three runs, and where people are asked."""
        if len(self.runs) < FEWEST or self._waits:
            return None
        units = {SIZE: size} if size else {}
        fit = self._fit(None, units)
        return fit.span(fit.usual_s(units)) if fit else None

    def left(self, so_far: SoFar, in_stage_s: float) -> Span | None:
        """What is left of a run, `in_stage_s` after it was so; None below three runs, and where people will be asked."""
        if len(self.runs) < FEWEST or so_far.run.waits < self._waits:
            return None
        stage, units = so_far.stage, so_far.run.units
        spent = {name: each.took_s for name, each in so_far.run.stages.items()}
        spent[stage] = spent.get(stage, 0) + in_stage_s
        present = self._fit(stage, units)
        if present is None or sum(stage in run.stages for run in self.runs) < FEWEST:
            whole = self._fit(None, units)
            return whole.left(whole.usual_s(units), sum(spent.values())) if whole else None
        others = [
            _Other(name, fit, fit.usual_s(units), chance)
            for name, chance in self._chances(stage).items()
            if (fit := self._fit(name, units))
        ]
        speed = _speed(present.usual_s(units), spent, so_far, others)
        still = present.left(present.usual_s(units) * speed.until_here, spent[stage], so_far)
        to_come = NOTHING
        for other in others:
            whole_span = other.fit.span(other.usual_s * speed.now)
            to_come += whole_span.less(spent.get(other.name, 0)).times(other.chance)
        return still + to_come.less(_unsaid_s(present.usual_s(units), spent[stage], so_far))

    def _chances(self, stage: str) -> Mapping[str, float]:
        """Every other stage, and how likely it is that some of it comes after this one began."""
        if stage not in self._after:
            like_it = [run for run in self.runs if stage in run.stages]
            names = dict.fromkeys(name for run in like_it for name in run.stages if name != stage)
            comes = {
                name: [run for run in like_it if name in run.stages and run.stages[name].last > run.stages[stage].first]
                for name in names
            }
            self._after[stage] = {name: len(runs) / len(like_it) for name, runs in comes.items()}
        return self._after[stage]

    def _fit(self, stage: str | None, units: Mapping[str, float]) -> "_Fit | None":
        """What a stage takes (None: the whole), by those of the known units that tell most."""
        best = self._fit_by(stage, None)
        for by in units if best else ():
            fit = self._fit_by(stage, by)
            if fit and best and len(fit.ratios) >= FEWEST and fit.spread < best.spread * _MUST_TELL:
                best = fit
        return best

    def _fit_by(self, stage: str | None, by: str | None) -> "_Fit | None":
        if (stage, by) not in self._fits:
            took = [(run.took_s if stage is None else run.stages[stage].took_s, run) for run in self.runs
                    if stage is None or stage in run.stages]  # fmt: skip
            pairs = [(s, 1 if by is None else run.units[by]) for s, run in took if by is None or by in run.units]
            self._fits[stage, by] = _fitted(by, pairs) if pairs else None
        return self._fits[stage, by]


class _Fit(NamedTuple):
    """What a stage takes: `rate_s` for each of its units, and for `fixed` more of them."""

    by: str | None
    rate_s: float
    fixed: float
    ratios: Sequence[float]
    """How much longer than that each run took; sorted."""
    range: Span
    """Of the ratios."""
    spread: float

    def usual_s(self, units: Mapping[str, float]) -> float:
        return self.rate_s * ((1 if self.by is None else units[self.by]) + self.fixed)

    def span(self, usual_s: float) -> Span:
        return self.range.times(usual_s)

    def left(self, usual_s: float, spent_s: float, so_far: SoFar = _UNSAID) -> Span:
        """What is left after `spent_s`, by what is usual and by how far it says that it is."""
        known = self._known(usual_s, spent_s)
        if not so_far.share:
            return known.less(spent_s) if known else NOTHING
        seen_s = so_far.share_s / so_far.share
        if known is None:
            return Span(seen_s, seen_s, seen_s).less(spent_s)
        seen_s = min(max(seen_s, known.mid_s * _SLOW), known.mid_s * _FAST)
        trust = math.sqrt(so_far.share)
        return (known.times(1 - trust) + Span(seen_s, seen_s, seen_s).times(trust)).less(spent_s)

    def _known(self, usual_s: float, spent_s: float) -> Span | None:
        """How long it takes in all, when it has taken so long: as usual; then like those that took longer; None: none did."""
        longer = self.ratios[bisect_right(self.ratios, spent_s / usual_s) :]
        if not longer:
            return None
        span = _span(longer).times(usual_s)
        return span if spent_s >= usual_s else Span(min(span.low_s, usual_s), usual_s, max(span.high_s, usual_s))


class _Other(NamedTuple):
    """A stage other than the present one; `chance` that it is still to come, or to go on."""

    name: str
    fit: _Fit
    usual_s: float
    chance: float


class _Speed(NamedTuple):
    """How many times longer than usual everything takes: by the stages before, and with the present one."""

    until_here: float
    now: float


def _speed(present_s: float, spent: Mapping[str, float], so_far: SoFar, others: Sequence[_Other]) -> _Speed:
    calm_s = _CALM * (present_s + sum(other.usual_s for other in others))
    over = [other for other in others if other.name in spent and other.chance < 0.5]
    took_s, should_s = sum(spent[other.name] for other in over), sum(other.usual_s for other in over)
    until_here = _clipped((took_s + calm_s) / (should_s + calm_s)) if calm_s else 1
    # Without a share the present stage tells only that it is late.
    here_s = spent[so_far.stage] - _unsaid_s(present_s, spent[so_far.stage], so_far)
    done_s = min(here_s, present_s)
    if so_far.share:
        here_s, done_s = so_far.share_s, present_s * so_far.share
    now = _clipped((took_s + here_s + calm_s) / (should_s + done_s + calm_s)) if calm_s else 1
    return _Speed(until_here, now)


def _unsaid_s(usual_s: float, spent_s: float, so_far: SoFar) -> float:
    """For how long the next stage may have been running without anybody knowing."""
    return 0 if so_far.share else min(max(spent_s - usual_s, 0), _TOLD_EVERY_S)


def _clipped(speed: float) -> float:
    return min(max(speed, _SLOW), _FAST)


def _fitted(by: str | None, pairs: Sequence[tuple[float, float]]) -> _Fit:
    fixed = _FIXED * median(units for _, units in pairs) if by is not None else 0
    rate_s = max(
        median(took_s / (units + fixed) for took_s, units in pairs), _A_MOMENT_S / (1 + fixed) if by is None else 1e-9
    )
    ratios = sorted(took_s / (rate_s * (units + fixed)) for took_s, units in pairs)
    spread = fmean(abs(math.log(max(ratio, 0.01))) for ratio in ratios)
    return _Fit(by, rate_s, fixed, ratios, _span(ratios), spread)


def _span(ordered: Sequence[float]) -> Span:
    return Span(_quantile(ordered, 0.1), _quantile(ordered, 0.5), _quantile(ordered, 0.9))


def _quantile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
