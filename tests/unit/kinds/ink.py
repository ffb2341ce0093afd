"""Where each letter really stands on the pages of a PDF, and what is wrong with that."""

import ctypes
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import pypdfium2 as pdfium
from pypdfium2 import raw

from worker.kinds.presentation.layout.mirror import mirrored_box
from worker.kinds.presentation.layout.sheet import (
    FOOT_SIZE,
    FOOTER,
    MARGIN,
    NUMBER,
    SHEET_HEIGHT,
    SHEET_WIDTH,
    TITLE,
    Box,
    Grid,
    Page,
    Plot,
    Words,
)

TOLERANCE = 1.5
"""Points that letters may stand out of their box: fitting is reckoned in floats, and faces round their outlines."""
ASIDE, DEEP = 0.1, 0.2
"""And so many sizes of the text: slanted letters reach out of their own width, and accents on capitals and the tails of
Arabic out of their own line. A word too wide reaches further, and a line too many at least a whole size."""
BAND = 0.45
"""The part of a line above its baseline, in sizes, in which no other line may stand: where small letters are.

The baselines of one text are at least 1.15 sizes apart.
"""
SMALL = 0.4
"""What is less high, in sizes, may be an accent."""
SAFE = Box(MARGIN, TITLE.y, SHEET_WIDTH - 2 * MARGIN, NUMBER.y + NUMBER.height - TITLE.y)
"""Where text may stand at all."""


@dataclass(frozen=True)
class Letter:
    """A character that can be seen: its ink from left to right and down from the sheet's top, and its baseline."""

    text: str
    left: float
    top: float
    right: float
    bottom: float
    x: float
    baseline: float
    size: float
    is_mark: bool = False
    """Accents of their own stand where they will, fifty high if somebody asks for it."""


def read_pages(path: Path) -> Iterator[tuple[str, list[Letter]]]:
    """What each page says, and its letters in the order in which they were set."""
    document = pdfium.PdfDocument(path)
    try:
        for page in document:
            said = page.get_textpage()
            yield f"{said.get_text_range()} {' '.join(_told(page))}", list(_marked(_letters(said)))
    finally:
        document.close()


def faults(page: Page, letters: Iterable[Letter]) -> list[str]:
    """A sentence for each line of letters out of the boxes that the layout gave them, or on top of another."""
    boxes, seen = list(text_boxes(page)), [letter for letter in letters if 0 <= letter.baseline <= SHEET_HEIGHT]
    lost = [
        letter
        for letter in seen
        if not (_holds(SAFE, letter) and any(_holds(box, letter) for box in (*boxes, *_foot(page, letter))))
    ]
    lines = list(_lines(letter for letter in seen if not letter.is_mark))
    return [
        *(f"'{_said(line)}' stands out of its box at {line[0].left:.0f}, {line[0].top:.0f}" for line in _lines(lost)),
        *(f"'{_said(a)}' and '{_said(b)}' stand on each other" for a, b in combinations(lines, 2) if _collide(a, b)),
    ]


def covered(path: Path) -> list[str]:
    """A sentence for each text over which an area was drawn later: what lies under letters must be drawn before them."""
    document, found = pdfium.PdfDocument(path), list[str]()
    for number, page in enumerate(document, 1):
        said, texts = page.get_textpage(), list[tuple[float, float, float, float]]()
        for drawn in page.get_objects():
            left, bottom, right, top = drawn.get_bounds()
            if drawn.type == raw.FPDF_PAGEOBJ_TEXT:
                texts.append((left, bottom, right, top))
            elif drawn.type == raw.FPDF_PAGEOBJ_PATH and _is_filled(drawn):
                found += (
                    f"page {number}: '{said.get_text_bounded(*text).strip()}' is covered from {left:.0f} to {right:.0f}"
                    for text in texts
                    if min(right, text[2]) - max(left, text[0]) > 1 and min(top, text[3]) - max(bottom, text[1]) > 2
                )
    document.close()
    return found


def text_boxes(page: Page) -> Iterator[Box]:
    """The boxes in which the layout lets text stand: texts, the inner part of cells, charts."""
    for shape in (page.title, *page.shapes):
        match shape:
            case Words(box=box) | Plot(box=box):
                yield box
            case Grid(box=box):
                y = box.y
                for high in shape.heights:
                    x = box.x
                    for wide in shape.widths[:: -1 if shape.is_mirrored else 1]:
                        yield Box(x + shape.inset, y, wide - 2 * shape.inset, high)
                        x += wide
                    y += high


