"""Blocks one below the other, each drawn in its own way."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from worker.kinds.presentation.deck import (
    Block,
    Bullets,
    Code,
    Column,
    Columns,
    Item,
    Paragraph,
    Quote,
    Run,
    Table,
    Text,
)
from worker.kinds.presentation.fit import widest_word, width
from worker.kinds.presentation.sheet import Box, Grid, Line, Panel, Shape, Words, height
from worker.kinds.presentation.theme import Color

DEEPEST_INDENT = 4
SMALLEST_CELL = 11.0
SMALLEST_CODE = 12.0
SMALLEST_IN_CARD = 13.0
CARD_GAP, CARD_PAD = 20.0, 20.0
ACCENTS: tuple[Color, ...] = ("accent", "accent2", "accent3", "accent4")


@dataclass(frozen=True)
class Step:
    """One of the sizes that body text is tried in: points, and the space between paragraphs in sizes of the text."""

    size: float
    gap: float


def stack(blocks: Sequence[Block], box: Box, step: Step) -> tuple[list[Shape], float]:
    """The blocks from the top of the box down, and how high they are together."""
    shapes, y = list[Shape](), box.y
    for section in _sections(blocks):
        y += step.size * 0.9 if y > box.y else 0.0
        made, high = _placed(section, replace(box, y=y, height=0.0), step)
        shapes += made
        y += high
    return shapes, y - box.y


def credit(quote: Quote) -> Text:
    """Who a quote is from, as it is shown."""
    return (Run("— "), *quote.source)


def _sections(blocks: Sequence[Block]) -> Iterator[tuple[Block, ...]]:
    """What shares a box: text that follows text does, all else stands alone."""
    for is_text, group in groupby(blocks, key=lambda block: isinstance(block, Paragraph | Bullets)):
        if is_text:
            yield tuple(group)
        else:
            yield from ((block,) for block in group)


def _placed(section: tuple[Block, ...], room: Box, step: Step) -> tuple[list[Shape], float]:
    match section:
        case (Quote() as quote,):
            return _quote(quote, room, step)
        case (Code() as code,):
            return _code(code, room, step)
        case (Table() as table,):
            return _table(table, room, step)
        case (Columns() as columns,):
            return _cards(columns, room, step)
        case _:
            return _words(_text(section, step), room)


def _words(lines: Sequence[Line], room: Box) -> tuple[list[Shape], float]:
    first, *rest = lines
    lines = (replace(first, before=0.0), *rest)
    high = height(lines, room.width)
    return [Words(replace(room, height=high), lines)], high


def _text(blocks: Sequence[Block], step: Step) -> list[Line]:
    lines = list[Line]()
    for block in blocks:
        match block:
            case Paragraph(text=text, strong=strong):
                lines.append(Line(text, step.size, bold=strong, before=step.size * (0.9 if strong else step.gap)))
            case Bullets(items=items):
                lines += _bullets(items, step)
    return lines


def _bullets(items: Sequence[Item], step: Step) -> Iterator[Line]:
    longest_marker = max(len(item.marker) for item in items)
    for item in items:
        outer, level = item.level == 0, min(item.level, DEEPEST_INDENT)
        size = step.size if outer else step.size * 0.9
        hang = size * max(1.1, 0.35 + 0.55 * longest_marker)
        yield Line(
            item.text,
            size,
            "ink" if outer else "muted",
            level=level,
            indent=hang + level * hang,
            marker=item.marker,
            hang=hang,
            before=step.size * (step.gap if outer else step.gap * 0.5),
        )


def _quote(quote: Quote, room: Box, step: Step) -> tuple[list[Shape], float]:
    lines = [Line(text, step.size, italic=True, before=step.size * step.gap) for text in quote.paragraphs]
    if quote.source:
        lines.append(Line(credit(quote), step.size * 0.85, "muted", before=step.size * 0.4))
    words, high = _words(lines, replace(room, x=room.x + 24, width=room.width - 24))
    return [Panel(replace(room, width=4, height=high), "accent"), *words], high


def _code(code: Code, room: Box, step: Step) -> tuple[list[Shape], float]:
    pad = 16.0
    widest = max(width((Run(line, code=True),), 1.0) for line in code.lines)
    size = max(SMALLEST_CODE, min(step.size * 0.8, 0.99 * (room.width - 2 * pad - 8) / max(widest, 1.0)))
    lines = [Line((Run(line, code=True),), size, leading=1.35) for line in code.lines]
    words, high = _words(lines, Box(room.x + pad + 4, room.y + pad, room.width - 2 * pad - 8, 0.0))
    high += 2 * pad
    return [Panel(replace(room, height=high), "card", radius=8), *words], high


def _cards(columns: Columns, room: Box, step: Step) -> tuple[list[Shape], float]:
    """Columns as cards, up to four in a row; five to eight stand in two rows."""
    many = len(columns.columns)
    across = many if many <= 4 else min(4, -(-many // 2))
    wide = (room.width - CARD_GAP * (across - 1)) / across
    inner = replace(step, size=max(SMALLEST_IN_CARD, step.size * 0.84))
    shapes, y = list[Shape](), room.y
    for begin in range(0, many, across):
        boxes = [Box(room.x + n * (wide + CARD_GAP), y, wide, 0.0) for n in range(min(across, many - begin))]
        contents, heights = list[list[Shape]](), list[float]()
        for box, column in zip(boxes, columns.columns[begin:], strict=False):
            inside = Box(box.x + CARD_PAD, y + CARD_PAD + 16, wide - 2 * CARD_PAD, 0.0)
            content, high = _card(column, inside, inner)
            contents.append(content)
            heights.append(high + 2 * CARD_PAD + 16)
        for number, (box, content) in enumerate(zip(boxes, contents, strict=True), begin):
            shapes.append(Panel(replace(box, height=max(heights)), "card", radius=10))
            shapes.append(Panel(Box(box.x + CARD_PAD, y + CARD_PAD, 28, 4), ACCENTS[number % len(ACCENTS)]))
            shapes += content
        y += max(heights) + CARD_GAP
    return shapes, y - CARD_GAP - room.y


def _card(column: Column, room: Box, step: Step) -> tuple[list[Shape], float]:
    title, high = _words([Line(column.title, step.size * 1.12, bold=True, leading=1.2)], room)
    y = room.y + high + step.size * 0.55
    content, below = stack(column.blocks, replace(room, y=y), step)
    return [*title, *content], y - room.y + below


def _table(table: Table, room: Box, step: Step) -> tuple[list[Shape], float]:
    many = len(table.head)
    size = max(SMALLEST_CELL, step.size * (0.85 if many <= 6 else 0.7))
    inset, pad = (12.0 if many <= 6 else 6.0), size * (0.3 + 0.5 * step.gap)
    rows = tuple(
        tuple(
            Line(cell, size, bold=is_head, align=align, leading=1.25)
            for cell, align in zip(row, table.aligns, strict=True)
        )
        for is_head, row in [(True, table.head), *((False, row) for row in table.rows)]
    )
    widths = _widths(rows, room.width, inset)
    heights = tuple(
        max(line.height(wide - 2 * inset) for line, wide in zip(row, widths, strict=True)) + 2 * pad for row in rows
    )
    return [Grid(replace(room, height=sum(heights)), widths, heights, rows, inset)], sum(heights)


def _widths(rows: Sequence[Sequence[Line]], room: float, inset: float) -> tuple[float, ...]:
    """Columns as wide as their text if there is room; if not, their longest words, and the rest shared out by need."""
    columns = list(zip(*rows, strict=True))
    natural = [max(width(line.text, line.size, bold=line.bold) for line in column) + 2 * inset for column in columns]
    if sum(natural) <= room:
        return tuple(wide + (room - sum(natural)) / len(columns) for wide in natural)
    words = [max(widest_word(line.text, line.size, bold=line.bold) for line in column) for column in columns]
    least = [min(word + 2 * inset, room / len(columns)) for word in words]
    wanted = [wide - small for wide, small in zip(natural, least, strict=True)]
    spare = room - sum(least)
    return tuple(small + spare * want / sum(wanted) for small, want in zip(least, wanted, strict=True))
