"""A page of one number very large, or of a few next to each other."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from worker.kinds.presentation.deck import Block, Bullets, Columns, Paragraph, Run, Text, plain
from worker.kinds.presentation.layout.columns import ACCENTS
from worker.kinds.presentation.layout.fit import width
from worker.kinds.presentation.layout.leads import is_moment, is_number, lead
from worker.kinds.presentation.layout.scale import Scale
from worker.kinds.presentation.layout.sheet import Box, Line, Panel, Shape, Words, lowered
from worker.kinds.presentation.layout.stack import stack
from worker.kinds.presentation.theme import Color, Theme

MOST_NUMBERS = 4
_ALONE, _BESIDE = (150.0, 120.0, 96.0), (88.0, 72.0, 60.0, 50.0, 42.0, 36.0)
_GAP = 40.0


@dataclass(frozen=True)
class _Number:
    """A number that says something, and what."""

    number: Text
    says: tuple[Block, ...]


def numbers(found: Sequence[_Number], room: Box, theme: Theme) -> tuple[Shape, ...] | None:
    """One number very large, or a few next to each other; None when there are too many, or they say too much."""
    if not 1 <= len(found) <= MOST_NUMBERS:
        return None
    wide = (room.width - _GAP * (len(found) - 1)) / len(found)
    size = next((size for size in (_ALONE if len(found) == 1 else _BESIDE) if _fit(found, size, wide, theme)), None)
    if size is None:
        return None
    for below in (26.0, 22.0, 20.0, 18.0, 16.0):
        scale = Scale(theme, below, 0.5)
        columns = [
            _number(
                number,
                replace(room, x=room.x + n * (wide + _GAP), width=wide),
                size,
                scale,
                ACCENTS[n],
                is_one_of_many=len(found) > 1,
            )
            for n, number in enumerate(found)
        ]
        high = max(bottom - room.y for _, bottom in columns)
        if high <= room.height:
            down = (room.height - high) * 0.4
            return tuple(lowered(shape, down) for shapes, _ in columns for shape in shapes)
    return None


def _fit(found: Sequence[_Number], size: float, wide: float, theme: Theme) -> bool:
    """Whether each of the numbers stands on one line in this size."""
    return all(width(number.number, size, theme.head, bold=True) <= wide for number in found)


def _number(
    number: _Number, box: Box, size: float, scale: Scale, color: Color, *, is_one_of_many: bool
) -> tuple[list[Shape], float]:
    line = Line(number.number, size, scale.theme.head, color, bold=True, leading=1.1)
    rule = Panel(replace(box, height=3), color)
    words = Words(replace(box, y=box.y + 14, height=line.height(box.width)), (line,))
    shapes: list[Shape] = [rule, words] if is_one_of_many else [words]
    y = words.box.y + words.box.height + 10
    if number.says:
        placed = stack(number.says, replace(box, y=y), scale)
        shapes += placed.shapes
        y += placed.height
    return shapes, y


def of_paragraphs(blocks: Sequence[Block]) -> list[_Number]:
    """`**42 %**`, and below it what it says."""
    numbers = list[_Number]()
    for block in blocks:
        if isinstance(block, Paragraph) and not block.strong and (begins := lead(block.text)) and is_number(begins[0]):
            numbers.append(_Number((begins[0],), (Paragraph(begins[1]),) if begins[1] else ()))
        elif numbers and isinstance(block, Paragraph | Bullets):
            numbers[-1] = replace(numbers[-1], says=(*numbers[-1].says, block))
        else:
            return []
    return numbers


def of_items(bullets: Bullets) -> list[_Number]:
    """A short list, each entry of which begins with a number in bold."""
    numbers = list[_Number]()
    for item in bullets.items:
        begins = lead(item.text)
        if item.level or not item.marker or not begins or not is_number(begins[0]) or is_moment(begins[0].text):
            return []
        numbers.append(_Number((begins[0],), (Paragraph(begins[1]),) if begins[1] else ()))
    return numbers if len(numbers) > 1 else []


def of_columns(columns: Columns) -> list[_Number]:
    """`### 42 %`, and below it what it says."""
    if not all(is_number(Run(plain(column.title))) for column in columns.columns):
        return []
    return [_Number((Run(plain(column.title)),), column.blocks) for column in columns.columns]
