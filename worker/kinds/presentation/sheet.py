"""What a page is made of once everything has its place: boxes, in points on a sheet of 960 by 540."""

from dataclasses import dataclass
from typing import Literal

from worker.kinds.presentation.deck import Align, Text
from worker.kinds.presentation.fit import LEADING, line_count
from worker.kinds.presentation.theme import Color

SHEET_WIDTH, SHEET_HEIGHT = 960.0, 540.0
MARGIN = 60.0


@dataclass(frozen=True)
class Box:
    """A place on the sheet."""

    x: float
    y: float
    width: float
    height: float


MARK = Box(MARGIN, 42, 40, 5)
TITLE = Box(MARGIN, 56, SHEET_WIDTH - 2 * MARGIN, 66)
BODY = Box(MARGIN, 136, SHEET_WIDTH - 2 * MARGIN, 350)
UNTITLED_BODY = Box(MARGIN, 76, SHEET_WIDTH - 2 * MARGIN, 410)
ABOVE = Box(MARGIN, -60, SHEET_WIDTH - 2 * MARGIN, 30)
NUMBER = Box(SHEET_WIDTH - MARGIN - 120, 502, 120, 20)

HERO_TITLE = Box(72, 90, 680, 196)
HERO_MARK = Box(72, 310, 64, 6)
HERO_BODY = Box(72, 338, 600, 140)
DISCS = (Box(560, 110, 620, 620), Box(650, 200, 440, 440), Box(740, 290, 260, 260))
"""What shines on an opening page, the largest first."""


@dataclass(frozen=True)
class Line:
    """A paragraph as it is set.

    `marker` hangs in the `hang` points left of `indent`, `level` is how deep in lists it is, `before` is space above.
    """

    text: Text
    size: float
    color: Color = "ink"
    bold: bool = False
    italic: bool = False
    align: Align = "left"
    level: int = 0
    indent: float = 0.0
    marker: str = ""
    hang: float = 0.0
    before: float = 0.0
    leading: float = LEADING

    def height(self, room: float) -> float:
        """How high it is in a box of this width, without the space above."""
        return line_count(self.text, self.size, room - self.indent, bold=self.bold) * self.size * self.leading


@dataclass(frozen=True)
class Words:
    """Lines in a box."""

    box: Box
    lines: tuple[Line, ...]
    anchor: Literal["top", "bottom"] = "top"


@dataclass(frozen=True)
class Panel:
    """A filled rectangle, perhaps with round corners."""

    box: Box
    fill: Color
    radius: float = 0.0


@dataclass(frozen=True)
class Grid:
    """A table; the first of its rows is the head."""

    box: Box
    widths: tuple[float, ...]
    heights: tuple[float, ...]
    rows: tuple[tuple[Line, ...], ...]
    inset: float


Shape = Words | Panel | Grid


@dataclass(frozen=True)
class Page:
    """A slide as it will look. A `hero` has the ground of opening pages."""

    title: Words
    shapes: tuple[Shape, ...]
    notes: str = ""
    hero: bool = False


def height(lines: tuple[Line, ...], room: float) -> float:
    """How high the lines are together in a box of this width."""
    return sum(line.before + line.height(room) for line in lines)
