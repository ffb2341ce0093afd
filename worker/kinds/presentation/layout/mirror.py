"""Pages for readers who begin at the right: everything stands where a mirror shows it, and no letter is turned."""

from dataclasses import replace
from typing import TypeVar

from worker.kinds.presentation.layout.sheet import SHEET_WIDTH, Box, Grid, Line, Page, Shape, Words
from worker.kinds.presentation.theme import MONO

_Shape = TypeVar("_Shape", bound=Shape)


def mirrored(page: Page) -> Page:
    """The page as its readers expect it: what was at the left is at the right."""
    shapes = tuple(mirrored_shape(shape) for shape in page.shapes)
    return replace(page, title=mirrored_shape(page.title), shapes=shapes, is_mirrored=True)


def mirrored_box(box: Box) -> Box:
    """The place on the other side of the sheet."""
    return replace(box, x=SHEET_WIDTH - box.x - box.width)


def mirrored_shape(shape: _Shape) -> _Shape:
    """The shape on the other side, with its lines beginning at the right. Pictures and charts stay as they are."""
    moved = replace(shape, box=mirrored_box(shape.box))
    match moved:
        case Words(lines=lines):
            return replace(moved, lines=tuple(map(_mirrored_line, lines)))
        case Grid(rows=rows):
            return replace(moved, rows=tuple(tuple(map(_mirrored_cell, row)) for row in rows), is_mirrored=True)
        case _:
            return moved


def _mirrored_line(line: Line) -> Line:
    """Code runs rightward in every script."""
    return line if line.face == MONO else replace(line, is_mirrored=True)


def _mirrored_cell(line: Line) -> Line:
    """A cell that stands at the right does so still: digits run rightward, and ones go below ones."""
    return replace(_mirrored_line(line), align="left" if line.align == "right" else line.align)
