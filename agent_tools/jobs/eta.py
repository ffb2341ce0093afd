"""A job, and what others like it took → when it will have ended."""

import json
import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from statistics import fmean, median
from typing import NamedTuple

from agent_tools.jobs.job import QUEUED, RUNNING, Job
from agent_tools.jobs.runs import BEFORE_STEPS, MARKS, SIZE, Run, SoFar, Stage

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
_WORTH_TELLING_S = 1.0
"""What is shorter is not told apart. Past what is usual: if those that took longer leave less, it ends at any moment."""
_MOMENTS = (0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9)
"""How far runs before were when it is looked at how well that was foretold."""
_FOLDS = 5
"""Of so many parts each is foretold by the others."""
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


def eta(job: Job, now: datetime, history: "History", *, before_s: float | None = None) -> Eta | None:
    """When the job will have ended; None where that cannot be told, or lies with people or with what is outside.

    Of a queued job only where it is known for how long it will stand in its queue: `before_s`.
    """
    if len(history.runs) < FEWEST:
        return None
    if job.status == RUNNING and job.claimed_at:
        so_far = _so_far(job)
        here_s = max((now - job.claimed_at).total_seconds(), 0)
        return _of_running(job, history, so_far, max(here_s - so_far.at_s, 0))
    if job.status == QUEUED and before_s is not None and not job.crashes:
        return _of_queued(job, now, history, before_s)
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


def _of_running(job: Job, history: "History", so_far: SoFar, in_stage_s: float) -> Eta | None:
    spent_s = so_far.run.took_s + in_stage_s
    left = history.left(so_far, in_stage_s)
    if left is not None and job.redo_of and so_far.stage == BEFORE_STEPS:
        # What it takes over is seen only when it gets there.
        left = _sooner(left, history.takes_again(so_far.run.size), spent_s)
    if left is None:
        return None
    whole_s = spent_s + left.mid_s
    percent = min(int(100 * spent_s / whole_s), 99) if whole_s > 0 else 0
    is_overdue = left.mid_s <= 0 and spent_s > history.usually_s
    return Eta(left, history.usually_s, percent, is_overdue)


def _sooner(left: Span, whole: Span | None, spent_s: float) -> Span:
    if whole is None:
        return left
    again = whole.less(spent_s)
    return Span(min(left.low_s, again.low_s), min(left.mid_s, again.mid_s), min(left.high_s, again.high_s))


def _of_queued(job: Job, now: datetime, history: "History", before_s: float) -> Eta | None:
    if job.progress is not None and job.progress.so_far is not None:
        own = history.left(_so_far(job), 0)
    else:
        own = (history.takes_again if job.redo_of else history.takes)(size_of(job.args))
    if own is None:
        return None
    before_s += max((job.run_after - now).total_seconds(), 0)
    return Eta(own + Span(before_s, before_s, before_s), history.usually_s)


