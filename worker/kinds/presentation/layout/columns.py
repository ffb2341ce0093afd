"""Things side by side: cards where they are short, columns where they are long, two sides where they are compared."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from worker.kinds.presentation.deck import Block, Bullets, Column, Columns, plain, texts
from worker.kinds.presentation.layout.fit import widest_word
from worker.kinds.presentation.layout.scale import Scale, scales
from worker.kinds.presentation.layout.sheet import Box, Panel, Shape, Words
from worker.kinds.presentation.theme import Color, Theme

ACCENTS: tuple[Color, ...] = ("accent", "accent2", "accent3", "accent4")
SMALLEST_IN_CARD = 13.0
LONG = 260
"""A column of more characters than this is no card."""
_GAP, _PAD = 20.0, 20.0
_LARGER = (32.0, 29.0)
"""Sizes beyond those of running text, for columns that say little."""
_WELL_BROKEN = 18.0
_SHARE = 0.62
"""How much of the room's height cards fill that have a page to themselves."""

Drawn = tuple[list[Shape], float]
Draw = Callable[[Sequence[Block], Box, Scale], Drawn]
"""How what stands in a column is drawn: shapes and their height."""


def beside(columns: Columns, room: Box, scale: Scale, draw: Draw, *, least: float = 0.0) -> Drawn:
    """Columns next to each other; five to eight stand in two rows. What has a ground is at least so high in all."""
    if _are_compared(columns):
        return _compared(columns, room, scale, draw, least)
    if len(columns.columns) <= 3 and max(map(_length, columns.columns)) > LONG:
        return _long(columns, room, scale, draw)
    return _cards(columns, room, scale, draw, least)


def columns_page(columns: Columns, room: Box, theme: Theme, draw: Draw) -> tuple[Shape, ...] | None:
    """A page of columns alone, as large as they can be; None when they are too long for one."""
    for scale in (*(Scale(theme, size, 0.7) for size in _LARGER), *scales(theme)):
        shapes, high = beside(columns, room, scale, draw, least=_SHARE * room.height)
        if high <= room.height and (scale.size <= _WELL_BROKEN or not _breaks_words(shapes)):
            return tuple(shapes)
    return None


def _breaks_words(shapes: Sequence[Shape]) -> bool:
    """Whether a word is too long for its line: smaller text would keep it whole."""
    return any(
        widest_word(line.text, line.size, line.face, bold=line.bold) > shape.box.width - line.indent
        for shape in shapes
        if isinstance(shape, Words)
        for line in shape.lines
    )


def _are_compared(columns: Columns) -> bool:
    """Two lists of about the same kind are two sides of something."""
    return len(columns.columns) == 2 and all(
        column.title and column.blocks and isinstance(column.blocks[0], Bullets) for column in columns.columns
    )


def _length(column: Column) -> int:
    return sum(len(plain(text)) for text in texts(column.blocks))


def _compared(columns: Columns, room: Box, scale: Scale, draw: Draw, least: float) -> Drawn:
    """Two cards under coloured heads."""
    wide, inner = (room.width - _GAP) / 2, _smaller(scale)
    boxes = [Box(room.x, room.y, wide, 0.0), Box(room.x + wide + _GAP, room.y, wide, 0.0)]
    titles = [
        _title(column, Box(box.x + _PAD, box.y, wide - 2 * _PAD, 0.0), inner)
        for column, box in zip(columns.columns, boxes, strict=True)
    ]
    head = max(title.box.height for title in titles) + 20
    contents = [
        draw(column.blocks, Box(box.x + _PAD, box.y + head + 16, wide - 2 * _PAD, 0.0), inner)
        for column, box in zip(columns.columns, boxes, strict=True)
    ]
    high = max(head + 16 + max(inside for _, inside in contents) + _PAD, least)
    shapes = list[Shape]()
    for box, title, color, (content, _) in zip(boxes, titles, ACCENTS, contents, strict=False):
        shapes += [Panel(replace(box, height=high), "card"), Panel(replace(box, height=head), color)]
        lines = tuple(replace(line, color="background") for line in title.lines)
        shapes += [Words(replace(title.box, height=head), lines, anchor="middle"), *content]
    return shapes, high


def _long(columns: Columns, room: Box, scale: Scale, draw: Draw) -> Drawn:
    """Columns of text with a coloured rule above each."""
    many = len(columns.columns)
    gap = 36.0
    wide, inner = (room.width - gap * (many - 1)) / many, _smaller(scale)
    shapes, heights = list[Shape](), list[float]()
    for number, column in enumerate(columns.columns):
        box = Box(room.x + number * (wide + gap), room.y, wide, 0.0)
        drawn, high = _titled(column, replace(box, y=room.y + 14), inner, draw)
        shapes += [Panel(replace(box, height=3), ACCENTS[number % len(ACCENTS)]), *drawn]
        heights.append(high + 14)
    return shapes, max(heights)


def _cards(columns: Columns, room: Box, scale: Scale, draw: Draw, least: float) -> Drawn:
    many = len(columns.columns)
    across = many if many <= 4 else min(4, -(-many // 2))
    least = least if many == across else (least - _GAP) / 2
    wide, inner = (room.width - _GAP * (across - 1)) / across, _smaller(scale)
    shapes, y = list[Shape](), room.y
    for begin in range(0, many, across):
        row = columns.columns[begin : begin + across]
        boxes = [Box(room.x + n * (wide + _GAP), y, wide, 0.0) for n in range(len(row))]
        contents = [
            _titled(column, Box(box.x + _PAD, y + _PAD + 16, wide - 2 * _PAD, 0.0), inner, draw)
            for box, column in zip(boxes, row, strict=True)
        ]
        high = max(max(inside for _, inside in contents) + 2 * _PAD + 16, least)
        for number, (box, (content, _)) in enumerate(zip(boxes, contents, strict=True), begin):
            shapes.append(Panel(replace(box, height=high), "card", radius=scale.theme.radius))
            shapes.append(Panel(Box(box.x + _PAD, y + _PAD, 28, 4), ACCENTS[number % len(ACCENTS)]))
            shapes += content
        y += high + _GAP
    return shapes, y - _GAP - room.y


def _titled(column: Column, room: Box, scale: Scale, draw: Draw) -> Drawn:
    title = _title(column, room, scale)
    if not column.blocks:
        return [title], title.box.height
    y = room.y + title.box.height + scale.size * 0.55
    content, below = draw(column.blocks, replace(room, y=y), scale)
    return [title, *content], y - room.y + below


def _title(column: Column, room: Box, scale: Scale) -> Words:
    line = replace(scale.line(column.title, scale.size * 1.12, bold=True), leading=1.2, face=scale.theme.head)
    return Words(replace(room, height=line.height(room.width)), (line,))


def _smaller(scale: Scale) -> Scale:
    return replace(scale, size=max(SMALLEST_IN_CARD, scale.size * 0.84))
