"""Bars and lines of a chart, on their axes."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from worker.kinds.presentation.layout.sheet import Box, Panel, Plot, Words
from worker.kinds.presentation.pdf.axis import Axis, axis, places, written
from worker.kinds.presentation.pdf.plot_marks import (
    GAP,
    LINE,
    MOST_LABELLED,
    OVERLAP,
    THIN,
    Mark,
    Point,
    Stroke,
    color,
    label,
    line_height,
    marker,
    shortened,
    widest,
    within,
)


@dataclass(frozen=True)
class _Field:
    """Where values and categories lie. Values go up, or to the right when bars lie; the first category is on top then."""

    box: Box
    axis: Axis
    many: int
    lies: bool

    @property
    def slot(self) -> float:
        """The room for a category."""
        return (self.box.height if self.lies else self.box.width) / max(self.many, 1)

    def at(self, category: float, value: float) -> Point:
        """The place of a value; categories count from 0, at the beginning of their room."""
        along, share = category * self.slot, self.axis.share(value)
        if self.lies:
            return self.box.x + share * self.box.width, self.box.y + along
        return self.box.x + along, self.box.y + self.box.height * (1 - share)

    def line(self, value: float) -> tuple[Point, ...]:
        """Across all categories, at this value."""
        return self.at(0, value), self.at(self.many, value)

    @property
    def base(self) -> float:
        """The value that bars stand on."""
        return min(max(0.0, self.axis.low), self.axis.high)


def on_axes(plot: Plot, room: Box) -> Iterator[Mark]:
    """Grid, bars or lines, and what is written at them."""
    labels, lies = _value_labels(plot), plot.is_horizontal and plot.chart.kind == "bar"
    field = _lying(plot, room, labels) if lies else _upright(plot, room, labels)
    for tick in field.axis.ticks:
        yield Stroke(field.line(tick), "line", THIN)
    yield from _bars(plot, field) if plot.chart.kind == "bar" else _lines(plot, field)
    yield Stroke(field.line(field.base), "muted", THIN)
    yield from _names_beside(plot, field, room) if lies else _names_below(plot, field, room)
    yield from _steps_below(plot, field, room) if lies else _steps_beside(plot, field, room)
    if labels and widest(plot, labels.values()) <= (math.inf if lies else field.slot):
        yield from _labels(plot, field, labels)


def _value_labels(plot: Plot) -> dict[int, str]:
    """What is written at each value, by its category, where there is room for that: one series, not too long."""
    chart = plot.chart
    if len(chart.series) != 1 or len(chart.categories) > MOST_LABELLED:
        return {}
    decimals = places(chart)
    values = enumerate(chart.series[0].values)
    return {index: written(value, chart, decimals) for index, value in values if value is not None}


def _steps(plot: Plot, scale: Axis) -> list[str]:
    return [written(tick, plot.chart, scale.places) for tick in scale.ticks]


def _upright(plot: Plot, room: Box, labels: dict[int, str]) -> _Field:
    """Values up, categories along the bottom."""
    high, many = line_height(plot), len(plot.chart.categories)
    scale = axis(plot.chart, max(2, min(6, int(room.height / (plot.size * 3.2)))))
    left = min(widest(plot, _steps(plot, scale)) + 0.1, room.width * 0.3) + plot.size * 0.6
    _, lines = _thinned(plot, (room.width - left) / max(many, 1))
    above = high + 4 if labels else high / 2
    below = (high if labels and scale.low < 0 else 0.0) + plot.size * 0.5 + high * lines
    inner = Box(room.x + left, room.y + above, room.width - left, max(room.height - above - below, 1.0))
    return _Field(inner, scale, many, lies=False)


def _steps_beside(plot: Plot, field: _Field, room: Box) -> Iterator[Words]:
    high, wide = line_height(plot), field.box.x - room.x - plot.size * 0.6
    for tick, text in zip(field.axis.ticks, _steps(plot, field.axis), strict=True):
        _, y = field.at(0, tick)
        yield from label(plot, text, within(Box(room.x, y - high / 2, wide, high), room), align="right")


def _names_below(plot: Plot, field: _Field, room: Box) -> Iterator[Words]:
    every, lines = _thinned(plot, field.slot)
    high, free = line_height(plot, lines), room.x
    for index in range(0, field.many, every):
        middle, name = field.box.x + (index + 0.5) * field.slot, plot.chart.categories[index]
        wide = min(widest(plot, [name]) + 0.1, field.slot * every * 0.96)
        box = within(Box(middle - wide / 2, room.y + room.height - high, wide, high), room)
        if box.x >= free:
            yield from label(plot, name, box, anchor="top")
            free = box.x + box.width + (plot.size * 0.4 if every > 1 else 0.0)


def _thinned(plot: Plot, slot: float) -> tuple[int, int]:
    """Every how many categories one is named, and on how many lines, so that the names do not touch."""
    names = plot.chart.categories
    if widest(plot, names) <= slot * 0.96:
        return 1, 1
    if all(shortened(plot, name, plot.size, slot * 0.96, 2, bold=False) == name for name in names):
        return 1, 2
    wide = widest(plot, names)
    every = next((every for every in (1, 2, 3, 4, 5, 6, 7, 10, 12) if min(wide, 110) <= slot * every * 0.85), 24)
    if len(names) <= MOST_LABELLED and slot > 3 * plot.size:
        return 1, 2  # cut short, but each is there
    return every, 1


def _lying(plot: Plot, room: Box, labels: dict[int, str]) -> _Field:
    """Values to the right, categories one below the other; with as many steps as have room side by side."""
    left = min(widest(plot, plot.chart.categories) + 0.1, room.width * 0.4) + plot.size * 0.6
    beyond = min(widest(plot, labels.values()) + plot.size * 0.4, room.width * 0.2) if labels else 0.0
    high = max(room.height - line_height(plot) - plot.size * 0.4, 1.0)
    for most in (6, 5, 4, 3, 2):
        scale = axis(plot.chart, most)
        steps = _steps(plot, scale)
        before, after = (beyond if scale.low < 0 else 0.0), max(beyond, widest(plot, steps) / 2)
        inner = Box(room.x + left + before, room.y, max(room.width - left - before - after, 1.0), high)
        if (widest(plot, steps) + plot.size) * (len(steps) - 1) <= inner.width:
            break
    return _Field(inner, scale, len(plot.chart.categories), lies=True)


def _steps_below(plot: Plot, field: _Field, room: Box) -> Iterator[Words]:
    high, free = line_height(plot), room.x
    for tick, text in zip(field.axis.ticks, _steps(plot, field.axis), strict=True):
        x, wide = field.at(0, tick)[0], widest(plot, [text]) + 0.1
        box = within(Box(x - wide / 2, room.y + room.height - high, wide, high), room)
        if box.x >= free:
            yield from label(plot, text, box)
            free = box.x + box.width


def _names_beside(plot: Plot, field: _Field, room: Box) -> Iterator[Words]:
    high, wide = line_height(plot), min(widest(plot, plot.chart.categories) + 0.1, room.width * 0.4)
    every = max(1, math.ceil(high / field.slot))
    tall = min(field.slot, 2 * high) if every == 1 else high
    for index in range(0, field.many, every):
        y = field.box.y + (index + 0.5) * field.slot
        box = within(Box(room.x, y - tall / 2, wide, tall), room)
        yield from label(plot, plot.chart.categories[index], box, align="right")


def _bars(plot: Plot, field: _Field) -> Iterator[Panel]:
    """Groups of bars, a bar of each series in a group."""
    many = len(plot.chart.series)
    bar = 1 / (many - OVERLAP * (many - 1) + GAP)
    for index, series in enumerate(plot.chart.series):
        fill, opacity = color(index)
        for category, value in enumerate(series.values):
            if not value:
                continue
            begin = category + bar * (GAP / 2 + index * (1 - OVERLAP))
            (x1, y1), (x2, y2) = field.at(begin, field.base), field.at(begin + bar, value)
            yield Panel(Box(min(x1, x2), min(y1, y2), abs(x2 - x1), abs(y2 - y1)), fill, opacity=opacity)


def _lines(plot: Plot, field: _Field) -> Iterator[Mark]:
    """A line for each series, broken where a value is missing."""
    for index, series in enumerate(plot.chart.series):
        paint, opacity = color(index)
        points = [None if value is None else field.at(n + 0.5, value) for n, value in enumerate(series.values)]
        for is_gap, group in groupby(points, key=lambda point: point is None):
            stretch = tuple(point for point in group if point is not None)
            if not is_gap and len(stretch) > 1:
                yield Stroke(stretch, paint, LINE, opacity)
        yield from (marker(point, index) for point in points if point is not None)


def _labels(plot: Plot, field: _Field, labels: dict[int, str]) -> Iterator[Words]:
    """Each value beyond the end of its bar, or above its point."""
    (series,), high, gap = plot.chart.series, line_height(plot), 4.0 if plot.chart.kind == "line" else 2.0
    for category, text in labels.items():
        value = series.values[category] or 0.0
        x, y = field.at(category + 0.5, value)
        is_below = value < 0 and plot.chart.kind == "bar"
        if field.lies:
            wide = widest(plot, [text]) + 0.1
            box = Box(x - gap - wide if is_below else x + gap, y - high / 2, wide, high)
        else:
            box = Box(x - field.slot / 2, y + gap if is_below else y - gap - high, field.slot, high)
        yield from label(plot, text, within(box, plot.box), color="ink")
