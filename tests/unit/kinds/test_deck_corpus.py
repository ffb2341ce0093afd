"""Decks of every sort, as models and people write them: nothing runs over, nothing is lost, nothing changes by itself."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from html import unescape
from pathlib import Path

import pytest
from ink import Letter, covered, faults, read_pages
from pptx import Presentation

from worker.kinds.presentation.deck import Block, Chart, Columns, Deck, Image
from worker.kinds.presentation.layout.pages import lay_out
from worker.kinds.presentation.layout.sheet import (
    SHEET_WIDTH,
    UNTITLED_BODY,
    Box,
    Grid,
    Page,
    Panel,
    Picture,
    Plot,
    Words,
)
from worker.kinds.presentation.pdf.print import Print, page_picture
from worker.kinds.presentation.pptx.file import write_pptx
from worker.kinds.presentation.reading.images import load_images
from worker.kinds.presentation.reading.markdown import read_deck
from worker.kinds.presentation.reading.split import cut_front_matter, split_notes, split_slides
from worker.kinds.presentation.theme import CLEAN, THEMES, Theme

DECKS = Path(__file__).parents[2] / "decks"
BODY_END = UNTITLED_BODY.y + UNTITLED_BODY.height
MADE = {
    "one column of 300 rows": "## Names\n| Name |\n|---|\n" + "\n".join(f"| Ship number {n} |" for n in range(300)),
    "what cannot be printed": "\n---\n".join(
        [
            "# Zero\x00 and\x1b[31m\x07 bells\x7f\x85\ud800\nBetween\u2028lines\u2029and \ufffe\uffff",
            "## \u202eEvil\u202c and \u2066isolated\u2069 \u200f\u200e\n- \u202eright to left\n- left \u061c\u2067אבג\u2069",
            "## Zero\u200bwidth\u200c\u200d\ufeff\u2060\n" + "a\u200b" * 300 + "\n\n" + "b\u2060" * 300,
            "## Stacked\nZ" + "\u0301\u0323\u0489" * 17 + "algo\n\n- " + "o\u0302" * 120 + "\n- \u0301\u0302alone",
            "## Spaces\na\u00a0b\u3000c\u2003d\u1680e\u202ff\tg\n\n" + "x\u00a0" * 200,
            "## Private \ue000\uf8ff\U000f0000 and none \u0378\U0001fbff\n"
            + "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 40,
        ]
    ),
}
CORPUS = [*sorted(path.stem for path in DECKS.glob("*.md")), *MADE]
LOOKS = [*THEMES.values()]
SHOWN = [
    *((name, LOOKS[place % len(LOOKS)]) for place, name in enumerate(CORPUS) if name != "layouts"),
    *(("layouts", theme) for theme in LOOKS),
]
MANY = {"150-bullets", "status-report", "one column of 300 rows"}
"""Decks that are meant to need many pages."""
_SHAPED = re.compile("[\u0590-\u109f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
each_deck = pytest.mark.parametrize(
    ("name", "theme"), SHOWN, ids=[f"{name} in {theme.name}".replace(" ", "-") for name, theme in SHOWN]
)

Make = Callable[[str, Theme], "Made"]


@dataclass(frozen=True)
class Made:
    """A deck, from its Markdown slides to its files."""

    slides: list[str]
    deck: Deck
    pages: list[Page]
    changes: list[str]
    pdf: Path
    pptx: Path
    read: list[tuple[str, list[Letter]]]
    """What each page of the PDF says, and its letters."""


async def make(name: str, theme: Theme, folder: Path) -> Made:
    written = MADE.get(name) or (DECKS / f"{name}.md").read_text(encoding="utf-8")
    slides = split_slides(written)
    assert isinstance(slides, list)
    deck, read = read_deck(slides)
    deck, unseen = await load_images(deck, folder, no_artifact)
    pages, parted = lay_out(deck, theme)
    pdf, pptx = folder / "deck.pdf", folder / "deck.pptx"
    Print(deck, pages, theme).write_pdf(pdf)
    write_pptx(pptx, deck, pages, theme)
    return Made(slides, deck, pages, [*read, *unseen, *parted], pdf, pptx, list(read_pages(pdf)))


async def no_artifact(job_id: str, name: str) -> Path:
    raise LookupError(f"No job {job_id} with {name}.")


@pytest.fixture(scope="module", autouse=True)
def pictures():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BACKBURNER_FILES", str(DECKS))
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Each deck, made once for all tests of it."""
    kept = dict[tuple[str, str], Made]()

    async def once(name: str, theme: Theme) -> Made:
        if (name, theme.name) not in kept:
            kept[name, theme.name] = await make(name, theme, tmp_path_factory.mktemp("deck"))
        return kept[name, theme.name]

    return once


