"""The slices of a pie, with what each of them is."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from worker.kinds.presentation.deck import Chart
from worker.kinds.presentation.layout.sheet import Box, Plot, Words
from worker.kinds.presentation.pdf.plot_marks import (
    Mark,
    Point,
    Wedge,
    color,
    label,
    line_height,
    shortened,
    widest,
    within,
)

_FEW_DEGREES = math.radians(2)


@dataclass(frozen=True)
class _Slice:
    """A part of a pie: its colour's number, what it is, its share as it is written, its angles from 12 o'clock on."""

    index: int
    name: str
    share: str
    begin: float
    end: float

    @property
    def middle(self) -> float:
        return (self.begin + self.end) / 2

    @property
    def is_right(self) -> bool:
        return self.middle < math.pi

    @property
    def text(self) -> str:
        return f"{self.name}, {self.share}" if self.name else self.share


def pie(plot: Plot, room: Box) -> Iterator[Mark]:
    """Slices from 12 o'clock on, clockwise, with what each is and its share beside it."""
    slices = _slices(plot.chart)
    wide = min(widest(plot, (part.text for part in slices)) + 0.1, room.width * 0.32)
    radius = max(min(room.height / 2 - line_height(plot), room.width / 2 - wide - plot.size), 1.0)
    center = (room.x + room.width / 2, room.y + room.height / 2)
    for part in slices:
        fill, opacity = color(part.index)
        steps = max(1, math.ceil((part.end - part.begin) / _FEW_DEGREES))
        angles = [part.begin + (part.end - part.begin) * step / steps for step in range(steps + 1)]
        rim = tuple(_around(center, angle, radius) for angle in angles)
        yield Wedge(rim if len(slices) == 1 else (center, *rim), fill, opacity)
    for is_right in (True, False):
        side = [part for part in slices if part.is_right == is_right]
        yield from _beside(plot, room, side, center, radius, wide)


def _slices(chart: Chart) -> list[_Slice]:
    values = [value or 0.0 for value in chart.series[0].values]
    largest = max(values, default=0.0) or 1.0
    total = sum(value / largest for value in values) or 1.0
    slices, begin = list[_Slice](), 0.0
    for index, (category, value) in enumerate(zip(chart.categories, values, strict=True)):
        share = value / largest / total
        if share > 0:
            slices.append(_Slice(index, category, f"{share:.0%}", begin, begin + share * 2 * math.pi))
            begin = slices[-1].end
    return slices


def _around(center: Point, angle: float, radius: float) -> Point:
    return center[0] + math.sin(angle) * radius, center[1] - math.cos(angle) * radius


def _beside(
    plot: Plot, room: Box, side: Sequence[_Slice], center: Point, radius: float, wide: float
) -> Iterator[Words]:
    """The words of the slices on one side, each beside its slice. The smallest go without where there is no room."""
    high, end = line_height(plot), room.y + room.height
    named = sorted(side, key=lambda part: -math.cos(part.middle))
    while named:
        wished = [_around(center, part.middle, radius + high * 0.6)[1] - high / 2 for part in named]
        places = _apart(wished, high, room.y, end)
        if places[0] >= room.y and all(abs(y - wish) <= high for y, wish in zip(places, wished, strict=True)):
            break
        named.remove(min(named, key=lambda part: part.end - part.begin))
    for part, y in zip(named, places if named else [], strict=True):
        # Where the pie is widest beside these words, or where the slice points when that is further out.
        level = max(abs(y + high / 2 - center[1]) - high / 2, 0.0)
        rim = math.sqrt(max((radius + plot.size * 0.4) ** 2 - level**2, 0.0))
        away = max(rim, abs(math.sin(part.middle)) * (radius + plot.size * 0.5))
        box = Box(center[0] + away if part.is_right else center[0] - away - wide, y, wide, high)
        left = wide - widest(plot, [f", {part.share}"])
        name = shortened(plot, part.name, plot.size, left, 1, bold=False)
        text = replace(part, name=name).text
        yield from label(plot, text, within(box, room), align="left" if part.is_right else "right")


def _apart(wished: Sequence[float], high: float, low: float, end: float) -> list[float]:
    """Places at least so far from each other, as near to the wished as can be, from the first down."""
    places = list[float]()
    for y in wished:
        places.append(max(y, places[-1] + high if places else low))
    for index in reversed(range(len(places))):
        places[index] = min(places[index], end - high)
        end = places[index]
    return places
