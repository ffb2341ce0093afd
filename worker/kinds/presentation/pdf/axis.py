"""The values of a chart: the even steps of their axis, and how each is written."""

import math
from dataclasses import dataclass

from worker.kinds.presentation.deck import Chart

_LARGEST, _LEAST = 1e300, 1e-300
"""Beyond these, differences are no longer finite, or nothing."""
_NEARLY = 1e-9


@dataclass(frozen=True)
class Axis:
    """From `low` to `high` in steps that people count in: 1, 2 or 5, or these with noughts."""

    low: float
    high: float
    step: float

    @property
    def ticks(self) -> list[float]:
        """The values that are marked, from the lowest."""
        first, last = round(self.low / self.step), round(self.high / self.step)
        return [number * self.step for number in range(first, last + 1)]

    @property
    def places(self) -> int:
        """How many decimals its steps take."""
        return max(0, -math.floor(math.log10(self.step) + _NEARLY))

    def share(self, value: float) -> float:
        """How far along the axis the value lies, from 0 to 1."""
        return (_bounded(value) - self.low) / (self.high - self.low)


def axis(chart: Chart, most_steps: int) -> Axis:
    """The axis for a chart's values. It begins at 0, but for lines whose ups and downs would then be lost."""
    values = [_bounded(value) for value in _values(chart)] or [0.0]
    low, high = min(values), max(values)
    if chart.kind == "line" and _is_flat(low, high):
        low, high = low - (high - low) / 2, high + (high - low) / 20
    else:
        low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        high = low + 1.0
    step = _even((high - low) / max(most_steps, 1))
    return Axis(math.floor(low / step + _NEARLY) * step, math.ceil(high / step - _NEARLY) * step, step)


def places(chart: Chart) -> int:
    """How many decimals it takes to write the values down: at most two, and more only where all are small."""
    values = _values(chart)
    largest = max((abs(_bounded(value)) for value in values), default=0.0)
    most = 2 if largest == 0 or largest >= 1 else min(1 - math.floor(math.log10(largest)), 9)
    return max((len(f"{value:.{most}f}".rstrip("0").partition(".")[2]) for value in values), default=0)


def written(value: float, chart: Chart, decimals: int) -> str:
    """The value with its unit, as PowerPoint writes it: `1,234 km`, `-$5`."""
    size = abs(value)
    digits = f"{size:,.{decimals}f}" if size < 1e15 and decimals <= 9 else f"{size:.4g}"
    sign = "-" if value < 0 and digits.strip("0.,") else ""
    return f"{sign}{chart.unit}{digits}" if chart.unit_first else f"{sign}{digits}{chart.unit}"


def _values(chart: Chart) -> list[float]:
    return [value for series in chart.series for value in series.values if value is not None]


def _bounded(value: float) -> float:
    return max(-_LARGEST, min(_LARGEST, value)) if abs(value) > _LEAST else 0.0


def _is_flat(low: float, high: float) -> bool:
    """Whether the values lie so far from 0 and so near each other that on an axis from 0 they would look alike."""
    return low * high > 0 and 0 < high - low < max(abs(low), abs(high)) / 6


def _even(step: float) -> float:
    """The next larger step that people count in."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(times * power for times in (1, 2, 5, 10) if times * power >= step * (1 - _NEARLY))