@each_deck
async def test_every_letter_stands_in_its_box_and_on_no_other(made, name, theme):
    deck = await made(name, theme)

    wrong = [
        f"page {number}: {fault}"
        for number, (page, (_, letters)) in enumerate(zip(deck.pages, deck.read, strict=True), 1)
        for fault in faults(page, letters)
    ]
    assert wrong == []


@each_deck
async def test_every_box_stands_on_the_sheet_above_the_foot(made, name, theme):
    deck = await made(name, theme)

    boxes = [shape.box for page in deck.pages for shape in page.shapes]
    assert [box for box in boxes if box.x < 0 or box.x + box.width > SHEET_WIDTH + 0.01] == []
    assert [box for box in boxes if box.y < 0 or box.y + box.height > BODY_END + 0.01] == []


@each_deck
async def test_nothing_is_drawn_over_letters(made, name, theme):
    deck = await made(name, theme)

    assert covered(deck.pdf) == []


@each_deck
async def test_every_picture_and_chart_can_be_seen(made, name, theme):
    deck = await made(name, theme)

    boxes = [shape.box for page in deck.pages for shape in page.shapes if isinstance(shape, Picture | Plot)]
    assert [box for box in boxes if min(box.width, box.height) < 25] == []
    written = [block for slide in deck.deck.slides for block in blocks_of(slide.blocks)]
    assert len(boxes) == sum(isinstance(block, Image | Chart) for block in written)


@each_deck
async def test_every_word_is_in_the_pdf(made, name, theme):
    deck = await made(name, theme)
    by_slide = {number: list(deck.changes) for number in range(1, len(deck.slides) + 1)}
    for page, (text, _) in zip(deck.pages, deck.read, strict=True):
        by_slide[page.slide] += [text, page.notes]

    assert lost(deck, by_slide, not_in_pdf) == {}


@each_deck
async def test_every_word_is_in_the_powerpoint_file(made, name, theme):
    deck = await made(name, theme)
    by_slide = {number: list(deck.changes) for number in range(1, len(deck.slides) + 1)}
    for page, slide in zip(deck.pages, Presentation(str(deck.pptx)).slides, strict=True):
        by_slide[page.slide] += words_of(slide)

    assert lost(deck, by_slide, not_in) == {}


@each_deck
async def test_there_is_something_on_every_page_and_there_are_not_too_many(made, name, theme):
    deck = await made(name, theme)

    for page, (_, letters) in zip(deck.pages, deck.read, strict=True):
        seen = [letter for letter in letters if 0 <= letter.top <= BODY_END]
        assert seen or any(isinstance(shape, Picture) for shape in page.shapes)
    assert len(deck.pages) <= (40 if name in MANY else 2 * len(deck.slides) + 2)


