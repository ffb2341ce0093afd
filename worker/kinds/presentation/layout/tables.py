"""A table in its room: how wide its columns are, and how high its rows."""

import math
from collections.abc import Sequence
from dataclasses import replace

from worker.kinds.presentation.deck import Table
from worker.kinds.presentation.layout.fit import widest_word, width
from worker.kinds.presentation.layout.scale import Scale
from worker.kinds.presentation.layout.sheet import Box, Grid, Line

SMALLEST_CELL = 11.0
MANY_COLUMNS = 6


def grid(table: Table, room: Box, scale: Scale) -> Grid:
    """The table from the top of the room down, as wide as the room."""
    is_narrow = len(table.head) > MANY_COLUMNS
    inset = 6.0 if is_narrow else 12.0
    size = _unbroken(table, max(SMALLEST_CELL, scale.size * (0.7 if is_narrow else 0.85)), room.width, inset, scale)
    pad = size * (0.3 + 0.5 * scale.gap)
    rows = tuple(
        tuple(
            replace(scale.line(cell, size, bold=is_head), align=align, leading=1.25)
            for cell, align in zip(row, table.aligns, strict=True)
        )
        for is_head, row in [(True, table.head), *((False, row) for row in table.rows)]
    )
    widths = _widths(rows, room.width, inset)
    heights = tuple(
        max(line.height(wide - 2 * inset) for line, wide in zip(row, widths, strict=True)) + 2 * pad for row in rows
    )
    return Grid(replace(room, height=sum(heights)), widths, heights, rows, inset)


def _unbroken(table: Table, size: float, room: float, inset: float, scale: Scale) -> float:
    """This size, or a smaller one if it keeps words whole that would be broken in this one."""
    words = sum(
        max(widest_word(cell, 1.0, scale.theme.body, bold=row is table.head) for row, cell in column)
        for column in zip(*([(row, cell) for cell in row] for row in (table.head, *table.rows)), strict=True)
    )
    largest = (room - 2 * inset * len(table.head)) / max(words, 0.01)
    return math.floor(2 * largest) / 2 if SMALLEST_CELL <= largest < size else size


def _widths(rows: Sequence[Sequence[Line]], room: float, inset: float) -> tuple[float, ...]:
    """Columns as wide as their text if there is room for it.

    If not, narrow ones are, the others at least as wide as their longest words, and the rest is shared out by need.
    """
    columns = list(zip(*rows, strict=True))
    natural = [
        max(width(line.text, line.size, line.face, bold=line.bold) for line in column) + 2 * inset for column in columns
    ]
    if sum(natural) <= room:
        return tuple(wide + (room - sum(natural)) / len(columns) for wide in natural)
    words = [
        max(widest_word(line.text, line.size, line.face, bold=line.bold) for line in column) + 2 * inset
        for column in columns
    ]
    fair = room / len(columns)
    narrow = [wide if wide <= fair else word for wide, word in zip(natural, words, strict=True)]
    broken = [min(word, fair) for word in words]
    least = next((some for some in (narrow, words) if sum(some) <= room), broken)
    wanted = [wide - small for wide, small in zip(natural, least, strict=True)]
    spare = max(room - sum(least), 0.0)
    return tuple(small + spare * want / sum(wanted) for small, want in zip(least, wanted, strict=True))
