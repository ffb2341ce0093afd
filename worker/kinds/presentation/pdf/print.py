"""Pages as a PDF and as pictures, set by Typst in our own faces."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import typst

from worker.kinds.presentation.deck import Align, Deck, Run
from worker.kinds.presentation.layout import sheet
from worker.kinds.presentation.layout.faces import OtherFaces, fonts, other_faces
from worker.kinds.presentation.layout.fit import CODE, breakable
from worker.kinds.presentation.layout.grounds import setting
from worker.kinds.presentation.layout.mirror import mirrored_shape
from worker.kinds.presentation.layout.sheet import Disc, Grid, Line, Page, Panel, Picture, Plot, Shape, Words
from worker.kinds.presentation.pdf.overview import laid_out, table
from worker.kinds.presentation.pdf.plot import drawing, told
from worker.kinds.presentation.pdf.plot_marks import Stroke, Wedge
from worker.kinds.presentation.theme import MONO, TONES, Color, Theme

PICTURE_PPI = 144
"""The sheet is 13 1/3 inches wide, so a picture is 1920 pixels wide."""
BORDER = 1.5
_SOURCE = Path(__file__).with_name("deck.typ").read_bytes()
_NOWHERE = Path(__file__).parent


class Print:
    """A deck ready to be set. What was set for the PDF is remembered for the overview."""

    def __init__(self, deck: Deck, pages: Sequence[Page], theme: Theme) -> None:
        root = _root(pages)
        others = [other_faces("".join(_said(page)), theme) for page in pages]
        set_pages = [
            _page(page, number, theme, _Frame(root, _fallbacks(other)))
            for number, (page, other) in enumerate(zip(pages, others, strict=True), 1)
        ]
        self._compiler = _compiler(root, others, _data(theme, set_pages, title=deck.title, author=deck.author))
        self._many, self._theme = len(pages), theme
        self._is_mirrored = any(page.is_mirrored for page in pages)

    def write_pdf(self, path: Path) -> None:
        """Write all pages to one PDF."""
        path.write_bytes(_bytes(self._compiler.compile(_SOURCE, format="pdf")))

    def write_overview(self, path: Path) -> None:
        """Write one picture that shows the pages small, side by side."""
        drawn: Any = self._compiler.compile(_SOURCE, format="png", ppi=table(self._many).ppi)
        pages = [drawn] if isinstance(drawn, bytes) else drawn  # a list for several pages
        path.write_bytes(laid_out(pages, self._theme, is_mirrored=self._is_mirrored))


def page_picture(page: Page, number: int, theme: Theme) -> bytes:
    """A PNG of the page, a deck's `number`th. The same page has the same picture, whatever the others are."""
    root, others, data = _alone(page, number, theme)
    return _bytes(_compiler(root, [others], data).compile(_SOURCE, format="png", ppi=PICTURE_PPI))


def fingerprint(page: Page, number: int, theme: Theme) -> str:
    """A digest of all that is drawn and of what draws it: pages that look different have different ones."""
    _, _, data = _alone(page, number, theme)
    (alone,) = data["pages"]
    del alone["level"]
    for shape in alone["shapes"]:
        shape.pop("path", None)  # a picture is the same in another folder
    pictures = [Path(shape.path).read_bytes() for shape in page.shapes if isinstance(shape, Picture)]
    said = json.dumps([data, PICTURE_PPI, version("typst")]).encode()
    return sha256(b"".join(sha256(part).digest() for part in (said, _SOURCE, *pictures))).hexdigest()


def _alone(page: Page, number: int, theme: Theme) -> tuple[Path, OtherFaces, dict[str, Any]]:
    root, others = _root([page]), other_faces("".join(_said(page)), theme)
    return root, others, _data(theme, [_page(page, number, theme, _Frame(root, _fallbacks(others)))])


def _bytes(compiled: Any) -> bytes:
    """What Typst made, where it made one file."""
    return bytes(compiled)


def _root(pages: Iterable[Page]) -> Path:
    """The folder in which the pictures of these pages are. Typst sees no other files."""
    paths = [shape.path for page in pages for shape in page.shapes if isinstance(shape, Picture)]
    return Path(os.path.commonpath([Path(path).absolute().parent for path in paths])) if paths else _NOWHERE


