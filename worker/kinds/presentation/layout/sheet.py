"""What a page is made of once everything has its place: boxes, in points on a sheet of 960 by 540."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from worker.kinds.presentation.deck import Align, Chart, Text, letters, plain, runs_leftward
from worker.kinds.presentation.layout.fit import LEADING, line_count
from worker.kinds.presentation.theme import MONO, Color, Face

SHEET_WIDTH, SHEET_HEIGHT = 960.0, 540.0
MARGIN = 60.0

OTHER_SIDE: Mapping[Align, Align] = {"left": "right", "center": "center", "right": "left"}
Anchor = Literal["top", "middle", "bottom"]
Ground = Literal["content", "hero", "section", "closing"]
"""What lies under a page: see grounds.py."""


@dataclass(frozen=True)
class Box:
    """A place on the sheet."""

    x: float
    y: float
    width: float
    height: float


TITLE = Box(MARGIN, 56, SHEET_WIDTH - 2 * MARGIN, 66)
BODY = Box(MARGIN, 136, SHEET_WIDTH - 2 * MARGIN, 350)
UNTITLED_BODY = Box(MARGIN, 76, SHEET_WIDTH - 2 * MARGIN, 410)
ABOVE = Box(MARGIN, -60, SHEET_WIDTH - 2 * MARGIN, 30)
FOOTER = Box(MARGIN, 504, 620, 18)
"""Footer and date, on content pages; the number stands to the right of them."""
NUMBER = Box(SHEET_WIDTH - MARGIN - 120, 504, 120, 18)
FOOT_SIZE = 11.0
_RECKONED = re.compile(r"^[+\-−±~≈<>≤≥$€£¥₹] ?[0-9]|[0-9] [0-9%+\-−×*/=]")
"""Digits with a sign before them, or in parts: where text runs leftward, they would change places."""


@dataclass(frozen=True)
class Line:
    """A paragraph as it is set.

    `marker` hangs in the `hang` points left of `indent`, `level` is how deep in lists it is, `before` is space above.
    `leading` is the distance of its baselines in sizes of the text. With `align` left it stands where it begins: text
    that runs leftward at the right, and on a mirrored page every text, with right meaning left there.
    """

    text: Text
    size: float
    face: Face
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
    is_mirrored: bool = False

    @property
    def is_leftward(self) -> bool:
        """Whether it runs from right to left: on a mirrored page all but code, sums, and what is in other letters alone."""
        if self.face == MONO:
            return False
        if not self.is_mirrored:
            return runs_leftward(self.text)
        leftward, rightward = letters(self.text)
        return leftward > 0 or not (rightward or _RECKONED.search(plain(self.text)))

    @property
    def hangs_right(self) -> bool:
        """Whether its indent and its marker are at the right."""
        return self.is_mirrored or self.is_leftward

    @property
    def side(self) -> Align:
        """The side of its box at which it stands."""
        if self.is_mirrored:
            return OTHER_SIDE[self.align]
        return "right" if self.align == "left" and self.is_leftward else self.align

    def height(self, room: float) -> float:
        """How high it is in a box of this width, without the space above."""
        lines = line_count(self.text, self.size, room - self.indent, self.face, bold=self.bold, italic=self.italic)
        return lines * self.size * self.leading


@dataclass(frozen=True)
class Words:
    """Lines in a box. `is_body` when they are what the slide says: the placeholder for it, in PowerPoint."""

    box: Box
    lines: tuple[Line, ...]
    anchor: Anchor = "top"
    is_body: bool = False


@dataclass(frozen=True)
class Panel:
    """A rectangle, perhaps with round corners, filled or with a border of 1.5 points or both."""

    box: Box
    fill: Color | None
    radius: float = 0.0
    border: Color | None = None
    opacity: float = 1.0


@dataclass(frozen=True)
class Disc:
    """An ellipse that fills its box, drawn as a panel is; a border is `width` points."""

    box: Box
    fill: Color | None
    border: Color | None = None
    width: float = 1.5
    opacity: float = 1.0


@dataclass(frozen=True)
class Grid:
    """A table; the first of its rows is the head. Mirrored, the first of its columns is at the right."""

    box: Box
    widths: tuple[float, ...]
    heights: tuple[float, ...]
    rows: tuple[tuple[Line, ...], ...]
    inset: float
    is_mirrored: bool = False


@dataclass(frozen=True)
class Picture:
    """A picture file, already in the shape of its box."""

    box: Box
    path: str
    alt: str


@dataclass(frozen=True)
class Plot:
    """A chart. `is_horizontal` bars lie, for many or long categories; `size` is that of its small text."""

    box: Box
    chart: Chart
    face: Face
    size: float
    is_horizontal: bool = False


Shape = Words | Panel | Disc | Grid | Picture | Plot


@dataclass(frozen=True)
class Page:
    """A slide as it will look. The title's first line is what the page is called.

    `slide` is the number of the slide it was made of, from 1; `section` what its part of the deck is called, empty
    before the first. `footer` is what stands at the foot, beside the number. `is_mirrored` for readers who begin at the
    right: see mirror.py.
    """

    title: Words
    shapes: tuple[Shape, ...]
    notes: str = ""
    ground: Ground = "content"
    slide: int = 1
    section: str = ""
    footer: str = ""
    is_mirrored: bool = False


def height(lines: tuple[Line, ...], room: float) -> float:
    """How high the lines are together in a box of this width."""
    return sum(line.before + line.height(room) for line in lines)


def lowered(shape: Shape, down: float) -> Shape:
    """The shape so many points further down."""
    return replace(shape, box=replace(shape.box, y=shape.box.y + down))
