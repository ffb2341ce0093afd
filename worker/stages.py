"""Where the time of an attempt goes, as it goes on. From any thread."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from agent_tools.jobs.runs import BEFORE_STEPS, MARKS, MOST_STAGES, REST, Run, SoFar, Stage, stage_name


@dataclass
class _Open:
    """A stage while the attempt runs. The most units that were said of it: `beside` its steps, `inside` the present one, `summed` over those before."""

    first: int
    last: int
    took_s: float = 0
    beside: float | None = None
    inside: float | None = None
    summed: float = 0
    share: float | None = None
    share_s: float = 0
    """What it had taken when it was that far."""
    begun: tuple[float, float] | None = None
    """How much of how much was done already when the first was said of it."""
    last_said: tuple[float, float] | None = None
    """How much of how much was done, as was said last in one of its steps."""
    marks: list[float] = field(default_factory=list)

    @property
    def units(self) -> float | None:
        return self.beside or self.summed + (self.inside or 0) or None

    def is_at(self, done: float, of: float, before: tuple[float, float] | None) -> None:
        """It is so far, `before` which so much had been said beside steps."""
        if self.begun is None:
            self.begun = before if before is not None and before[1] == of and before[0] <= done else (0, of)
        begun = self.begun[0] if self.begun[1] == of else 0
        self.share = min(max((done - begun) / (of - begun), 0), 1) if begun < of else None
        self.share_s = self.took_s
        passed = sum(mark <= (self.share or 0) for mark in MARKS)
        self.marks += [round(self.took_s, 3)] * (passed - len(self.marks))


class Stages:
    """One attempt. A stage begins with the step that it is named after, and goes on until the next one begins.

    A step that was run earlier counts as it did then, so that a run is as long as if it had never been parked or killed.
    """

    def __init__(self, fence: int, size: float, now: Callable[[], float] = time.monotonic) -> None:
        self._fence, self._size, self._now = fence, size, now
        self._began = self._since = now()
        self._changes = 0
        self._name, self._stage = BEFORE_STEPS, _Open(0, 0)
        self._stages = {BEFORE_STEPS: self._stage}
        self._beside: tuple[float, float] | None = None
        self._waits = 0
        self._taken_over_s = 0.0
        self._lock = Lock()

    def enter(self, step: str) -> bool:
        """A step begins. Whether that is another stage."""
        with self._lock:
            return self._enter(step)

    def recorded(self, step: str, took_s: float, *, is_taken_over: bool = False) -> None:
        """A step was run before; taken over: by another job."""
        with self._lock:
            self._enter(step)
            self._stage.took_s += took_s
            self._taken_over_s += took_s if is_taken_over else 0

    def waited(self) -> None:
        """What was waited for has come."""
        with self._lock:
            self._waits += 1

    def said(self, done: float | None, of: float | None, *, in_step: bool) -> None:
        """How far it is, in units of the handler's own."""
        if done is None or not of:
            return
        with self._lock:
            self._tick()
            before, stage = self._beside, self._stage
            if not in_step:
                self._beside, stage.beside = (done, of), max(of, stage.beside or 0)
                stage.is_at(done, of, before)
                return
            if stage.inside is None and stage.last_said and stage.last_said[1] == of and done >= stage.last_said[0] > 0:
                stage.summed -= of  # it goes on where the step before it ended: both are parts of one whole
            stage.inside, stage.last_said = max(of, stage.inside or 0), (done, of)
            if not stage.beside and not stage.summed:
                stage.is_at(done, of, before)

    def so_far(self) -> SoFar:
        """Now."""
        with self._lock:
            run, stage = self._run(), self._stage
            at_s = self._since - self._began
            return SoFar(run, self._name, stage.share, round(stage.share_s, 3), self._fence, round(at_s, 3))

    def run(self) -> Run:
        """All of it."""
        with self._lock:
            return self._run()

    def _enter(self, step: str) -> bool:
        self._tick()
        name = stage_name(step)
        if name not in self._stages and len(self._stages) >= MOST_STAGES:
            name = REST
        is_other = name != self._name
        self._changes += is_other
        stage = self._stages.setdefault(name, _Open(self._changes, self._changes))
        stage.last = self._changes
        if stage.inside is not None:
            # Nobody knows how many more such steps there are, and so how far the stage is.
            stage.summed, stage.inside = stage.summed + stage.inside, None
            stage.share = stage.share if stage.beside else None
        if stage.begun is None and self._beside is not None:
            # What was said just before a step is said of it: "Drawing slide 1", 0 of 10.
            stage.beside = self._beside[1]
            stage.is_at(*self._beside, self._beside)
        self._name, self._stage = name, stage
        return is_other

    def _tick(self) -> None:
        now = self._now()
        self._stage.took_s += now - self._since
        self._since = now

    def _run(self) -> Run:
        self._tick()
        stages = {
            name: Stage(round(each.took_s, 3), each.first, each.last, each.units, tuple(each.marks))
            for name, each in self._stages.items()
        }
        return Run(stages, self._size, self._waits, round(self._taken_over_s, 3))
