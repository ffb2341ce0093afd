"""What is seen and read of a deck that somebody else made: pictures of its pages, and the words on them.

It brings libraries that take seconds to load on a busy machine: import it in a thread.
"""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typst
from PIL import Image
from pptx import Presentation
from pptx.util import Emu

from agent_tools import Artifact
from worker.kinds.presentation.layout.faces import fonts
from worker.kinds.presentation.pdf.overview import laid_out
from worker.kinds.presentation.presenton.words import Slide, Unreadable
from worker.kinds.presentation.theme import THEMES

MOST_PAGES = 100
MOST_UNPACKED_BYTES = 500_000_000
_PPI, _QUALITY, _LARGE = 120, 85, 1_200_000
_PAGE = b"""
#set page(width: 13.333in, height: auto, margin: 0pt)
#image(sys.inputs.file, page: int(sys.inputs.page), width: 100%)
"""


def read_slides(path: Path) -> list[Slide]:
    """The words of a PowerPoint file. Raises Unreadable."""
    try:
        with zipfile.ZipFile(path) as packed:
            if sum(part.file_size for part in packed.infolist()) > MOST_UNPACKED_BYTES:
                raise Unreadable("it is too large unpacked")
        return [_slide(slide) for slide in Presentation(str(path)).slides]
    except Unreadable:
        raise
    except Exception as error:  # whatever python-pptx says of a file that is not quite one
        raise Unreadable(f"it is damaged ({type(error).__name__})") from error


def _slide(slide: Any) -> Slide:
    shapes = sorted(
        (shape for shape in slide.shapes if shape.has_text_frame),
        key=lambda shape: (shape.top or Emu(0), shape.left or 0),
    )
    lines = [line for shape in shapes for each in shape.text_frame.text.splitlines() if (line := each.strip())]
    title = slide.shapes.title.text_frame.text.strip() if slide.shapes.title is not None else ""
    notes = slide.notes_slide.notes_text_frame.text.strip() if slide.has_notes_slide else ""
    return Slide(tuple(dict.fromkeys((*([title] if title else ()), *lines))), notes)


def draw(pdf: Path, titles: Sequence[str], folder: Path) -> list[Artifact]:
    """A picture of each page of a PDF, of which there are as many as titles, and one of all of them. Raises Unreadable."""
    compiler = typst.Compiler(_PAGE, root=str(pdf.parent), font_paths=fonts(with_systems=False))
    folder.mkdir(parents=True, exist_ok=True)
    pages, pictures = list[bytes](), list[Artifact]()
    try:
        for number, title in enumerate(titles[:MOST_PAGES], 1):
            drawn: Any = compiler.compile(
                _PAGE, format="png", ppi=_PPI, sys_inputs={"file": pdf.name, "page": str(number)}
            )
            pages.append(bytes(drawn))
            pictures.append(_picture(pages[-1], folder / f"slide-{number:02}.png", title or f"Slide {number}"))
    except Exception as error:  # whatever Typst says of a PDF that is not quite one, or has fewer pages
        raise Unreadable(f"its pages cannot be drawn ({error}; {pdf} {pdf.exists()})") from error
    overview = folder / "overview.png"
    overview.write_bytes(laid_out(pages, THEMES["clean"]))
    return [*pictures, Artifact.file(overview, title="All slides")]


def _picture(page: bytes, path: Path, title: str) -> Artifact:
    """The page as PNG, or as JPEG where photographs would make a large file of it."""
    if len(page) > _LARGE:
        path = path.with_suffix(".jpg")
        with Image.open(io.BytesIO(page)) as drawn:
            drawn.convert("RGB").save(path, "JPEG", quality=_QUALITY, optimize=True)
    else:
        path.write_bytes(page)
    return Artifact.file(path, title=title)


def short(error: Exception) -> str:
    """The first line of what an error says."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
