"""How much room text takes, beside how much Typst gives it."""

import ctypes
import io
import json
import time

import pypdfium2
import pytest
import typst
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pypdfium2 import raw

from worker.kinds.presentation.deck import Deck, Run
from worker.kinds.presentation.layout import fit
from worker.kinds.presentation.layout.faces import fonts
from worker.kinds.presentation.layout.sheet import Box, Line, Page, Words
from worker.kinds.presentation.pdf.print import Print
from worker.kinds.presentation.theme import CLEAN, GRAPHITE, HANKEN, LATO, PAPER, SOURCE_SANS, THEMES, VIVID

SIZE = 12.0
WORDS = [
    "the",
    "moon",
    "pulls",
    "hardest",
    "on",
    "water",
    "that",
    "is",
    "nearest;",
    "AVAV",
    "Tor.",
    '"quoted"',
    "(in",
    "brackets)",
    "12.5%",
    "$1,234,567",
    "well-known",
    "a/b",
    "c++",
    "e.g.",
    "Donaudampfschifffahrtsgesellschaftskapitän",
    "l’été",
    "«",
    "oui",
    "!",
    "»",
    "—",
    "–",
    "…",
    "[x]",
    "x²",
    "→",
    "✓",
    "½",
    "Привет",
    "мир",
    "Ελλάδα",
    "日本語の、テキスト。「括弧」っー",
    "漢字and",
    "中文字符！",
    "한국어",
    "문장",
    "مرحبا",
    "بالعالم",
    "हिन्दी",
    "😀",
    "👩\u200d👩\u200d👧",
    "✔️",
    "fi",
    "ffl",
    "Th",
]
WORD = st.sampled_from(WORDS) | st.text("abWi.,-/!?)(漢。「」ーあ한' ’“»\u00a0\u200b\u2014", min_size=1, max_size=12)
RUN = st.builds(
    Run,
    st.lists(WORD, min_size=1, max_size=25).map(" ".join) | st.text("W月😀iあ", min_size=30, max_size=90),
    bold=st.booleans(),
    italic=st.booleans(),
    code=st.booleans(),
)
TEXT = st.lists(RUN, min_size=1, max_size=4).map(tuple)


def said(text, **style):
    return (Run(text, **style),)


def printed_lines(texts, room, theme, tmp_path):
    """How many lines each text has in the PDF, and how far right it goes."""
    pages = [
        Page(
            Words(Box(0, -90, 900, 30), (Line(said("T"), 9, theme.head),)),
            (Words(Box(0, 0, room, 540), (Line(text, SIZE, theme.body),)),),
            ground="closing",
        )
        for text in texts
    ]
    Print(Deck("", ()), pages, theme).write_pdf(tmp_path / "probe.pdf")
    with pypdfium2.PdfDocument(io.BytesIO((tmp_path / "probe.pdf").read_bytes())) as document:
        return [_lines(page) for page in document]


def _lines(page):
    text, height = page.get_textpage(), page.get_height()
    x, y = ctypes.c_double(), ctypes.c_double()
    baselines, rightmost = [], 0.0
    for index in range(text.count_chars()):
        raw.FPDFText_GetCharOrigin(text, index, x, y)
        if y.value < height and raw.FPDFText_GetUnicode(text, index) > 32:
            baselines.append(y.value)
            rightmost = max(rightmost, x.value)
    lowest = min(baselines, default=height)
    return round((height - lowest) / (SIZE * fit.LEADING) + 0.23), rightmost


