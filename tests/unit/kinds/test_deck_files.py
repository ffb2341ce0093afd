"""The PowerPoint file and the PDF of one deck, side by side."""

import re

import pytest
from pptx import Presentation
from pypdf import PdfReader

from worker.kinds.presentation.layout.pages import lay_out, titles
from worker.kinds.presentation.pdf.print import Print
from worker.kinds.presentation.pptx.file import write_pptx
from worker.kinds.presentation.reading.markdown import read_deck
from worker.kinds.presentation.reading.split import split_slides
from worker.kinds.presentation.theme import THEMES

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


@pytest.mark.parametrize("name", ["tides", "odd"])
@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_powerpoint_and_pdf_say_the_same_on_every_page(theme, name, tides, tmp_path):
    deck, _ = read_deck(split_slides(tides if name == "tides" else ODD))
    pages, _ = lay_out(deck, theme)
    write_pptx(tmp_path / "deck.pptx", deck, pages, theme)
    Print(deck, pages, theme).write_pdf(tmp_path / "deck.pdf")
    slides, printed = Presentation(tmp_path / "deck.pptx").slides, PdfReader(tmp_path / "deck.pdf").pages

    assert len(slides) == len(printed) == len(titles(pages))
    for slide, page in zip(slides, printed, strict=True):
        said = set(WORD.findall(page.extract_text()))
        for shape in slide.shapes:
            if shape.has_text_frame:
                assert set(WORD.findall(shape.text_frame.text)) <= said
