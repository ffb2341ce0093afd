"""What lies under the words of a page: its ground, and the places for title and words on opening pages."""

from dataclasses import dataclass, replace

from worker.kinds.presentation.deck import Align
from worker.kinds.presentation.layout.mirror import mirrored_box, mirrored_shape
from worker.kinds.presentation.layout.sheet import (
    MARGIN,
    OTHER_SIDE,
    SHEET_HEIGHT,
    SHEET_WIDTH,
    Anchor,
    Box,
    Disc,
    Ground,
    Panel,
)
from worker.kinds.presentation.theme import Color, Motif, Theme

_MARK = Box(MARGIN, 38, 40, 5)
_FRAME = Panel(Box(28, 28, SHEET_WIDTH - 56, SHEET_HEIGHT - 56), None, border="accent")


@dataclass(frozen=True)
class Setting:
    """How a page of some ground is set, apart from what it says. `shapes` are drawn in order, over `fill`."""

    fill: Color
    shapes: tuple[Panel | Disc, ...]
    title: Box
    body: Box
    ink: Color
    anchor: Anchor = "bottom"
    align: Align = "left"


def setting(theme: Theme, ground: Ground, *, is_mirrored: bool = False) -> Setting:
    """The setting of this ground in this theme. For content, sheet.py says where title and body stand."""
    under = _setting(theme, ground)
    return _mirrored(under) if is_mirrored else under


def _setting(theme: Theme, ground: Ground) -> Setting:
    match ground:
        case "content":
            return _content(theme)
        case "hero":
            return _hero(theme)
        case "section":
            return _section(theme)
        case "closing":
            return _closing(theme)


def _mirrored(under: Setting) -> Setting:
    shapes = tuple(mirrored_shape(shape) for shape in under.shapes)
    title, body = mirrored_box(under.title), mirrored_box(under.body)
    return replace(under, shapes=shapes, title=title, body=body, align=OTHER_SIDE[under.align])


def _content(theme: Theme) -> Setting:
    nowhere = Box(0, 0, 0, 0)
    return Setting("background", _CONTENT_MARKS[theme.motif], nowhere, nowhere, "ink", "top")


def _hero(theme: Theme) -> Setting:
    if theme.motif == "frame":
        return Setting("hero", _motif(theme), Box(96, 120, 700, 190), Box(96, 346, 640, 110), "hero_ink")
    mark = Panel(Box(72, 310, 64, 6), "glow")
    return Setting("hero", (*_motif(theme), mark), Box(72, 90, 640, 196), Box(72, 338, 560, 140), "hero_ink")


def _section(theme: Theme) -> Setting:
    """A part begins: the ground of the opening, with its motif pushed to the edge."""
    edge = Panel(Box(0, 0, 18, SHEET_HEIGHT), "glow")
    return Setting("hero", (edge,), Box(96, 150, 700, 150), Box(96, 322, 640, 120), "hero_ink")


def _closing(theme: Theme) -> Setting:
    mark = Panel(Box(SHEET_WIDTH / 2 - 32, 300, 64, 6), "glow")
    shapes = (_FRAME,) if theme.motif == "frame" else _motif(theme) if theme.motif in ("discs", "rings") else ()
    title, body = Box(130, 120, 700, 160), Box(180, 326, 600, 130)
    return Setting("hero", (*shapes, mark), title, body, "hero_ink", align="center")


_CONTENT_MARKS: dict[Motif, tuple[Panel | Disc, ...]] = {
    "discs": (Panel(_MARK, "accent"),),
    "frame": (Panel(Box(MARGIN, 40, SHEET_WIDTH - 2 * MARGIN, 1), "line"), Panel(Box(MARGIN, 38.5, 72, 4), "accent")),
    "arcs": (Disc(Box(MARGIN, 30, 12, 12), "accent"), Disc(Box(MARGIN + 18, 30, 12, 12), "glow")),
    "blocks": (Panel(Box(0, 56, 14, 66), "accent"),),
    "rings": (Panel(_MARK, "accent"),),
    "bars": tuple(Panel(Box(MARGIN + 9 * n, 44 - high, 5, high), "accent") for n, high in enumerate((6, 10, 14))),
}


def _motif(theme: Theme) -> tuple[Panel | Disc, ...]:
    """What shines on an opening page: at the right, away from the words."""
    match theme.motif:
        case "discs":
            boxes = (Box(560, 110, 620, 620), Box(650, 200, 440, 440), Box(740, 290, 260, 260))
            return tuple(Disc(box, "glow", opacity=0.22) for box in boxes)
        case "rings":
            sizes = (720, 560, 400, 240)
            rings = (
                Disc(Box(900 - s / 2, 420 - s / 2, s, s), None, "glow", 2.0, opacity=0.85 - s / 1000) for s in sizes
            )
            return (*rings, Disc(Box(860, 380, 80, 80), "glow"))
        case "frame":
            return (_FRAME, Panel(Box(96, 326, 96, 3), "accent"))
        case "arcs":
            boxes = (Box(700, 280, 520, 520), Box(780, 360, 360, 360), Box(860, 440, 200, 200))
            return (
                Disc(boxes[0], "accent"), Disc(boxes[1], "glow"), Disc(boxes[2], "hero"),
                Disc(Box(800, -90, 180, 180), "glow", opacity=0.35),
            )  # fmt: skip
        case "blocks":
            cell = 135.0
            colors: tuple[Color, ...] = ("accent2", "glow", "accent", "accent4", "accent2", "glow", "accent", "accent4")
            places = ((825, 0), (690, 0), (825, 135), (825, 270), (690, 405), (825, 405), (690, 270), (690, 135))
            return tuple(
                Panel(Box(x, y, cell, cell), color, opacity=1.0 if n in (0, 3, 5) else 0.55)
                for n, ((x, y), color) in enumerate(zip(places, colors, strict=True))
            )
        case "bars":
            heights = (70, 130, 105, 190, 160, 260, 225, 340, 420)
            return tuple(
                Panel(Box(672 + 32 * n, SHEET_HEIGHT - high, 18, high), "glow", opacity=0.25 + 0.08 * n)
                for n, high in enumerate(heights)
            )