@pytest.mark.parametrize("name", ["layouts", "arabic", "pictures", "hostile", "chinese"])
async def test_a_deck_made_twice_is_the_same_to_the_byte(made, tmp_path, name):
    first = await made(name, dict(SHOWN)[name])
    again = await make(name, dict(SHOWN)[name], tmp_path)

    assert again.pptx.read_bytes() == first.pptx.read_bytes()
    assert again.pdf.read_bytes() == first.pdf.read_bytes()
    assert drawn(again, 2, dict(SHOWN)[name]) == drawn(first, 2, dict(SHOWN)[name])


# That the tests above can fail


@pytest.fixture
def lettered(tmp_path):
    """The pages set and read again: `Callable[[pages], letters by page]`."""

    def set_and_read(pages: list[Page]) -> list[list[Letter]]:
        Print(Deck("Any", ()), pages, CLEAN).write_pdf(tmp_path / "any.pdf")
        return [letters for _, letters in read_pages(tmp_path / "any.pdf")]

    return set_and_read


LONG_LIST = "## T\n" + "\n".join(f"- {n} the moon pulls hardest on the water that is nearest to it" for n in range(12))
SMALL_TABLE = "## T\n| a column | another |\n|---|---|\n| first cell | second cell |"


def laid_out(markdown: str) -> Page:
    """The page of a slide that is not the deck's first."""
    (_, page), _ = lay_out(read_deck(["# Deck", markdown])[0], CLEAN)
    return page


def test_text_that_is_15_percent_too_large_is_found(lettered):
    page = laid_out(LONG_LIST)
    (words,) = page.shapes
    larger = replace(words, lines=tuple(replace(line, size=line.size * 1.15) for line in words.lines))

    (letters,) = lettered([page])
    assert faults(page, letters) == []
    (letters,) = lettered([replace(page, shapes=(larger,))])
    assert any("out of its box" in fault for fault in faults(page, letters))


@pytest.mark.parametrize(("markdown", "side"), [(LONG_LIST, "height"), ("## T\n" + "wide and " * 60, "width")])
def test_a_box_that_is_30_points_too_small_is_found(lettered, markdown, side):
    page = laid_out(markdown)
    (words,) = page.shapes
    smaller = replace(words, box=replace(words.box, **{side: getattr(words.box, side) - 30}))

    (letters,) = lettered([page])
    assert faults(page, letters) == []
    assert faults(replace(page, shapes=(smaller,)), letters)


def test_a_cell_that_runs_into_the_next_is_found(lettered):
    page = laid_out(SMALL_TABLE)
    (grid,) = page.shapes
    assert isinstance(grid, Grid)
    narrow = replace(grid, widths=(60.0, grid.box.width - 60.0))

    (letters,) = lettered([page])
    assert faults(replace(page, shapes=(narrow,)), letters)


def test_texts_on_each_other_are_found(lettered):
    page = laid_out("## T\nA line of text")
    (words,) = page.shapes
    assert isinstance(words, Words)
    over = replace(words, box=replace(words.box, x=words.box.x + 20, y=words.box.y + 4))
    page = replace(page, shapes=(words, over))

    (letters,) = lettered([page])
    assert faults(page, letters) == ["'Alineoftext' and 'Alineoftext' stand on each other"]


def test_an_area_over_letters_is_found(lettered, tmp_path):
    page = laid_out("## T\nA line of text")
    over = replace(page, shapes=(*page.shapes, Panel(Box(80, 130, 40, 40), "card")))

    lettered([page])
    assert covered(tmp_path / "any.pdf") == []
    lettered([over])
    assert covered(tmp_path / "any.pdf") == ["page 1: 'A line of text' is covered from 80 to 120"]


@pytest.mark.parametrize(
    ("shown", "written"),
    [
        ("one two", "one two three"),
        ("one two", "## one\n- two\n- two"),
        ("a cell", "| a | cell | more |\n|---|---|---|"),
        ("مرحبا", "مرحبا بكم"),
    ],
)
def test_a_word_that_is_missing_is_found(shown, written):
    assert not_in(shown, words_said(written))
    assert not_in_pdf(shown, words_said(written))