def _data(theme: Theme, pages: list[dict[str, Any]], *, title: str = "", author: str = "") -> dict[str, Any]:
    return {
        "title": title,
        "author": author,
        "colors": {color: getattr(theme, color) for color in get_args(Color)},
        "width": sheet.SHEET_WIDTH,
        "height": sheet.SHEET_HEIGHT,
        "mono": MONO.family,
        "code": CODE,
        "pages": pages,
    }


def _compiler(root: Path, others: Iterable[OtherFaces], data: dict[str, Any]) -> typst.Compiler:
    return typst.Compiler(
        _SOURCE,
        root=root,
        font_paths=fonts(with_systems=not all(other.are_ours for other in others)),
        sys_inputs={"deck": json.dumps(data, ensure_ascii=False)},
    )


def _said(page: Page) -> Iterator[str]:
    """All words of a page."""
    yield page.footer
    for line in _lines([page.title, *page.shapes]):
        yield line.marker
        yield from (run.text for run in line.text)


def _lines(shapes: Iterable[Shape | Stroke | Wedge]) -> Iterator[Line]:
    for shape in shapes:
        match shape:
            case Words(lines=lines):
                yield from lines
            case Grid(rows=rows):
                yield from (line for row in rows for line in row)
            case Plot():
                yield from _lines(drawing(shape))


def _fallbacks(others: OtherFaces) -> list[dict[str, str]]:
    """The families that stand in for the theme's, each only for the characters that it is to draw."""
    return [
        {"name": family, "covers": "[" + "".join(rf"\x{{{ord(character):x}}}" for character in characters) + "]"}
        for family, characters in others.families
    ]


@dataclass(frozen=True)
class _Frame:
    """What the shapes of a page are set in: where its pictures are, and who stands in for the theme's faces."""

    root: Path
    fallbacks: list[dict[str, str]]


def _page(page: Page, number: int, theme: Theme, frame: _Frame) -> dict[str, Any]:
    under = setting(theme, page.ground, is_mirrored=page.is_mirrored)
    foot = _foot(page, number, theme) if page.ground == "content" else []
    return {
        "fill": under.fill,
        "under": [_shape(shape, frame) for shape in under.shapes],
        "title": _shape(page.title, frame),
        "level": 2 if page.section and page.ground == "content" else 1,
        "shapes": [_shape(shape, frame) for shape in page.shapes],
        "foot": [_shape(shape, frame) for shape in foot],
    }


def _foot(page: Page, number: int, theme: Theme) -> list[Words]:
    def small(text: str, align: Align) -> tuple[Line]:
        return (Line((Run(text),), sheet.FOOT_SIZE, theme.body, "muted", align=align),)

    words = [Words(sheet.NUMBER, small(str(number), "right"), "middle")]
    if page.footer:
        words.insert(0, Words(sheet.FOOTER, small(page.footer, "left"), "middle"))
    return [mirrored_shape(each) for each in words] if page.is_mirrored else words


def _shape(shape: Shape | Stroke | Wedge, frame: _Frame) -> dict[str, Any]:
    match shape:
        case Words(box=box, lines=lines):
            return {**asdict(shape), "kind": "words", "lines": [_line(line, box.width, frame) for line in lines]}
        case Grid(widths=widths, inset=inset):
            rooms = [wide - 2 * inset for wide in widths]
            rows = [[_line(line, room, frame) for line, room in zip(row, rooms, strict=True)] for row in shape.rows]
            return {**asdict(shape), "kind": "grid", "rows": rows}
        case Picture():
            inside = Path(shape.path).absolute().relative_to(frame.root).as_posix()
            return {**asdict(shape), "kind": "picture", "path": f"/{inside}"}
        case Plot(chart=chart):
            return {"kind": "plot", "alt": told(chart), "shapes": [_shape(part, frame) for part in drawing(shape)]}
        case Panel():
            return {**asdict(shape), "kind": "panel", "width": BORDER}
        case Disc() | Stroke() | Wedge():
            return {**asdict(shape), "kind": type(shape).__name__.lower()}


def _line(line: Line, room: float, frame: _Frame) -> dict[str, Any]:
    text = breakable(line.text, line.size, room - line.indent, line.face, bold=line.bold, italic=line.italic)
    return {
        **asdict(line),
        "fonts": [line.face.family, *frame.fallbacks],
        "runs": [{**asdict(run), "tone": run.tone and TONES[run.tone]} for run in text],
        "is_leftward": line.is_leftward,
        "hangs_right": line.hangs_right,
        "side": line.side,
    }
