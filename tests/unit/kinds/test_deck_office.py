"""The PowerPoint file as LibreOffice shows it, beside our own drawing of the same pages."""

import os
import shutil
import subprocess
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pages_given as given
import pypdfium2
import pytest
from PIL import Image, ImageChops, ImageFilter

from worker.kinds.presentation.deck import Deck
from worker.kinds.presentation.layout.faces import other_faces
from worker.kinds.presentation.layout.mirror import mirrored
from worker.kinds.presentation.layout.pages import lay_out, titles
from worker.kinds.presentation.layout.sheet import Page, Plot
from worker.kinds.presentation.pdf.print import Print
from worker.kinds.presentation.pptx.file import write_pptx
from worker.kinds.presentation.reading.markdown import read_deck
from worker.kinds.presentation.reading.split import split_slides
from worker.kinds.presentation.theme import CLEAN, THEMES

pytestmark = pytest.mark.office

DECK = Deck("Tides & more", ())
DECKS = Path(__file__).parents[2] / "decks"
FAR = 4.0
FAR_FOR_OTHER_FACES = 6.0
"""LibreOffice takes what stands between Arabic words from their face, too, and so ends some lines elsewhere."""
LEFTWARD = ("arabic", "hebrew")
FAR_FOR_CHARTS = {"bar": 24.0, "line": 6.0, "pie": 60.0}
"""By so much pictures differ only if more does than edges, the last point of a line's place, or how a program lays
out charts: ours has steps and room of its own.
"""
TILES = (8, 5)
BOX = Image.Resampling.BOX
PACKAGES = sorted({face.package for theme in THEMES.values() for face in (theme.head, theme.body)})
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  {folders}
  <alias binding="same"><family>Consolas</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
  <alias binding="same"><family>Arial</family><prefer><family>Noto Naskh Arabic</family><family>Noto Sans Hebrew</family></prefer></alias>
  <cachedir>{cache}</cachedir>
</fontconfig>
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("office")


@pytest.fixture(scope="module")
def pages(folder):
    made = {name: given.pages(theme, folder) for name, theme in THEMES.items()}
    return {**made, "mirrored": [mirrored(page) for page in made["clean"]]}


@pytest.fixture(scope="module")
def written(folder, tides):
    """Decks as they are made of Markdown."""
    others = {name: (DECKS / f"{name}.md").read_text(encoding="utf-8") for name in ("hostile", *LEFTWARD)}
    decks = {"tides": tides, **others}
    return {name: lay_out(read_deck(split_slides(text))[0], CLEAN)[0] for name, text in decks.items()}


@pytest.fixture(scope="module")
def shown(folder, pages, written):
    """What LibreOffice makes of the files, and of one from which a shape is missing on each page that has any."""
    if not shutil.which("soffice"):
        assert not os.environ.get("CI"), "CI needs LibreOffice: make setup-system"
        pytest.skip("soffice is not installed")
    without = [replace(page, shapes=page.shapes[1:]) for page in pages["clean"]]
    files = {**pages, **written, "without": without}
    for name, made in files.items():
        write_pptx(folder / f"{name}.pptx", DECK, made, THEMES.get(name, CLEAN))
    convert(folder, list(files))
    return {name: pictures(folder / f"{name}.pdf") for name in files}


@pytest.fixture(scope="module")
def ours(folder, pages, written):
    drawn = {}
    for name, made in {**pages, **written}.items():
        Print(DECK, made, THEMES.get(name, CLEAN)).write_pdf(folder / f"{name}-ours.pdf")
        drawn[name] = pictures(folder / f"{name}-ours.pdf")
    return drawn


def convert(folder: Path, names: list[str]) -> None:
    """One LibreOffice for all files, which sees the faces of our themes."""
    folders = "".join(f"<dir>{Path(find_spec(package).origin).parent}</dir>" for package in PACKAGES)
    fonts = folder / "fonts.conf"
    fonts.write_text(FONTS.format(folders=folders, cache=folder / "fonts"))
    subprocess.run(
        [
            *("soffice", f"-env:UserInstallation=file://{folder}/profile", "--headless", "--convert-to", "pdf"),
            *("--outdir", str(folder), *(str(folder / f"{name}.pptx") for name in names)),
        ],
        check=True,
        capture_output=True,
        timeout=90,
        env={**os.environ, "FONTCONFIG_FILE": str(fonts)},
    )


def pictures(path: Path) -> list[Image.Image]:
    """The pages, small and blurred: what is left is where something stands, and in which colour."""
    with pypdfium2.PdfDocument(path) as document:
        drawn = [page.render(scale=1).to_pil().convert("RGB").crop((0, 0, 960, 540)) for page in document]
    return [picture.resize((160, 90), BOX).filter(ImageFilter.GaussianBlur(2)).resize(TILES, BOX) for picture in drawn]


def distance(one: Image.Image, other: Image.Image) -> float:
    """How far apart two pictures are, of 255, in that part of the page where they differ most."""
    return max(sum(tile) / 3 for tile in ImageChops.difference(one, other).get_flattened_data())


def far(page: Page) -> float:
    kinds = [shape.chart.kind for shape in page.shapes if isinstance(shape, Plot)]
    return FAR_FOR_CHARTS[kinds[0]] if kinds else FAR


@pytest.mark.parametrize("name", [*THEMES, "mirrored"])
def test_libreoffice_shows_each_page_as_we_draw_it(name, shown, ours, pages):
    for page, theirs, drawn in zip(pages[name], shown[name], ours[name], strict=True):
        assert distance(theirs, drawn) < far(page), titles([page])


def test_libreoffice_shows_a_deck_of_markdown_as_we_draw_it(shown, ours, written):
    for page, theirs, drawn in zip(written["tides"], shown["tides"], ours["tides"], strict=True):
        assert distance(theirs, drawn) < far(page), titles([page])


@pytest.mark.parametrize("name", LEFTWARD)
def test_libreoffice_shows_a_deck_that_is_read_from_right_to_left_as_we_draw_it(name, shown, ours, written):
    if other_faces("".join(titles(written[name])), CLEAN).missing:
        assert not os.environ.get("CI"), "CI needs the Noto faces: make setup-system"
        pytest.skip("no face for this script is installed")

    for page, theirs, drawn in zip(written[name], shown[name], ours[name], strict=True):
        assert distance(theirs, drawn) < FAR_FOR_OTHER_FACES, titles([page])


def test_libreoffice_opens_whatever_a_deck_says(shown, written):
    assert len(shown["hostile"]) == len(written["hostile"])


def test_a_page_from_which_a_shape_is_missing_is_far_from_what_we_draw(shown, ours, pages):
    for page, without, whole in zip(pages["clean"], shown["without"], ours["clean"], strict=True):
        assert distance(without, whole) > far(page), titles([page])