# What Markdown says


def lost(deck: Made, shown: dict[int, list[str]], missing: Callable[[str, str], list[str]]) -> dict[int, list[str]]:
    """By slide, what its Markdown says and what is shown of it does not."""
    fronted = cut_front_matter(deck.slides[0])[1]
    said = {number: words_said(markdown) for number, markdown in enumerate([fronted, *deck.slides[1:]], 1)}
    return {number: words for number, text in said.items() if (words := missing(" ".join(shown[number]), text))}


def not_in(shown: str, said: str) -> list[str]:
    """The words that are said more often than they are shown."""
    letters = "".join(words_in(shown))
    return [word for word, count in Counter(words_in(said)).items() if letters.count(word) < count]


def not_in_pdf(shown: str, said: str) -> list[str]:
    """As above. Words of scripts that are shaped, or that run leftward, come out of a PDF in disorder: their letters."""
    if not _SHAPED.search(said):
        return not_in(shown, said)
    return list(Counter("".join(words_in(said))) - Counter("".join(words_in(shown))))


def words_in(text: str) -> list[str]:
    """Words as letters and digits alone: no accents, which PDFs order as they like, no case, no ligatures."""
    bare = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return re.findall(r"[^\W_]+", "".join(c for c in bare if unicodedata.category(c)[0] not in "MC" or c.isspace()))


def words_said(markdown: str) -> str:
    """What somebody reads in the Markdown of a slide, found without the reader that is tested here."""
    text, notes = split_notes(markdown)
    prose = "".join(part if in_code else without_markup(part) for part, in_code in in_and_out_of_code(text))
    return f"{prose}\n{notes}"


def in_and_out_of_code(text: str) -> Iterator[tuple[str, bool]]:
    fence = re.compile(r"^[ \t>]*(`{3,}|~{3,})[^\n`]*\n(.*?)(?:^[ \t>]*\1[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
    end = 0
    for code in fence.finditer(text):
        yield text[end : code.start()], False
        yield code[2], True
        end = code.end()
    yield text[end:], False


def without_markup(text: str) -> str:
    for pattern, kept in (
        (r"^!chart[ :]*\w*", ""),
        (r"<!--\s*_?\w+:.*?-->", ""),
        (r"<(script|style)\b.*?</\1>", ""),
        (r"!\[([^\]]*)\]\(\S*?(?:\s+\"([^\"]*)\")?\)", r"\1 \2"),
        (r"(?<=\])\([^()\s]*\)", ""),
        (r"<(https?://[^>]*)>", r"\1"),
        (r"<!--|-->|</?[A-Za-z][^<>]*>|<[!?][^<>]*>", " "),
        (r"^[ \t>]*(?:[-*+][ \t]+|\d+[.)][ \t]+)*(?:\[[ xX]\][ \t])?", ""),
    ):
        text = re.sub(pattern, kept, text, flags=re.MULTILINE | re.DOTALL)
    return unescape(text)


def blocks_of(blocks: Iterable[Block]) -> Iterator[Block]:
    for block in blocks:
        if isinstance(block, Columns):
            for column in block.columns:
                yield from blocks_of(column.blocks)
        else:
            yield block


# What a PowerPoint file says


def words_of(slide) -> Iterator[str]:
    for shape in slide.shapes:
        yield from shape._element.xpath(".//p:cNvPr/@descr")
        if shape.has_text_frame:
            yield shape.text_frame.text
        if shape.has_table:
            yield from (cell.text for row in shape.table.rows for cell in row.cells)
        if shape.has_chart:
            yield from shape.chart._chartSpace.xpath(".//c:v/text()|.//a:t/text()")
    if slide.has_notes_slide:
        yield slide.notes_slide.notes_text_frame.text


def drawn(made: Made, number: int, theme: Theme) -> bytes:
    return page_picture(made.pages[number - 1], number, theme)
