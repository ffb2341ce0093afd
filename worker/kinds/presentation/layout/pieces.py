"""How a block that is too long for a page is taken apart, and how its pieces come together again."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby

from worker.kinds.presentation.deck import Block, Bullets, Code, Columns, Item, Paragraph, Quote, Run, Table, Text

Piece = tuple[tuple[int, ...], Block]
"""A part of a block, and where it comes from: parts of the same origin may come together again."""


def pieces(blocks: Iterable[Block]) -> list[Piece]:
    """The blocks, taken apart where a page may end: between entries, rows, lines, columns, a quote's paragraphs."""
    return [((index,), part) for index, block in enumerate(blocks) for part in _parts(block)]


def smaller(piece: Piece) -> list[Piece]:
    """A piece that is too large for a page in smaller ones; the piece itself when there are none."""
    origin, block = piece
    parts = _parts(block)
    if parts == [block]:
        parts = _broken(block)
    return [(origin if type(part) is type(block) else (*origin, n), part) for n, part in enumerate(parts)]


def joined(small: Iterable[Piece]) -> list[Block]:
    """Pieces as blocks again."""
    whole = list[Block]()
    for _, group in groupby(small, key=lambda piece: piece[0]):
        first, *rest = (block for _, block in group)
        whole.append(first)
        for block in rest:
            whole[-1:] = _together(whole[-1], block)
    return whole


def _parts(block: Block) -> list[Block]:
    match block:
        case Bullets(items=items):
            return [Bullets((item,)) for item in items]
        case Table(rows=(_, _, *_) as rows):
            return [replace(block, rows=(row,)) for row in rows]
        case Quote(paragraphs=(*first, last), source=source):
            return [*(Quote((text,)) for text in first), Quote((last,), source)]
        case Code(lines=lines, language=language):
            return [Code((line,), language) for line in lines]
        case Columns(columns=columns):
            return [Columns((column,)) for column in columns]
        case _:
            return [block]


def _broken(block: Block) -> list[Block]:
    match block:
        case Paragraph(text=text, strong=strong):
            return [Paragraph(half, strong) for half in _halves(text)]
        case Bullets(items=(item,)):
            first, *rest = _halves(item.text)
            return [Bullets((replace(item, text=first),)), *(Bullets((Item(half, item.level, ""),)) for half in rest)]
        case Quote(paragraphs=(text,), source=source):
            *before, end = _halves(text)
            return [*(Quote((half,)) for half in before), Quote((end,), source)]
        case Code(lines=(line,), language=language):
            return [Code((half[0].text,), language) for half in _halves((Run(line),))]
        case Table(head=head, rows=rows):
            return [Paragraph(cell) for row in (head, *rows) for cell in row if cell]
        case Columns(columns=(column,)):
            return [Paragraph(column.title, strong=True), *column.blocks]
        case _:
            return [block]


def _together(above: Block, below: Block) -> list[Block]:
    match above, below:
        case Paragraph(), Paragraph():
            return [replace(above, text=(*above.text, *below.text))]
        case Bullets(), Bullets():
            return [Bullets((*above.items, *below.items))]
        case Table(), Table():
            return [replace(above, rows=(*above.rows, *below.rows))]
        case Quote(), Quote():
            return [Quote((*above.paragraphs, *below.paragraphs), below.source)]
        case Code(), Code():
            return [replace(above, lines=(*above.lines, *below.lines))]
        case Columns(), Columns():
            return [Columns((*above.columns, *below.columns))]
        case _:
            return [above, below]


def _halves(text: Text) -> list[Text]:
    """The text in two, after a space near its middle if there is one. A single character stays whole."""
    if len(text) > 1:
        middle = len(text) // 2
        return [text[:middle], text[middle:]]
    (run,) = text
    middle = len(run.text) // 2
    at = run.text.rfind(" ", 0, middle) + 1 or middle
    return [(replace(run, text=part),) for part in (run.text[:at], run.text[at:]) if part] or [text]
