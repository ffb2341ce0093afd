"""Pages as a PDF and as one picture each, set by Typst in our own face."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import font_source_sans_pro
import typst

from worker.kinds.presentation import sheet
from worker.kinds.presentation.deck import Run, runs_leftward
from worker.kinds.presentation.fit import CODE, width
from worker.kinds.presentation.sheet import Grid, Line, Page, Panel, Shape, Words
from worker.kinds.presentation.theme import Theme

PREVIEW_PPI = 96
"""The sheet is 13 1/3 inches wide, so a preview is 1280 pixels wide."""
_SOURCE = Path(__file__).with_name("deck.typ")
_BEYOND_OUR_FACES = re.compile("[^\x00-\u052f\u1e00-\u27bf]")
_LONG = re.compile(r"\S{12,}")
_MAY_BREAK = "\u200b"


class Print:
    """A deck ready to be set. What was set for the PDF is remembered for the pictures."""

    def __init__(self, title: str, pages: Sequence[Page], theme: Theme) -> None:
        deck = {
            "title": title,
            "theme": asdict(theme),
            "width": sheet.SHEET_WIDTH,
            "height": sheet.SHEET_HEIGHT,
            "code": CODE,
            "sheet": {name.lower(): asdict(getattr(sheet, name)) for name in ("MARK", "HERO_MARK", "NUMBER")},
            "discs": [asdict(disc) for disc in sheet.DISCS],
            "pages": [_page(page) for page in pages],
        }
        written = json.dumps(deck, ensure_ascii=False)
        self._compiler = typst.Compiler(
            _SOURCE,
            font_paths=[font_source_sans_pro.font_directory],
            # Looking through the system's faces takes a while, and only other scripts need them.
            ignore_system_fonts=not _BEYOND_OUR_FACES.search(written),
            sys_inputs={"deck": written},
        )

    def write_pdf(self, path: Path) -> None:
        """Write all pages to one PDF."""
        self._compiler.compile(output=path, format="pdf")

    def write_previews(self, folder: Path) -> list[Path]:
        """Write a picture of each page, and say where they are, in order."""
        pictures: Any = self._compiler.compile(format="png", ppi=PREVIEW_PPI)  # bytes, or a list for several pages
        paths = list[Path]()
        for number, picture in enumerate([pictures] if isinstance(pictures, bytes) else pictures, 1):
            path = folder / f"slide-{number:02}.png"
            path.write_bytes(picture)
            paths.append(path)
        return paths


def _page(page: Page) -> dict[str, Any]:
    return {"hero": page.hero, "title": _shape(page.title), "shapes": [_shape(shape) for shape in page.shapes]}


def _shape(shape: Shape) -> dict[str, Any]:
    match shape:
        case Words(box=box, lines=lines):
            return {**asdict(shape), "kind": "words", "lines": [_line(line, box.width) for line in lines]}
        case Grid(widths=widths, inset=inset):
            rooms = [wide - 2 * inset for wide in widths]
            rows = [[_line(line, room) for line, room in zip(row, rooms, strict=True)] for row in shape.rows]
            return {**asdict(shape), "kind": "grid", "rows": rows}
        case Panel():
            return {**asdict(shape), "kind": "panel"}


def _line(line: Line, room: float) -> dict[str, Any]:
    runs = [asdict(replace(run, text=_breakable(run, line, room - line.indent))) for run in line.text]
    return {**asdict(line), "runs": runs, "rtl": runs_leftward(line.text)}


def _breakable(run: Run, line: Line, room: float) -> str:
    """The run's text, where words that no line can hold may be broken anywhere: Typst would let them run out."""

    def break_up(word: re.Match[str]) -> str:
        wide = width((replace(run, text=word[0]),), line.size, bold=line.bold)
        return _MAY_BREAK.join(word[0]) if wide > room else word[0]

    return _LONG.sub(break_up, run.text)
