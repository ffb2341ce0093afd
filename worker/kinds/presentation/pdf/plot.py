"""A chart as a drawing, placed much as PowerPoint places its own charts."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from worker.kinds.presentation.deck import Chart, Run, plain
from worker.kinds.presentation.layout.fit import line_count
from worker.kinds.presentation.layout.sheet import Box, Panel, Plot, Words
from worker.kinds.presentation.pdf.plot_axes import on_axes
from worker.kinds.presentation.pdf.plot_marks import (
    LEADING,
    LINE,
    TITLE,
    Mark,
    Stroke,
    color,
    label,
    line_height,
    marker,
    widest,
)
from worker.kinds.presentation.pdf.plot_pie import pie


def drawing(plot: Plot) -> tuple[Mark, ...]:
    """The chart's parts, in the order in which they are drawn. None leaves the plot's box."""
    title, room = _title(plot)
    legend, room = _legend(plot, room)
    match plot.chart.kind:
        case "pie":
            marks = pie(plot, room)
        case "bar" | "line":
            marks = on_axes(plot, room)
    return (*title, *legend, *marks)


def told(chart: Chart) -> str:
    """The chart in words, for who cannot see it."""
    rows = ["; ".join(plain(cell) for cell in row) for row in (chart.table.head, *chart.table.rows)]
    title = plain(chart.title)
    return f"{chart.kind.capitalize()} chart{': ' if title else ''}{title}. {'. '.join(rows)}."


def _title(plot: Plot) -> tuple[list[Words], Box]:
    """The title above, on at most two lines, and the room that is left."""
    text, size, box = plain(plot.chart.title), plot.size * TITLE, plot.box
    if not text:
        return [], box
    lines = min(2, line_count((Run(text),), size, box.width, plot.face, bold=True))
    high = min(size * LEADING * lines, box.height / 3)
    words = list(label(plot, text, replace(box, height=high), anchor="top", color="ink", size=size, bold=True))
    used = high + plot.size * 0.6 if words else 0.0
    return words, replace(box, y=box.y + used, height=max(box.height - used, 1.0))


def _legend(plot: Plot, room: Box) -> tuple[list[Mark], Box]:
    """What the colours mean, centred at the bottom in as many rows as it takes, and the room that is left."""
    chart = plot.chart
    if chart.kind != "pie" and len(chart.series) < 2:
        return [], room
    names = chart.categories if chart.kind == "pie" else [series.name for series in chart.series]
    swatch, gap, high = plot.size * 0.7, plot.size * 0.4, line_height(plot) * 1.15
    entries = [
        (index, name, min(widest(plot, [name]) + 0.1, room.width - swatch - gap)) for index, name in enumerate(names)
    ]
    rows: list[list[tuple[int, str, float]]] = [[]]
    for entry in entries:
        if rows[-1] and _row(plot, [*rows[-1], entry]) > room.width:
            rows.append([])
        rows[-1].append(entry)
    rows = rows[: int(room.height / 3 / high)]
    marks, top = list[Mark](), room.y + room.height - high * len(rows)
    for number, row in enumerate(rows):
        x, y = room.x + (room.width - _row(plot, row)) / 2, top + number * high
        for index, name, wide in row:
            marks += _swatch(plot, Box(x, y + (high - swatch) / 2, swatch, swatch), index)
            marks += label(plot, name, Box(x + swatch + gap, y, wide, high), align="left")
            x += swatch + gap + wide + plot.size * 1.4
    return marks, replace(room, height=room.height - (high * len(rows) + plot.size * 0.5 if rows else 0.0))


def _row(plot: Plot, row: Sequence[tuple[int, str, float]]) -> float:
    return sum(plot.size * 1.1 + wide for _, _, wide in row) + plot.size * 1.4 * (len(row) - 1)


def _swatch(plot: Plot, box: Box, index: int) -> Iterator[Mark]:
    fill, opacity = color(index)
    if plot.chart.kind != "line":
        yield Panel(box, fill, opacity=opacity)
        return
    y = box.y + box.height / 2
    yield Stroke(((box.x, y), (box.x + box.width, y)), fill, LINE, opacity)
    yield marker((box.x + box.width / 2, y), index)