def _foot(page: Page, letter: Letter) -> Iterator[Box]:
    """The foot is for small letters alone: what runs over must not be taken for it."""
    if page.ground == "content" and letter.size == FOOT_SIZE:
        boxes = [NUMBER, FOOTER] if page.footer else [NUMBER]
        yield from map(mirrored_box, boxes) if page.is_mirrored else boxes


def _is_filled(path: pdfium.PdfObject) -> bool:
    fill, stroke = ctypes.c_int(), ctypes.c_int()
    raw.FPDFPath_GetDrawMode(path, fill, stroke)
    return bool(fill.value)


def _told(page: pdfium.PdfPage) -> Iterator[str]:
    """What pictures and charts say to who cannot see them."""
    tree = raw.FPDF_StructTree_GetForPage(page)
    waiting = [raw.FPDF_StructTree_GetChildAtIndex(tree, n) for n in range(raw.FPDF_StructTree_CountChildren(tree))]
    while waiting:
        element = waiting.pop()
        waiting += filter(
            None,
            (
                raw.FPDF_StructElement_GetChildAtIndex(element, n)
                for n in range(raw.FPDF_StructElement_CountChildren(element))
            ),
        )
        if length := raw.FPDF_StructElement_GetAltText(element, None, 0):
            buffer = ctypes.create_string_buffer(length)
            raw.FPDF_StructElement_GetAltText(element, buffer, length)
            yield buffer.raw.decode("utf-16-le").rstrip("\0")
    raw.FPDF_StructTree_Close(tree)


def _letters(said: pdfium.PdfTextPage) -> Iterator[Letter]:
    left, right, bottom, top, x, y = (ctypes.c_double() for _ in range(6))
    for index in range(said.count_chars()):
        character = chr(raw.FPDFText_GetUnicode(said, index))
        if character.isspace() or unicodedata.category(character) in ("Cc", "Cf", "Cs"):
            continue  # what cannot be seen, and what is beyond 16 bits: emoji, which are pictures
        raw.FPDFText_GetCharBox(said, index, left, right, bottom, top)
        raw.FPDFText_GetCharOrigin(said, index, x, y)
        yield Letter(
            character, left.value, SHEET_HEIGHT - top.value, right.value, SHEET_HEIGHT - bottom.value,
            x.value, SHEET_HEIGHT - y.value, raw.FPDFText_GetFontSize(said, index),
        )  # fmt: skip


def _marked(letters: Iterable[Letter]) -> Iterator[Letter]:
    """The letters, with those told to be marks that are. The ink of a small accent says its letter, too."""
    all_letters = list(letters)
    marks = {(letter.x, letter.baseline) for letter in all_letters if _is_mark(letter)}
    for letter in all_letters:
        is_accent = letter.bottom - letter.top < SMALL * letter.size and (letter.x, letter.baseline) in marks
        yield replace(letter, is_mark=is_accent or _is_mark(letter))


def _is_mark(letter: Letter) -> bool:
    return unicodedata.category(letter.text)[0] == "M"


def _holds(box: Box, letter: Letter) -> bool:
    aside, deep = TOLERANCE + ASIDE * letter.size, TOLERANCE + DEEP * letter.size
    top, bottom = (letter.baseline, letter.baseline) if letter.is_mark else (letter.top, letter.bottom)
    return (
        box.x - aside <= letter.left
        and letter.right <= box.x + box.width + aside
        and box.y - deep <= top
        and bottom <= box.y + box.height + deep
    )


def _lines(letters: Iterable[Letter]) -> Iterator[list[Letter]]:
    """Letters that were set one after the other, forward or backward, on one baseline."""
    line = list[Letter]()
    for letter in letters:
        if line and not _follows(line[-1], letter):
            yield line
            line = []
        line.append(letter)
    if line:
        yield line


def _follows(last: Letter, letter: Letter) -> bool:
    on = letter.x - last.x
    wide = (last.right - last.left if on >= 0 else letter.right - letter.left) + last.size
    return abs(letter.baseline - last.baseline) < 0.5 and abs(on) <= wide


def _said(line: list[Letter]) -> str:
    return "".join(letter.text for letter in line)[:40]


def _collide(a: list[Letter], b: list[Letter]) -> bool:
    across = min(max(letter.right for letter in a), max(letter.right for letter in b)) - max(
        min(letter.left for letter in a), min(letter.left for letter in b)
    )
    down = min(a[0].baseline, b[0].baseline) - max(
        line[0].baseline - BAND * max(letter.size for letter in line) for line in (a, b)
    )
    return across > TOLERANCE and down > TOLERANCE / 3