class History:
    """The last runs of one kind that ended well."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = runs
        self._fits: dict[tuple[str | None, str | None], _Fit | None] = {}
        self._after: dict[str, dict[str, float]] = {}
        self._waits = median(run.waits for run in runs) if runs else 0
        self.usually_s = median(run.took_s for run in runs) if runs else 0.0
        self._longest_s = max((run.took_s for run in runs), default=0.0)

    def usual_s(self, size: float | None) -> float | None:
        """What half of such jobs take; None below three runs, and where people are asked."""
        if len(self.runs) < FEWEST or self._waits:
            return None
        units = {SIZE: size} if size else {}
        fit = self._fit(None, units)
        return self._told_s(0, fit.usual_s(units)) if fit else None

    def takes(self, size: float | None) -> Span | None:
        """What a job of this size takes from its begin to its end; None below three runs, and where people are asked."""
        usual_s = self.usual_s(size)
        return None if usual_s is None else self._span(0, usual_s)

    def takes_again(self, size: float | None) -> Span | None:
        """The same of a new version, by how much of such was taken over from the one before; where none was yet, perhaps all."""
        whole = self.takes(size)
        anew = sorted(1 - run.taken_over_s / run.took_s for run in self.runs if run.took_s > run.taken_over_s > 0)
        if whole is None or not anew:
            return whole and replace(whole, low_s=0)
        likely = sorted([0, *anew, 1])
        return Span(
            whole.low_s * _quantile(likely, 0.1), whole.mid_s * median(anew), whole.high_s * _quantile(likely, 0.9)
        )

    def left(self, so_far: SoFar, in_stage_s: float) -> Span | None:
        """What is left of a run, `in_stage_s` after it was so; None below three runs, and where people will be asked."""
        if len(self.runs) < FEWEST or so_far.run.waits < self._waits:
            return None
        left_s = self._left_s(so_far, in_stage_s)
        return None if left_s is None else self._span(so_far.run.took_s + in_stage_s, left_s)

    def _left_s(self, so_far: SoFar, in_stage_s: float) -> float | None:
        left_s = self._reckoned_s(so_far, in_stage_s)
        return None if left_s is None else self._told_s(so_far.run.took_s + in_stage_s, left_s)

    def _told_s(self, spent_s: float, left_s: float) -> float:
        """The same; of what takes a second no more than what half of the runs took: nobody sees how far such a job is."""
        if max(self.usually_s, spent_s + left_s) >= _WORTH_TELLING_S:
            return left_s
        return max(self.usually_s - spent_s, _A_MOMENT_S if spent_s < self._longest_s else 0)

    def _reckoned_s(self, so_far: SoFar, in_stage_s: float) -> float | None:
        stage, units = so_far.stage, so_far.run.units
        spent = {name: each.took_s for name, each in so_far.run.stages.items()}
        spent[stage] = spent.get(stage, 0) + in_stage_s
        present = self._fit(stage, units)
        if present is None or sum(stage in run.stages for run in self.runs) < min(FEWEST, len(self.runs)):
            whole = self._fit(None, units)
            return whole.left_s(whole.usual_s(units), sum(spent.values())) if whole else None
        others = [
            _Other(name, fit.usual_s(units), chance)
            for name, chance in self._chances(stage).items()
            if (fit := self._fit(name, units))
        ]
        speed = _speed(present.usual_s(units), spent, so_far, others)
        still_s = present.left_s(present.usual_s(units) * speed.until_here, spent[stage], so_far)
        to_come_s = sum(max(other.usual_s * speed.now - spent.get(other.name, 0), 0) * other.chance for other in others)
        return still_s + max(to_come_s - _unsaid_s(present.usual_s(units), spent[stage], so_far), 0)

    def _span(self, spent_s: float, left_s: float) -> Span:
        """What is left with its range: as far off as it was of those runs before when they seemed to be as far as this one."""
        whole_s = spent_s + left_s
        far = spent_s / whole_s if whole_s else 1
        alike = [min(seen, key=lambda at: abs(at.far - far)) for seen in self._misses if seen]
        misses = sorted(
            [
                -left_s * (1 - _SLOW),
                max(left_s * (_FAST - 1), whole_s * _SLOW),
                *(at.miss * whole_s for at in alike),
            ]
        )
        early_s, late_s = _quantile(misses, 0.1), _quantile(misses, 0.9)
        return Span(max(left_s + min(early_s, 0), 0), left_s, left_s + max(late_s, 0))

    @cached_property
    def _misses(self) -> Sequence[Sequence["_Miss"]]:
        """Of every run how far off it was at some moments, as the others foretell it."""
        folds = min(len(self.runs), _FOLDS)
        found = list[Sequence[_Miss]]()
        for nth in range(folds):
            others = History([run for place, run in enumerate(self.runs) if place % folds != nth])
            found += [others._misses_of(run) for run in self.runs[nth::folds] if run.took_s > 0]
        return found

    def _misses_of(self, run: Run) -> Sequence["_Miss"]:
        found = list[_Miss]()
        for share in _MOMENTS:
            spent_s = share * run.took_s
            told_s = max(spent_s - _TOLD_EVERY_S / 2, 0)
            so_far, in_stage_s = _as_it_was(run, told_s)
            left_s = self._left_s(so_far, in_stage_s + spent_s - told_s)
            if left_s is not None and spent_s + left_s > 0:
                whole_s = spent_s + left_s
                found.append(_Miss(spent_s / whole_s, (run.took_s - whole_s) / whole_s))
        return found

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


class _Miss(NamedTuple):
    """When a run was taken to be so far (from 0 to 1): how much longer than foretold the whole took, as a share of that."""

    far: float
    miss: float


def _as_it_was(run: Run, spent_s: float) -> tuple[SoFar, float]:
    """A run that has ended as it was after so long, as far as that was noted; and for how long its stage had gone on."""
    stages: dict[str, Stage] = {}
    in_order = sorted(run.stages.items(), key=lambda item: item[1].first)
    for name, stage in in_order:
        here_s = min(spent_s, stage.took_s)
        passed = [at_s for at_s in stage.marks if at_s <= here_s]
        is_over = here_s >= stage.took_s and name != in_order[-1][0]
        if not is_over:
            # Before the first step it is said only on the way how much there is to do.
            is_told = name != BEFORE_STEPS or len(run.stages) == 1 or bool(passed)
            stages[name] = replace(stage, took_s=0, units=stage.units if is_told else None)
            share = MARKS[len(passed) - 1] if passed else None
            so_far = Run(stages, run.size, run.waits)
            return SoFar(so_far, name, share, passed[-1] if passed else 0), here_s
        stages[name] = stage
        spent_s -= here_s
    return SoFar(Run(stages, run.size, run.waits)), spent_s


class _Fit(NamedTuple):
    """What a stage takes: `rate_s` for each of its units, and for `fixed` more of them."""

    by: str | None
    rate_s: float
    fixed: float
    ratios: Sequence[float]
    """How much longer than that each run took; sorted."""
    spread: float

    def usual_s(self, units: Mapping[str, float]) -> float:
        return self.rate_s * ((1 if self.by is None else units[self.by]) + self.fixed)

    def left_s(self, usual_s: float, spent_s: float, so_far: SoFar = _UNSAID) -> float:
        """What is left after `spent_s`, by what is usual and by how far it says that it is."""
        known_s = self._known_s(usual_s, spent_s)
        if not so_far.share:
            return max(known_s - spent_s, 0) if known_s is not None else 0
        seen_s = so_far.share_s / so_far.share
        if known_s is None:
            return max(seen_s - spent_s, 0)
        seen_s = min(max(seen_s, known_s * _SLOW), known_s * _FAST)
        trust = math.sqrt(so_far.share)
        return max(known_s * (1 - trust) + seen_s * trust - spent_s, 0)

    def _known_s(self, usual_s: float, spent_s: float) -> float | None:
        """How long it takes in all, when it has taken so long: as usual; then like those that took longer; None: none did."""
        longer = self.ratios[bisect_right(self.ratios, spent_s / usual_s) :]
        if not longer:
            return None
        if spent_s < usual_s:
            return usual_s
        like_them_s = _quantile(longer, 0.5) * usual_s
        return like_them_s if like_them_s - spent_s >= _WORTH_TELLING_S else spent_s + _A_MOMENT_S


class _Other(NamedTuple):
    """A stage other than the present one; `chance` that it is still to come, or to go on."""

    name: str
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
    return _Fit(by, rate_s, fixed, ratios, spread)


def _quantile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
