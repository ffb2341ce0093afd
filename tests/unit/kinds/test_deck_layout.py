"""Where things stand on a page, and what happens to what does not fit."""

import font_source_sans_pro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageFont

from worker.kinds.presentation.deck import Run, plain
from worker.kinds.presentation.fit import line_count, width
from worker.kinds.presentation.layout import lay_out, titles
from worker.kinds.presentation.markdown import read_deck
from worker.kinds.presentation.sheet import SHEET_HEIGHT, SHEET_WIDTH, UNTITLED_BODY, Grid, Panel, Words
from worker.kinds.presentation.split import split_slides

BODY_END = UNTITLED_BODY.y + UNTITLED_BODY.height
SENTENCE = "the moon pulls hardest on the water that is nearest to it "
OVERFULL = {
    "list": "## T\n" + "\n".join(f"- {n} {SENTENCE * 2}" for n in range(40)),
    "prose": "## T\n" + "\n\n".join(f"{n} {SENTENCE * 30}" for n in range(5)),
    "table": "## T\n| a | b |\n|---|---|\n" + "\n".join(f"| {n} | {SENTENCE} |" for n in range(60)),
    "table row": f"## T\n| a | b |\n|---|---|\n| {SENTENCE * 120} | b |",
    "wide table": "## T\n" + "| abcdefgh " * 30 + "|\n" + "|---" * 30 + "|\n" + "| abcdefgh ijk " * 30 + "|",
    "columns": "## T\n" + "\n".join(f"### C{n}\n- {SENTENCE * 6}" for n in range(9)),
    "column": f"## T\n### A\n{SENTENCE * 200}\n### B\nb",
    "quote": f"> {SENTENCE * 120}\n> — Me",
    "code": "## T\n```\n" + "\n".join(f"line {n} {SENTENCE}" for n in range(90)) + "\n```",
    "code line": f"## T\n```\n{'x' * 15_000}\n```",
    "word": "## T\n" + "W" * 9_000,
    "ideographs": "## T\n" + "月" * 6_000,
    "title": "# " + "WORD" * 60,
    "subtitle": "# T\n" + SENTENCE * 80,
}


def pages_of(markdown):
    deck, read = read_deck(split_slides(markdown))
    pages, parted = lay_out(deck)
    return pages, [*read, *parted]


def lines_of(page):
    for shape in page.shapes:
        if isinstance(shape, Words):
            yield from shape.lines
        if isinstance(shape, Grid):
            yield from (line for row in shape.rows for line in row)


@pytest.mark.parametrize("name", OVERFULL)
def test_what_is_too_long_goes_on_within_the_sheet_and_loses_nothing(name):
    pages, changes = pages_of(OVERFULL[name])

    for page in pages:
        for shape in page.shapes:
            assert shape.box.x >= 0
            assert shape.box.x + shape.box.width <= SHEET_WIDTH + 0.01
            assert shape.box.y + shape.box.height <= BODY_END + 0.01
        for line in lines_of(page):
            assert line.size >= 11
    shown = "".join("".join(run.text for run in line.text) for page in pages for line in lines_of(page))
    written = OVERFULL[name].replace(" ", "").replace("\n", "")
    for character in "moonWx月":
        assert shown.count(character) >= written.count(character)
    assert len(pages) == 1 or changes


def test_parted_slides_are_numbered_in_their_titles_and_said():
    pages, changes = pages_of(OVERFULL["list"])

    assert titles(pages)[:3] == ["T", "T (2)", "T (3)"]
    assert changes == [f"Slide 1 was too long for one and became {len(pages)}, up to 'T ({len(pages)})'."]


def test_a_parted_list_is_shared_out_evenly():
    pages, _ = pages_of(OVERFULL["list"])

    counts = [len(list(lines_of(page))) for page in pages]
    assert max(counts) - min(counts) <= len(pages)


def test_a_parted_table_repeats_its_head():
    pages, _ = pages_of(OVERFULL["table"])

    assert len(pages) > 1
    for page in pages:
        (grid,) = page.shapes
        assert [plain(line.text) for line in grid.rows[0]] == ["a", "b"]


def test_short_text_is_larger_than_long_text():
    short, _ = pages_of("## T\n- a\n- b")
    long, _ = pages_of("## T\n" + "\n".join(f"- {SENTENCE}" for _ in range(10)))

    assert next(lines_of(short[0])).size > next(lines_of(long[0])).size


@pytest.mark.parametrize(("count", "rows"), [(2, 1), (4, 1), (5, 2), (8, 2)])
def test_columns_are_cards_at_most_four_in_a_row(count, rows):
    (page,), _ = pages_of("## T\n" + "\n".join(f"### C{n}\ntext" for n in range(count)))

    cards = [shape for shape in page.shapes if isinstance(shape, Panel) and shape.fill == "card"]
    assert len(cards) == count
    assert len({card.box.y for card in cards}) == rows
    assert len({round(card.box.width) for card in cards}) == 1


@pytest.mark.parametrize(
    ("markdown", "heroes"),
    [
        ("# A\ntext\n---\n## B\ntext\n---\n## C\n---\n# D\ntext\n---\n# E\n- list", [True, False, True, True, False]),
        ("- a list\n- without a heading in front", [False]),
        ("## First\nwith a line", [True]),
    ],
)
def test_the_first_slide_parts_and_bare_titles_open(markdown, heroes):
    pages, _ = pages_of(markdown)

    assert [page.hero for page in pages] == heroes


def test_a_made_title_is_not_shown_on_the_sheet():
    (page,), _ = pages_of("- a list of things without a heading\n- more")

    assert page.title.box.y + page.title.box.height < 0 < SHEET_HEIGHT


@pytest.mark.parametrize("bold", [False, True])
def test_the_estimate_is_never_narrower_than_the_face(tides, bold):
    weight = "Semibold" if bold else "Regular"
    face = ImageFont.truetype(f"{font_source_sans_pro.font_directory}/SourceSansPro-{weight}.ttf", 100)

    for line in filter(None, tides.splitlines()):
        assert width((Run(line),), 100, bold=bold) >= face.getlength(line)
        assert width((Run(line),), 100, bold=bold) <= face.getlength(line) * 1.3


@given(st.text(max_size=80), st.floats(5, 60), st.floats(1, 900))
@settings(max_examples=60, deadline=None)
def test_any_text_takes_some_lines_and_fewer_when_there_is_more_room(text, size, room):
    runs = (Run(text),)

    assert 1 <= line_count(runs, size, room * 2) <= line_count(runs, size, room) + 1
