"""A page of one picture or chart, as large as can be, or beside the text that comes with it."""

from collections.abc import Sequence
from dataclasses import replace

from worker.kinds.presentation.deck import Block, Bullets, Chart, Columns, Image, ImageFile, Paragraph, Quote, Table
from worker.kinds.presentation.layout.scale import scales
from worker.kinds.presentation.layout.sheet import Box, Line, Shape, lowered
from worker.kinds.presentation.layout.stack import picture, plot, stack, words
from worker.kinds.presentation.theme import Theme


def picture_page(
    image: Image, file: ImageFile, rest: Sequence[Block], room: Box, theme: Theme
) -> tuple[Shape, ...] | None:
    """A picture as large as can be with its caption, or beside the text that comes with it."""
    if any(isinstance(block, Image | Chart | Table | Columns) for block in rest):
        return None
    if not rest:
        return _captioned(image, file, room, theme)
    if file.width / file.height > 2.4:
        return None
    share = 0.5 if file.width > file.height else 0.38
    right = Box(room.x + room.width * (1 - share) + 18, room.y, room.width * share - 18, room.height)
    left = replace(room, width=room.width * (1 - share) - 18)
    text = _beside(rest, left, theme)
    return (*text, *_captioned(image, file, right, theme)) if text else None


def _captioned(image: Image, file: ImageFile, room: Box, theme: Theme) -> tuple[Shape, ...]:
    caption = replace(Line(image.caption, 15, theme.body, "muted"), align="center") if image.caption else None
    below = min(caption.height(room.width), 60) + 12 if caption else 0.0
    shown = picture(file, image.alt, room, most=room.height - below)
    down = (room.height - below - shown.height) * 0.35
    shapes = [lowered(shape, down) for shape in shown.shapes]
    if caption:
        y = room.y + down + shown.height + 12
        shapes += words([caption], replace(room, y=y)).shapes
    return tuple(shapes)


def chart_page(
    chart: Chart, rest: Sequence[Block], room: Box, theme: Theme, *, is_left: bool
) -> tuple[Shape, ...] | None:
    """A chart as large as can be, or beside the text that comes with it."""
    scale = scales(theme)[-1]
    if not rest:
        return (plot(chart, room, scale),)
    if any(not isinstance(block, Paragraph | Bullets | Quote) for block in rest):
        return None
    wide = room.width * 0.58
    x = room.x if is_left else room.x + room.width - wide
    side = Box(room.x + wide + 32 if is_left else room.x, room.y, room.width - wide - 32, room.height)
    text = _beside(rest, side, theme)
    drawn = plot(chart, Box(x, room.y, wide, room.height), scale)
    if not text:
        return None
    return (drawn, *text) if is_left else (*text, drawn)


def _beside(blocks: Sequence[Block], room: Box, theme: Theme) -> tuple[Shape, ...] | None:
    """The text beside something, in the middle of its height; None when there is too much of it."""
    for scale in scales(theme)[1:]:
        placed = stack(blocks, room, scale)
        if placed.height <= room.height:
            down = (room.height - placed.height) * 0.35
            return tuple(lowered(shape, down) for shape in placed.shapes)
    return None
