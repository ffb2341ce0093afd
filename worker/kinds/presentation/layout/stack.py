"""Blocks one below the other, each drawn in its own way."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from worker.kinds.presentation.deck import (
    Block,
    Bullets,
    Chart,
    Code,
    Columns,
    Image,
    ImageFile,
    Item,
    Paragraph,
    Quote,
    Run,
    Table,
    Text,
    plain,
)
from worker.kinds.presentation.layout.columns import Drawn, beside
from worker.kinds.presentation.layout.fit import width
from worker.kinds.presentation.layout.highlight import highlighted
from worker.kinds.presentation.layout.scale import Scale
from worker.kinds.presentation.layout.sheet import BODY, Box, Line, Panel, Picture, Plot, Shape, Words, height
from worker.kinds.presentation.layout.tables import grid
from worker.kinds.presentation.theme import MONO

DEEPEST_INDENT = 4
SMALLEST_CODE = 12.0
PLOT_TEXT = 14.0
MOST_UPRIGHT = 8
"""With more categories than this, or long ones, bars lie."""


@dataclass(frozen=True)
class Placed:
    """Shapes, and how high they are together."""

    shapes: list[Shape]
    height: float


def stack(blocks: Sequence[Block], box: Box, scale: Scale) -> Placed:
    """The blocks from the top of the box down."""
    shapes, y = list[Shape](), box.y
    for section in _sections(blocks):
        y += scale.size * 0.9 if y > box.y else 0.0
        placed = _placed(section, replace(box, y=y, height=box.height), scale)
        shapes += placed.shapes
        y += placed.height
    return Placed(shapes, y - box.y)


def credit(quote: Quote) -> Text:
    """Who a quote is from, as it is shown."""
    return (Run("— "), *quote.source)


def words(lines: Sequence[Line], room: Box) -> Placed:
    """Lines from the top of the room down, the first without space above."""
    first, *rest = lines
    lines = (replace(first, before=0.0), *rest)
    high = height(lines, room.width)
    return Placed([Words(replace(room, height=high), lines)], high)


def text_lines(blocks: Sequence[Block], scale: Scale) -> list[Line]:
    """The lines of paragraphs and lists."""
    lines = list[Line]()
    for block in blocks:
        match block:
            case Paragraph(text=text, strong=strong):
                before = scale.size * (0.9 if strong else scale.gap)
                lines.append(scale.line(text, scale.size, bold=strong, before=before))
            case Bullets(items=items):
                lines += _bullets(items, scale)
    return lines


def picture(file: ImageFile, alt: str, room: Box, most: float) -> Placed:
    """A picture as large as it can be in the middle of the room, at most so high, and one and a half points a pixel."""
    enlarge = min(room.width / file.width, most / file.height, 1.5)
    wide, high = file.width * enlarge, file.height * enlarge
    box = Box(room.x + (room.width - wide) / 2, room.y, wide, high)
    return Placed([Picture(box, file.path, alt)], high)


def plot(chart: Chart, box: Box, scale: Scale) -> Plot:
    """A chart that fills the box."""
    long = max((len(category) for category in chart.categories), default=0) * len(chart.categories) > 110
    lies = chart.kind == "bar" and (len(chart.categories) > MOST_UPRIGHT or long)
    return Plot(box, chart, scale.theme.body, PLOT_TEXT, is_horizontal=lies)


def _sections(blocks: Sequence[Block]) -> Iterator[tuple[Block, ...]]:
    """What shares a box: text that follows text does, all else stands alone."""
    for is_text, group in groupby(blocks, key=lambda block: isinstance(block, Paragraph | Bullets)):
        if is_text:
            yield tuple(group)
        else:
            yield from ((block,) for block in group)


def _placed(section: tuple[Block, ...], room: Box, scale: Scale) -> Placed:
    match section:
        case (Quote() as quote,):
            return _quote(quote, room, scale)
        case (Code() as code,):
            return _code(code, room, scale)
        case (Table() as table,):
            made = grid(table, room, scale)
            return Placed([made], made.box.height)
        case (Columns() as columns,):
            return Placed(*beside(columns, room, scale, inside))
        case (Image() as image,):
            return _image(image, room, scale)
        case (Chart() as chart,):
            high = min(room.height, 8 * scale.size + 90)
            return Placed([plot(chart, replace(room, height=high), scale)], high)
        case _:
            return words(text_lines(section, scale), room)


def inside(blocks: Sequence[Block], box: Box, scale: Scale) -> Drawn:
    """As `stack`, for what stands in a column: pictures and charts may be as high as a page is."""
    placed = stack(blocks, replace(box, height=BODY.height), scale)
    return placed.shapes, placed.height


def _bullets(items: Sequence[Item], scale: Scale) -> Iterator[Line]:
    longest_marker = max(len(item.marker) for item in items)
    for item in items:
        outer, level = item.level == 0, min(item.level, DEEPEST_INDENT)
        size = scale.size if outer else scale.size * 0.9
        hang = size * max(1.1, 0.35 + 0.55 * longest_marker)
        line = scale.line(item.text, size, "ink" if outer else "muted")
        yield replace(
            line,
            level=level,
            indent=hang + level * hang,
            marker=item.marker,
            hang=hang,
            before=scale.size * (scale.gap if outer else scale.gap * 0.5),
        )


def _quote(quote: Quote, room: Box, scale: Scale) -> Placed:
    lines = [
        replace(scale.line(text, scale.size, before=scale.size * scale.gap), italic=True) for text in quote.paragraphs
    ]
    if quote.source:
        lines.append(scale.line(credit(quote), scale.size * 0.85, "muted", before=scale.size * 0.4))
    said = words(lines, replace(room, x=room.x + 24, width=room.width - 24))
    return Placed([Panel(replace(room, width=4, height=said.height), "accent"), *said.shapes], said.height)


def _code(code: Code, room: Box, scale: Scale) -> Placed:
    pad = 16.0
    widest = max(width((Run(line, code=True),), 1.0, MONO) for line in code.lines)
    size = max(SMALLEST_CODE, min(scale.size * 0.8, 0.99 * (room.width - 2 * pad - 8) / max(widest, 1.0)))
    lines = [Line(line, size, MONO, leading=1.35) for line in highlighted(code)]
    shown = words(lines, Box(room.x + pad + 4, room.y + pad, room.width - 2 * pad - 8, 0.0))
    high = shown.height + 2 * pad
    return Placed([Panel(replace(room, height=high), "card", radius=min(8.0, scale.theme.radius)), *shown.shapes], high)


def _image(image: Image, room: Box, scale: Scale) -> Placed:
    if not image.file:
        return words([scale.line((Run(plain((Run(image.alt),)) or "Picture"),), scale.size, "muted")], room)
    shown = picture(image.file, image.alt, room, most=min(room.height * 0.8, 9 * scale.size))
    if not image.caption:
        return shown
    below = replace(room, y=room.y + shown.height + 8)
    caption = words([replace(scale.line(image.caption, 14, "muted"), align="center")], below)
    return Placed([*shown.shapes, *caption.shapes], shown.height + 8 + caption.height)
