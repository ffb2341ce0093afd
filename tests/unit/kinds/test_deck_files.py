"""The PowerPoint file, the PDF and the pictures, opened by other people's readers."""

import io
import os
import re
import shutil
import subprocess
import zipfile

import pytest
from PIL import Image
from pptx import Presentation
from pptx.util import Inches
from pypdf import PdfReader

from worker.kinds.presentation.layout import lay_out, titles
from worker.kinds.presentation.markdown import read_deck
from worker.kinds.presentation.pdf import Print
from worker.kinds.presentation.pptx import write_pptx
from worker.kinds.presentation.split import split_slides
from worker.kinds.presentation.theme import DARK, LIGHT

WORD = re.compile(r"\b[a-z]{4,15}\b")
SENTENCE = "the moon pulls hardest on the water that is nearest to it "
ODD = "\n---\n".join(
    [
        "# مرحبا 日本語 😀 #show: \\#panic() `#let`\n$x^2$ \\u{0} </script> \"quotes' & <b>",
        "## Mixed {{ 7*7 }}\nText with `code`, ~~gone~~ and [a link](https://x.example/?a=1&b=2)\n\n"
        "1. one\n   - two\n3. three\n   1. inner\n4. four\n\n> A quote\n> — Me",
        "No heading on this one, but a sentence that is long enough not to be taken for one.",
        "## List\n" + "\n".join(f"- {n} {SENTENCE}" for n in range(40)),
        "## Prose\n" + SENTENCE * 40,
        "## Table\n" + "| abcdefghijklm " * 14 + "|\n" + "|---" * 14 + "|\n" + "| WWWWWWWWWWWWWWWWW ijk " * 14 + "|",
        "## Cards\n" + "\n".join(f"### Card {n}\n- {SENTENCE * 3}\n- {'W' * 60}" for n in range(4)),
        f"> {SENTENCE * 12}\n> — Me",
        f"## Code\n```\n    {SENTENCE * 4}\n{'x' * 300}\n```",
        "## " + "A LONG TITLE IN CAPITALS " * 5,
        "## " + "W" * 100 + "\n" + "月" * 300 + "😀" * 100,
    ]
)


@pytest.fixture(scope="module", params=["tides", "odd"])
def pages(request, tides):
    deck, _ = read_deck(split_slides(tides if request.param == "tides" else ODD))
    return lay_out(deck)[0]


@pytest.fixture(scope="module", params=[LIGHT, DARK], ids=["light", "dark"])
def files(request, pages, tmp_path_factory):
    folder = tmp_path_factory.mktemp("deck")
    write_pptx(folder / "deck.pptx", "A deck", pages, request.param)
    prints = Print("A deck", pages, request.param)
    prints.write_pdf(folder / "deck.pdf")
    prints.write_previews(folder)
    return folder


def letters(text):
    return re.sub(r"\W+", "", text)


def test_every_slide_has_a_true_title(files, pages):
    slides = Presentation(files / "deck.pptx").slides

    assert [" ".join(slide.shapes.title.text_frame.text.split()) for slide in slides] == titles(pages)
    assert all(slide.shapes.title.is_placeholder for slide in slides)


def test_the_file_is_wide_titled_and_brings_only_our_layouts(files):
    presentation = Presentation(files / "deck.pptx")

    assert (round(presentation.slide_width / Inches(1), 3), presentation.slide_height) == (13.333, Inches(7.5))
    assert presentation.core_properties.title == "A deck"
    assert [layout.name for layout in presentation.slide_layouts] == ["Title Slide", "Title Only"]


def test_powerpoint_and_pdf_say_the_same_on_every_page(files):
    slides = Presentation(files / "deck.pptx").slides
    printed = PdfReader(files / "deck.pdf").pages

    assert len(slides) == len(printed)
    for slide, page in zip(slides, printed, strict=True):
        said = set(WORD.findall(page.extract_text()))
        for shape in slide.shapes:
            if shape.has_text_frame:
                assert set(WORD.findall(shape.text_frame.text)) <= said


