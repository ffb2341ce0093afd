"""Where the time of a run goes, stage by stage."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

BEFORE_STEPS = ""
"""The stage of what comes before the first step."""
SIZE = "@size"
"""Among a run's units: how much it was given."""
MOST_STAGES = 50
REST = "…"
"""Where the time of all further stages goes."""
MARKS = (0.25, 0.5, 0.75)
"""How far into a stage its time is noted."""
_DIGITS = re.compile(r"\d+")
_MOST_CHARACTERS = 60
_LEAST_UNITS = 1e-6


def stage_name(step: str) -> str:
    """What steps are called that differ only in a number: `story 3` is a `story #`."""
    return _DIGITS.sub("#", step)[:_MOST_CHARACTERS]


@dataclass(frozen=True)
class Stage:
    """What one stage has taken. `first` and `last`: how many changes of stage came before it was begun, first and last."""

    took_s: float
    first: int = 0
    last: int = 0
    units: float | None = None
    """How much there was to do, where the handler said so."""
    marks: Sequence[float] = ()
    """What it had taken when the handler said that it was as far as each of MARKS; of those that were passed."""


@dataclass(frozen=True)
class Run:
    """What one job has taken, and nothing of the time that it was parked."""

    stages: Mapping[str, Stage]
    size: float | None = None
    """The length of its arguments."""
    waits: int = 0
    """For how many answers of people, and things outside."""
    taken_over_s: float = 0
    """What of it was taken over from an earlier job, and so cost nothing."""
    variant: str = ""
    """Which of the kind's ways it went (see job_kind)."""

    @cached_property
    def took_s(self) -> float:
        """All of it."""
        return sum(stage.took_s for stage in self.stages.values())

    @cached_property
    def units(self) -> Mapping[str, float]:
        """Everything that says how much there is to do: by stage, and the size."""
        said = {name: stage.units for name, stage in self.stages.items()} | {SIZE: self.size}
        return {name: units for name, units in said.items() if units and units >= _LEAST_UNITS}


@dataclass(frozen=True)
class SoFar:
    """A run that goes on, as it was `at_s` after the claim of this fence."""

    run: Run
    stage: str = BEFORE_STEPS
    share: float | None = None
    """How much of the stage is done, from 0 to 1."""
    share_s: float = 0
    """What the stage had taken when it was that far."""
    fence: int = 0
    at_s: float = 0


def run_of(row: Mapping[str, Any]) -> Run:
    """A run as it was written, also by another version."""
    stages = {name: Stage(**_known(Stage, stage)) for name, stage in row["stages"].items()}
    return Run(stages, row.get("size"), row.get("waits") or 0, row.get("taken_over_s") or 0, row.get("variant") or "")


def so_far_of(row: Mapping[str, Any] | None) -> SoFar | None:
    """The same of a run that goes on; None where nothing was written."""
    return SoFar(**{**_known(SoFar, row), "run": run_of(row["run"])}) if row else None


def _known(cls: Any, row: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: row[field.name] for field in fields(cls) if field.name in row}