@given(
    texts=st.lists(TEXT, min_size=1, max_size=6),
    room=st.floats(30, 500),
    theme=st.sampled_from([CLEAN, PAPER, VIVID, GRAPHITE]),
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@example(texts=[said("The moon pulls. " * 30)], room=200.0, theme=CLEAN)
@example(texts=[said("    return x\n\n  y = 1", code=True)], room=200.0, theme=CLEAN)
@example(texts=[said("Привет мир, это курсив", italic=True)], room=60.0, theme=PAPER)
def test_typst_never_makes_more_lines_than_were_counted_nor_wider_ones(texts, room, theme, tmp_path):
    for text, (lines, rightmost) in zip(texts, printed_lines(texts, room, theme, tmp_path), strict=True):
        assert lines <= fit.line_count(text, SIZE, room, theme.body)
        assert rightmost <= room


FACES = list({face.family: face for theme in THEMES.values() for face in (theme.head, theme.body)}.values())
MEASURE = """#context [#metadata(measure(text(
  font: sys.inputs.family, size: 100pt, weight: int(sys.inputs.weight), sys.inputs.said,
)).width / 1pt) <width>]"""


@pytest.mark.parametrize("bold", [False, True], ids=["regular", "bold"])
@pytest.mark.parametrize("face", FACES, ids=lambda face: face.family)
def test_a_line_is_as_wide_as_typst_sets_it_and_what_the_face_is_to_spare(face, bold):
    words = "To Wave AVATAR: efficient, 1,234.50 Ärger – naïve"
    inputs = {"family": face.family, "weight": "700" if bold else "400", "said": words}
    fonts_here = fonts(with_systems=False)
    (there,) = json.loads(
        typst.query(MEASURE.encode(), "<width>", field="value", font_paths=fonts_here, sys_inputs=inputs)
    )
    spare = face.spare_bold if bold else face.spare

    assert fit.width(said(words), 100, face, bold=bold) == pytest.approx(there * spare, rel=0.01)


def test_italics_are_no_narrower_than_upright_letters():
    words = "Lato's italics are narrow, and those of Arial are not"

    assert fit.width(said(words), 20, LATO, italic=True) >= fit.width(said(words), 20, LATO)


def test_code_is_as_wide_as_its_letters_are_many():
    assert fit.width(said("if x == 1:", code=True), 20, HANKEN) == pytest.approx(10 * 0.602 * 20 * fit.CODE, rel=0.001)


def test_a_break_that_was_asked_for_ends_the_line():
    text = said("one\ntwo three\n")

    assert fit.line_count(text, 20, 500, HANKEN) == 3
    assert fit.width(text, 20, HANKEN) == fit.width(said("two three"), 20, HANKEN)


def test_a_word_is_not_broken_where_only_its_style_changes():
    text = (Run("half"), Run("bold", bold=True), Run(" next"))
    whole = fit.width((Run("half"), Run("bold", bold=True)), 20, HANKEN)

    assert fit.widest_word(text, 20, HANKEN) == whole
    assert fit.line_count(text, 20, whole + 1, HANKEN) == 2


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        ("漢字漢字漢字", 2),
        ("漢字漢字。漢字", 2),
        ("漢字漢「字」漢", 2),
        ("well-known", 2),
        ("oui oui !", 2),
        ("日本・日本", 2),
    ],
)
def test_lines_end_where_the_script_lets_them(words, lines):
    room = fit.width(said("known"), 20, SOURCE_SANS) + 1 if words.isascii() else 4.1 * 20

    assert fit.line_count(said(words), 20, room, SOURCE_SANS) == lines


def test_only_words_that_no_line_can_hold_may_be_broken_anywhere():
    text = (Run("short "), Run("W" * 9, bold=True), Run(" e\u0301e\u0301"))

    loosened = fit.breakable(text, 20, 60, HANKEN)

    assert [run.text for run in loosened] == ["short", " ", "\u200b" + "\u200b".join("W" * 9), " ", "e\u0301e\u0301"]
    assert fit.breakable(text, 20, 600, HANKEN) is text
    assert all(run.bold == (run.text.strip("\u200bW") == "") for run in loosened if run.text.strip())


def test_a_dense_deck_is_fitted_in_no_time():
    slides = [said(" ".join(f"word{n} and some more of them" for n in range(k, k + 40))) for k in range(100)]
    for text in slides:
        fit.line_count(text, 20, 600, HANKEN)

    begun = time.perf_counter()
    for size in range(14, 24):
        for text in slides:
            fit.line_count(text, size, 600, HANKEN)

    assert time.perf_counter() - begun < 1.0