def test_nothing_is_drawn_into_the_margins(files, pages):
    """What was estimated to fit does fit in the face that is really used."""
    for picture, page in zip(sorted(files.glob("slide-*.png")), pages, strict=True):
        if page.hero:
            continue
        with Image.open(picture) as image:
            width, height = image.size
            number = height * 497 // 540
            for margin in [
                (0, 0, width * 56 // 960, height),
                (width * 905 // 960, 0, width, height),
                (0, height * 490 // 540, width, number),
                (0, 0, width, height * 38 // 540),
            ]:
                assert all(low == high for low, high in image.convert("RGB").crop(margin).getextrema()), picture.name


def test_there_is_a_wide_picture_of_every_page(files, pages):
    pictures = sorted(files.glob("slide-*.png"))

    assert [picture.name for picture in pictures] == [f"slide-{n:02}.png" for n in range(1, len(pages) + 1)]
    for picture in pictures:
        with Image.open(picture) as image:
            assert image.size == (1280, 720)
            assert any(low != high for low, high in image.convert("RGB").getextrema())


def test_equal_slides_make_equal_files(files, pages, tmp_path, request):
    theme = LIGHT if "light" in request.node.name else DARK
    write_pptx(tmp_path / "deck.pptx", "A deck", pages, theme)
    Print("A deck", pages, theme).write_pdf(tmp_path / "deck.pdf")

    assert (tmp_path / "deck.pptx").read_bytes() == (files / "deck.pptx").read_bytes()
    assert (tmp_path / "deck.pdf").read_bytes() == (files / "deck.pdf").read_bytes()


def drawn(markdown, tmp_path):
    deck, _ = read_deck(split_slides(markdown))
    write_pptx(tmp_path / "deck.pptx", "A deck", lay_out(deck)[0], LIGHT)
    return Presentation(tmp_path / "deck.pptx").slides


def test_tables_are_native_and_aligned(tmp_path):
    _, slide = drawn("# T\n---\n## U\n| a | b |\n|---|--:|\n| 1 | **2** |", tmp_path)

    (table,) = [shape.table for shape in slide.shapes if shape.has_table]
    assert [[cell.text for cell in row.cells] for row in table.rows] == [["a", "b"], ["1", "2"]]
    assert table.cell(1, 1).text_frame.paragraphs[0].alignment.name == "RIGHT"
    assert table.cell(1, 1).text_frame.paragraphs[0].runs[0].font.bold


def test_lists_are_native_with_numbers_that_go_on(tmp_path):
    _, slide = drawn("# T\n---\n## U\n3. a\n   1. b\n   2. c\n4. d\n- e\n  - f", tmp_path)

    text = next(shape.text_frame for shape in slide.shapes if not shape.is_placeholder and shape.text_frame.text)
    marks = [re.findall(r'(?:startAt|char)="(.+?)"', paragraph._p.xml) for paragraph in text.paragraphs]
    assert marks == [["3"], ["1"], ["1"], ["3"], ["•"], ["–"]]
    assert [paragraph.level for paragraph in text.paragraphs] == [0, 1, 1, 0, 0, 1]


def test_notes_are_for_the_speaker_alone(tmp_path):
    (slide,) = drawn("# T\nNote: say *this*\nand that", tmp_path)

    assert slide.notes_slide.notes_text_frame.text == "say *this*\nand that"
    assert "say" not in " ".join(shape.text_frame.text for shape in slide.shapes)


def test_links_lead_where_they_say(tmp_path):
    _, slide = drawn("# T\n---\n## U\n[a](https://x.example/?a=1&b=2)", tmp_path)

    runs = [
        run for shape in slide.shapes if shape.has_text_frame for p in shape.text_frame.paragraphs for run in p.runs
    ]
    assert "https://x.example/?a=1&b=2" in [run.hyperlink.address for run in runs]


def test_the_pdf_has_a_title_and_bookmarks(files, pages):
    reader = PdfReader(files / "deck.pdf")

    assert reader.metadata.title == "A deck"
    assert [letters(bookmark.title) for bookmark in reader.outline] == [letters(title) for title in titles(pages)]


def test_no_part_of_the_package_carries_a_time(files):
    with zipfile.ZipFile(io.BytesIO((files / "deck.pptx").read_bytes())) as package:
        assert {entry.date_time for entry in package.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.office
def test_libreoffice_opens_the_file_and_shows_as_many_pages(pages, tmp_path):
    if not shutil.which("soffice"):
        assert not os.environ.get("CI"), "CI needs LibreOffice: make setup-system"
        pytest.skip("soffice is not installed")

    write_pptx(tmp_path / "deck.pptx", "A deck", pages, DARK)
    subprocess.run(
        [
            *("soffice", f"-env:UserInstallation=file://{tmp_path}/profile", "--headless"),
            *("--convert-to", "pdf", "--outdir", str(tmp_path), str(tmp_path / "deck.pptx")),
        ],
        check=True,
        capture_output=True,
        timeout=90,
    )

    assert len(PdfReader(tmp_path / "deck.pdf").pages) == len(pages)
