"""What a chart is drawn with: measures and colours, which PowerPoint's own charts have too, and marks."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from worker.kinds.presentation.deck import Align, Run
from worker.kinds.presentation.layout.fit import line_count, widest_word, width
from worker.kinds.presentation.layout.sheet import Anchor, Box, Disc, Line, Panel, Plot, Words
from worker.kinds.presentation.theme import Color

Point = tuple[float, float]

TITLE = 1.15
"""The size of a chart's title, in sizes of its text."""
MOST_LABELLED = 12
"""A series with more points shows its values at the axis alone."""
GAP, OVERLAP = 0.6, -0.05
"""What is between groups of bars, and how far bars of a group overlap, in bars."""
LINE, MARKER, THIN = 2.25, 6.0, 0.75
COLORS: tuple[Color, ...] = ("accent", "accent2", "accent3", "accent4")
LIGHTER = 0.55
"""How opaque the colours are when they are used again."""
LEADING = 1.2


@dataclass(frozen=True)
class Stroke:
    """A line from point to point, on the sheet."""

    points: tuple[Point, ...]
    color: Color
    width: float
    opacity: float = 1.0


@dataclass(frozen=True)
class Wedge:
    """An area within these points, on the sheet."""

    points: tuple[Point, ...]
    fill: Color
    opacity: float = 1.0


Mark = Panel | Disc | Words | Stroke | Wedge


def color(index: int) -> tuple[Color, float]:
    """The colours in turn, and how opaque: lighter each time that they are used again."""
    return COLORS[index % len(COLORS)], LIGHTER ** (index // len(COLORS))


def marker(point: Point, index: int) -> Disc:
    """What stands at a point of a line."""
    fill, opacity = color(index)
    return Disc(Box(point[0] - MARKER / 2, point[1] - MARKER / 2, MARKER, MARKER), fill, opacity=opacity)


def line_height(plot: Plot, lines: int = 1) -> float:
    """How high so many lines of the chart's text are."""
    return plot.size * LEADING * lines


def widest(plot: Plot, texts: Iterable[str]) -> float:
    """How wide the widest of these is on one line."""
    return max((width((Run(text),), plot.size, plot.face) for text in texts), default=0.0)


def label(
    plot: Plot,
    text: str,
    box: Box,
    *,
    align: Align = "center",
    anchor: Anchor = "middle",
    color: Color = "muted",
    size: float = 0.0,
    bold: bool = False,
) -> Iterator[Words]:
    """The text in the box, cut where it is too long. Nothing when not even one line has room in it."""
    size = size or plot.size
    lines = int(box.height / (size * LEADING) + 1e-6)
    if lines and (shown := shortened(plot, text, size, box.width, lines, bold)):
        line = Line((Run(shown),), size, plot.face, color, bold=bold, align=align, leading=LEADING)
        yield Words(box, (line,), anchor)


def shortened(plot: Plot, text: str, size: float, room: float, lines: int, bold: bool) -> str:
    """As much of the text as these lines hold."""

    def fits(shown: str) -> bool:
        run = (Run(shown),)
        is_whole = widest_word(run, size, plot.face, bold=bold) <= room
        return is_whole and line_count(run, size, room, plot.face, bold=bold) <= lines

    if fits(text):
        return text
    low, high = 0, min(len(text), 500)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(f"{text[:middle].rstrip()}…") else (low, middle)
    return f"{text[:low].rstrip()}…" if low else ""


def within(box: Box, room: Box) -> Box:
    """The box, moved so that it lies within the room; made smaller where it is larger."""
    wide, high = min(box.width, room.width), min(box.height, room.height)
    x = min(max(box.x, room.x), room.x + room.width - wide)
    y = min(max(box.y, room.y), room.y + room.height - high)
    return Box(x, y, wide, high)
