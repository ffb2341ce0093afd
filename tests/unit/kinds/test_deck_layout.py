"""Where things stand on a page, what gets a page of its own kind, and what happens to what does not fit."""

from dataclasses import replace
from itertools import cycle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.kinds.presentation.deck import Code, Columns, Image, ImageFile, Run, plain
from worker.kinds.presentation.layout.grounds import setting
from worker.kinds.presentation.layout.highlight import highlighted
from worker.kinds.presentation.layout.leads import is_moment, is_number, lead, when
from worker.kinds.presentation.layout.mirror import mirrored_box
from worker.kinds.presentation.layout.pages import lay_out, titles
from worker.kinds.presentation.layout.sheet import (
    BODY,
    SHEET_HEIGHT,
    SHEET_WIDTH,
    UNTITLED_BODY,
    Disc,
    Grid,
    Panel,
    Picture,
    Plot,
    Words,
)
from worker.kinds.presentation.reading.markdown import read_deck
from worker.kinds.presentation.reading.split import split_slides
from worker.kinds.presentation.theme import CLEAN, THEMES

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
    "numbers": "## T\n" + "\n".join(f"- **{n} %** {SENTENCE * 20}" for n in range(3)),
    "timeline": "## T\n" + "\n".join(f"- **{1990 + n}** {SENTENCE * 20}" for n in range(6)),
    "list beside a chart": "## T\n!chart bar\n| a | b |\n|---|---|\n| x | 1 |\n\n" + f"- {SENTENCE * 3}\n" * 12,
}
LANDSCAPE, PORTRAIT = ImageFile("landscape.jpg", 2400, 1600), ImageFile("portrait.jpg", 900, 1600)
WIDE, SMALL = ImageFile("wide.jpg", 2400, 600), ImageFile("small.png", 64, 48)


def pages_of(markdown, theme=CLEAN, picture=None):
    deck, read = read_deck(split_slides(markdown))
    slides = (
        replace(slide, blocks=tuple(with_file(block, picture) for block in slide.blocks)) for slide in deck.slides
    )
    pages, parted = lay_out(replace(deck, slides=tuple(slides)), theme)
    return pages, [*read, *parted]


def page_of(markdown, **more):
    """The page of a slide that is not the deck's first."""
    (_, page), _ = pages_of(f"# Deck\n---\n{markdown}", **more)
    return page


def with_file(block, picture):
    match block:
        case Image():
            return replace(block, file=picture)
        case Columns(columns=columns):
            return Columns(tuple(replace(c, blocks=tuple(with_file(b, picture) for b in c.blocks)) for c in columns))
        case _:
            return block


def lines_of(page):
    for shape in page.shapes:
        if isinstance(shape, Words):
            yield from shape.lines
        if isinstance(shape, Grid):
            yield from (line for row in shape.rows for line in row)


def said(page):
    return [plain(line.text) for line in lines_of(page)]


def of(kind, page):
    return [shape for shape in page.shapes if isinstance(shape, kind)]


# What is read from right to left


@pytest.mark.parametrize(
    ("markdown", "is_mirrored"),
    [
        ("# الميناء\n---\n## Tides\n- the sea\n---\n## المد\n- البحر", True),
        ("# Harbour\n---\n## المد\n- البحر\n---\n## Tides\n- the sea", False),
        ("# Garden OS: הגינה הקהילתית\n---\n## מה עשינו\n- PostgreSQL\n- Redis\n- nginx", True),
        ("# The word שלום\n---\n## Greetings\n| English | עברית |\n|---|---|\n| bye | שלום |\n| sea | ים |", False),
        ("- البحر لا ينتظر\n- the sea", True),
        ("# Harbour\n---\n## المد\n- البحر\n- القمر", True),
        ("# 2026\n---\n## 42", False),
        ("## السلام\n```\nfor each in ships: berth(each)\n```", True),
    ],
    ids=["titles", "few titles", "names in titles", "a word", "no titles", "as many titles", "digits", "code"],
)
def test_a_deck_is_mirrored_if_most_of_its_titles_or_else_texts_are_of_a_script_that_runs_leftward(
    markdown, is_mirrored
):
    pages, _ = pages_of(markdown)

    assert {page.is_mirrored for page in pages} == {is_mirrored}


@pytest.mark.parametrize(
    "markdown",
    [
        "## T\n- a\n  - b\n- c",
        "## T\n- **1,204** calls\n- **47 min** to berth",
        "## T\n- **2021** a\n- **2022** b\n- **2023** c",
        "## T\n### A\na\n### B\nb\n### C\nc",
        "## T\n### Before\n- a\n- b\n### After\n- c",
        "## T\n- a\n- b\n\n![](https://x.example/a)",
        "> The sea does not wait.\n> — Marta",
        "## T\n| a | b |\n|---|--:|\n| c | 1 |",
        "# T",
    ],
    ids=["list", "numbers", "timeline", "cards", "compared", "picture", "quote", "table", "part"],
)
def test_a_mirrored_page_has_everything_where_a_mirror_shows_it(markdown):
    page = page_of(markdown, picture=LANDSCAPE)
    (_, turned, *_), _ = pages_of(f"# عربي\n---\n{markdown}\n---\n## عربي\n- أ\n---\n## عربي\n- أ", picture=LANDSCAPE)

    assert turned.is_mirrored
    for shape, shown in zip((page.title, *page.shapes), (turned.title, *turned.shapes), strict=True):
        right = SHEET_WIDTH - shape.box.x - shape.box.width
        assert shown.box == replace(shape.box, x=pytest.approx(right))


def test_a_mirrored_opening_begins_at_one_edge_and_its_last_line_is_no_lone_word():
    (page,), _ = pages_of("# مستقبل الطاقة الشمسية في المدن\nكيف تغيّر الألواح على الأسطح حياة السكان")

    edges = [words.box.x + words.box.width for words in (page.title, *page.shapes)]
    assert edges == [SHEET_WIDTH - 72] * 2
    assert page.title.box.width < 640


def test_a_mirrored_table_begins_at_the_right_and_keeps_ones_below_ones():
    (_, page), _ = pages_of(
        "# الميناء\n---\n## الأرصفة\n| الحي | Unit | عدد |\n|---|:-:|--:|\n| الروضة | m | 95 |\n| Fundy | m | 120 |"
    )

    (grid,) = page.shapes
    assert grid.is_mirrored
    assert [[line.side for line in row] for row in grid.rows] == [["right", "center", "right"]] * 3


@pytest.mark.parametrize(
    ("text", "is_leftward"),
    [
        ("البحر", True),
        ("DHT22 הוא חיישן", True),
        ("`berth` ثم انتظر", True),
        ("The sea, and C++.", False),
        ("12 km", False),
        ("٤٠٪", True),
        ("8,000 ₪", True),
        ("(2)", True),
        ("−82", False),
        ("$ 40", False),
        ("42 %", False),
        ("1 000", False),
        ("3 + 4 = 7", False),
    ],
)
def test_a_text_on_a_mirrored_page_stands_at_the_right_and_runs_as_its_letters_do(text, is_leftward):
    (_, page), _ = pages_of(f"# الميناء\n---\n## الأرصفة\n- {text}\n- البحر")

    (words,) = page.shapes
    assert (words.lines[0].side, words.lines[0].hangs_right) == ("right", True)
    assert words.lines[0].is_leftward == is_leftward


def test_code_begins_at_the_left_of_every_page():
    (_, page), _ = pages_of("# الميناء\n---\n## الأرصفة\n```\n# مرتين\nberth(1)\n```")

    assert [(line.side, line.is_leftward) for line in lines_of(page)] == [("left", False)] * 2


def test_leftward_text_in_another_deck_begins_at_the_right_of_its_box():
    page = page_of("## T\n- the sea\n- البحر")

    assert [(line.side, line.is_leftward, line.hangs_right) for line in lines_of(page)] == [
        ("left", False, False),
        ("right", True, True),
    ]


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
@pytest.mark.parametrize("ground", ["content", "hero", "section", "closing"])
def test_what_lies_under_a_mirrored_page_is_at_the_other_side(theme, ground):
    under, turned = setting(theme, ground), setting(theme, ground, is_mirrored=True)

    for shape, shown in zip(under.shapes, turned.shapes, strict=True):
        assert shown == replace(shape, box=mirrored_box(shape.box))
        assert mirrored_box(shown.box) == replace(shape.box, x=pytest.approx(shape.box.x))
    assert (turned.title, turned.body) == (mirrored_box(under.title), mirrored_box(under.body))
    assert turned.align == {"left": "right", "center": "center"}[under.align]


# What is too long


@pytest.mark.parametrize(("name", "theme"), [*zip(OVERFULL, cycle(THEMES.values()), strict=False)])
def test_what_is_too_long_goes_on_within_the_sheet_and_loses_nothing(name, theme):
    pages, changes = pages_of(OVERFULL[name], theme)

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
        assert shown.count(character) >= written.count(character) or any(of(Plot, page) for page in pages)
    assert len(pages) == 1 or changes


def test_parted_slides_are_numbered_in_their_titles_and_said():
    pages, changes = pages_of(OVERFULL["list"])

    assert titles(pages)[:3] == ["T", "T (2)", "T (3)"]
    assert changes == [f"Slide 1 was too long for one and became {len(pages)}, up to 'T ({len(pages)})'."]


def test_pages_of_a_parted_slide_know_its_number_and_the_first_has_its_notes():
    pages, _ = pages_of(f"# Deck\n---\n{OVERFULL['list']}\n\nNote: Breathe.\n---\n## Last")

    numbers = [page.slide for page in pages]
    assert numbers == [1, *(2 for _ in pages[2:]), 3]
    assert [page.notes for page in pages if page.slide == 2] == ["Breathe.", *("" for _ in pages[3:])]


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


def test_a_heading_goes_to_the_page_of_what_it_heads():
    pages, _ = pages_of("## T\n" + "\n\n".join(f"#### Heading {n}\n\n{SENTENCE * 4}" for n in range(20)))

    assert len(pages) > 1
    assert not any(said(page)[-1].startswith("Heading") for page in pages)


def test_short_text_is_larger_than_long_text():
    short, _ = pages_of("## T\n- a\n- b")
    long, _ = pages_of("## T\n" + "\n".join(f"- {SENTENCE}" for _ in range(10)))

    assert next(lines_of(short[0])).size > next(lines_of(long[0])).size


# Titles, openings, parts


@pytest.mark.parametrize(
    ("markdown", "grounds"),
    [
        (
            "# A\ntext\n---\n## B\ntext\n---\n## C\n---\n# D\ntext\n---\n# E\n- list",
            ["hero", "content", "section", "section", "content"],
        ),
        ("- a list\n- without a heading in front", ["content"]),
        ("## First\nwith a line", ["hero"]),
        ("# A\n---\n- b\n---\n# Thank you\nq@a.example", ["hero", "content", "closing"]),
        ("# A\n---\n- b\n---\n## Thank you", ["hero", "content", "section"]),
        ("# A\n---\n# B", ["hero", "section"]),
    ],
)
def test_the_first_slide_parts_and_bare_titles_open_and_a_last_one_closes(markdown, grounds):
    pages, _ = pages_of(markdown)

    assert [page.ground for page in pages] == grounds


def test_an_opening_with_more_than_a_few_words_is_a_page_like_any_other():
    pages, _ = pages_of(f"# A\n{SENTENCE * 20}\n---\n# B\n{SENTENCE * 20}")

    assert [page.ground for page in pages] == ["content", "content"]


def test_parts_are_counted_and_their_pages_know_their_name():
    pages, _ = pages_of("# Deck\n---\n## Before\n- a\n---\n# One\n---\n## Within\n- b\n---\n# Two\n---\n## Last\n- c")

    assert [page.section for page in pages] == ["", "", "One", "One", "Two", "Two"]
    assert [said(page) for page in pages if page.ground == "section"] == [["01"], ["02"]]


def test_a_title_is_smaller_before_a_word_of_it_is_broken():
    page = page_of("# Grundstücksverkehrsgenehmigungszuständigkeit")

    assert page.title.lines[0].size < 60
    assert page.title.lines[0].height(page.title.box.width) <= page.title.lines[0].size * 1.15 + 0.01


def test_no_word_of_an_opening_is_left_over_alone():
    page = page_of("# A title that is rather too long for a line of it")

    (line,), high = page.title.lines, page.title.lines[0].height(page.title.box.width)
    assert line.height(page.title.box.width * 0.85) > high or page.title.box.width < 460


def test_a_made_title_is_not_shown_on_the_sheet():
    (page,), _ = pages_of("- a list of things without a heading\n- more")

    assert page.title.box.y + page.title.box.height < 0 < SHEET_HEIGHT
    assert page.shapes[0].box.y == UNTITLED_BODY.y


def test_the_foot_says_what_the_front_matter_does():
    pages, _ = pages_of("---\nfooter: Harbour office\ndate: May 2026\n---\n# A\n---\n## B\n- c")

    assert {page.footer for page in pages} == {"Harbour office · May 2026"}


def test_a_text_that_is_all_of_a_page_is_its_body():
    assert [words.is_body for words in of(Words, page_of("## T\n- a\n- b"))] == [True]
    assert [words.is_body for words in of(Words, page_of("## T\ntext\n\n| a |\n|---|\n| b |"))] == [False]


# Quotes


def test_a_quote_alone_is_large_and_names_its_source_below():
    page = page_of("> The sea does not wait.\n> — Marta")

    words, source = lines_of(page)
    assert (plain(words.text), words.size) == ("The sea does not wait.", 38)
    assert plain(source.text) == "— Marta"
    assert source.size < words.size


@pytest.mark.parametrize("more", ["text", "- a list", "> Another.\n> — Me"])
def test_a_quote_with_company_is_one_of_several_blocks(more):
    page = page_of(f"## T\n> The sea does not wait.\n> — Marta\n\n{more}")

    assert max(line.size for line in lines_of(page)) <= 26


# Numbers


def test_one_number_fills_the_page():
    page = page_of("## T\n**−82 %**\n\ntime at anchor")

    number, what = lines_of(page)
    assert (plain(number.text), number.size) == ("−82 %", 150)
    assert plain(what.text) == "time at anchor"


@pytest.mark.parametrize(
    "markdown",
    [
        "## T\n- **1,204** calls\n- **47 min** to berth\n- **€3.1M** in fees",
        "## T\n**1,204** calls\n\n**47 min** to berth\n\n**€3.1M** in fees",
        "## T\n### 1,204\ncalls\n### 47 min\nto berth\n### €3.1M\nin fees",
    ],
)
def test_a_few_numbers_stand_beside_each_other_however_they_are_written(markdown):
    page = page_of(markdown)

    numbers = [words for words in of(Words, page) if words.lines[0].size >= 36]
    assert [plain(words.lines[0].text) for words in numbers] == ["1,204", "47 min", "€3.1M"]
    assert len({words.box.y for words in numbers}) == 1
    assert len({words.lines[0].color for words in numbers}) == 3
    assert {"calls", "to berth", "in fees"} <= set(said(page))


@pytest.mark.parametrize(
    "items",
    [
        ["**1** a", "**2** b", "**3** c", "**4** d", "**5** e"],
        ["**42 %** a", "no number"],
        ["**2024** a", "**2025** b"],
        ["**4** a", "**5** b", "  - deeper"],
        ["**a** 42", "**b** 43"],
    ],
    ids=["five", "not all", "years", "with a list below", "in words"],
)
def test_other_lists_stay_lists(items):
    page = page_of("## T\n" + "\n".join(item if item.startswith(" ") else f"- {item}" for item in items))

    (words,) = page.shapes
    assert words.is_body
    assert len(words.lines) == len(items)


def test_numbers_that_say_too_much_for_a_page_are_a_list():
    (_, *pages), _ = pages_of(f"# Deck\n---\n{OVERFULL['numbers']}")

    assert max(line.size for page in pages for line in lines_of(page)) <= 26


# Moments


@pytest.mark.parametrize("many", [3, 5])
def test_up_to_five_moments_stand_along_a_line(many):
    page = page_of("## T\n" + "\n".join(f"- **{2020 + n}** Event {n}" for n in range(many)))

    discs = of(Disc, page)
    assert len(discs) == many
    assert len({disc.box.y for disc in discs}) == 1
    assert [text for text in said(page) if text.startswith("Event")] == [f"Event {n}" for n in range(many)]


@pytest.mark.parametrize("many", [6, 8])
def test_more_moments_stand_below_each_other(many):
    page = page_of("## T\n" + "\n".join(f"- **{2020 + n}** Event {n}" for n in range(many)))

    discs = of(Disc, page)
    assert len(discs) == many
    assert len({disc.box.x for disc in discs}) == 1


@pytest.mark.parametrize("many", [2, 9])
def test_too_few_or_too_many_moments_are_a_list(many):
    page = page_of("## T\n" + "\n".join(f"- **{2020 + n}** Event {n}" for n in range(many)))

    assert of(Disc, page) == []


def test_one_entry_without_a_moment_makes_it_a_list():
    assert of(Disc, page_of("## T\n- 2021: a\n- 2022: b\n- 2023: c\n- and so on")) == []


def test_what_stands_below_a_moment_belongs_to_it():
    page = page_of("## T\n- **2021** First\n  - and more of it\n- **2022** Second\n- **2023**")

    assert len(of(Disc, page)) == 3
    (first,) = (words for words in of(Words, page) if plain(words.lines[0].text) == "First")
    assert [plain(line.text) for line in first.lines] == ["First", "and more of it"]


# What a text begins with


@pytest.mark.parametrize(
    "number",
    ["42", "42 %", "٤٠٪", "$3.4M", "−82 %", "10x", "1,204", "47 min", "€3.1M", "+5 °C", "≈ 30", "1 000", "4:30", "3+"],
)
def test_short_numbers_are_seen(number):
    assert is_number(Run(number))


@pytest.mark.parametrize(
    "text", ["", "forty-two", "42 reasons why", "Note", "3 of 4 pilots", "1,204,500,000 euros", "v2"]
)
def test_what_is_no_short_number_is_not_taken_for_one(text):
    assert not is_number(Run(text))


@pytest.mark.parametrize(
    "moment",
    [
        "2021", "1990s", "2021–22", "2021/2022", "Q3", "Q3 2024", "H1", "10:30", "March", "Mar 2026", "12 March",
        "12. März 2026", "March 2026", "Week 3", "Day 1–2", "Phase 2", "Schritt 4", "Later", "today", "May 2026",
    ],
)  # fmt: skip
def test_moments_are_seen(moment):
    assert is_moment(moment)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "42",
        "3000 ships",
        "Marching on",
        "Marketing",
        "Maintenance",
        "Decisions",
        "Phase",
        "Week of tides",
        "2021 was good",
    ],
)
def test_what_is_no_moment_is_not_taken_for_one(text):
    assert not is_moment(text)


@pytest.mark.parametrize(
    ("markdown", "begins", "rest"),
    [
        ("**2021** A winter", "2021", "A winter"),
        ("**2021:** A winter", "2021", "A winter"),
        ("**2021** – A winter", "2021", "A winter"),
        ("2021: A winter", "2021", "A winter"),
        ("March — A *long* winter", "March", "A long winter"),
        ("2021–22: A winter", "2021–22", "A winter"),
        ("10:30: Bread", "10:30", "Bread"),
        ("**2021**", "2021", ""),
    ],
)
def test_the_moment_of_a_text_is_told_from_the_rest(markdown, begins, rest):
    (text,) = (item.text for item in read_deck([f"## T\n- {markdown}"])[0].slides[0].blocks[0].items)

    found = when(text)
    assert found is not None
    assert (found[0], plain(found[1])) == (begins, rest)


@pytest.mark.parametrize("markdown", ["A winter in 2021", "Berths: 2021", "2021", "*2021* A winter", "well - 2021"])
def test_a_moment_elsewhere_is_none(markdown):
    (text,) = (item.text for item in read_deck([f"## T\n- {markdown}"])[0].slides[0].blocks[0].items)

    assert when(text) is None


def test_only_bold_words_lead():
    assert lead((Run("42 %", bold=True), Run(": of all"))) == (Run("42 %"), (Run("of all"),))
    assert lead((Run("42 % of all"),)) is None
    assert lead(()) is None


# Columns


@pytest.mark.parametrize(("count", "rows"), [(2, 1), (4, 1), (5, 2), (8, 2)])
def test_columns_are_cards_at_most_four_in_a_row(count, rows):
    page = page_of("## T\n" + "\n".join(f"### C{n}\ntext" for n in range(count)))

    cards = [shape for shape in of(Panel, page) if shape.fill == "card"]
    assert len(cards) == count
    assert len({card.box.y for card in cards}) == rows
    assert len({round(card.box.width) for card in cards}) == 1
    assert len({round(card.box.height) for card in cards}) == 1


def test_two_lists_are_compared_under_heads_of_two_colours():
    page = page_of("## T\n### Before\n- a\n- b\n### After\n- c")

    heads = [panel for panel in of(Panel, page) if panel.fill != "card"]
    assert [head.fill for head in heads] == ["accent", "accent2"]
    assert [words.lines[0].color for words in of(Words, page) if said_in(words) in ("Before", "After")] == [
        "background"
    ] * 2


def said_in(words):
    return plain(words.lines[0].text)


def test_long_columns_have_a_rule_above_and_no_card():
    page = page_of(f"## T\n### A\n{SENTENCE * 6}\n### B\n{SENTENCE * 6}")

    assert [panel.fill for panel in of(Panel, page)] == ["accent", "accent2"]
    assert {panel.box.height for panel in of(Panel, page)} == {3}


def test_a_word_in_a_card_is_smaller_before_it_is_broken():
    short = page_of("## T\n" + "\n".join(f"### C{n}\ntext" for n in range(4)))
    long = page_of("## T\n" + "\n".join(f"### Fahrgastbeförderung {n}\ntext" for n in range(4)))

    assert max(line.size for line in lines_of(long)) < max(line.size for line in lines_of(short))


def test_text_above_columns_stays_above_them():
    page = page_of("## T\nA line above.\n### A\na\n### B\nb")

    above, *_ = of(Words, page)
    assert said_in(above) == "A line above."
    assert above.box.y + above.box.height < min(panel.box.y for panel in of(Panel, page))


@pytest.mark.parametrize("inside", ["![dawn](https://x.example/a.jpg)", "!chart bar\n| a | b |\n|---|---|\n| x | 1 |"])
def test_pictures_and_charts_in_columns_can_be_seen(inside):
    page = page_of(f"## T\n### Dawn\n{inside}\n### Noon\ntext", picture=LANDSCAPE)

    (shown,) = of(Picture | Plot, page)
    (card, _) = (panel for panel in of(Panel, page) if panel.fill == "card")
    assert shown.box.height > 100
    assert shown.box.y + shown.box.height <= card.box.y + card.box.height


# Pictures and charts


def test_a_picture_alone_is_as_large_as_can_be_and_keeps_its_shape():
    page = page_of("## T\n![dawn](https://x.example/a.jpg)", picture=LANDSCAPE)

    (picture,) = of(Picture, page)
    assert picture.box.height == BODY.height
    assert picture.box.width / picture.box.height == pytest.approx(1.5)
    assert picture.box.x + picture.box.width / 2 == SHEET_WIDTH / 2
    assert picture.alt == "dawn"


def test_a_caption_stands_below_its_picture():
    page = page_of('## T\n![dawn](https://x.example/a.jpg "Half past five")', picture=LANDSCAPE)

    (picture,), (caption,) = of(Picture, page), of(Words, page)
    assert said_in(caption) == "Half past five"
    assert caption.box.y > picture.box.y + picture.box.height


def test_a_small_picture_is_not_blown_up():
    page = page_of("## T\n![dot](https://x.example/a.png)", picture=SMALL)

    (picture,) = of(Picture, page)
    assert (picture.box.width, picture.box.height) == (96, 72)


@pytest.mark.parametrize("picture", [LANDSCAPE, PORTRAIT])
@pytest.mark.parametrize(
    "markdown", ["## T\n- a\n- b\n\n![](https://x.example/a)", "## T\n![](https://x.example/a)\n\ntext"]
)
def test_text_stands_beside_a_picture(markdown, picture):
    page = page_of(markdown, picture=picture)

    (shown,), (words,) = of(Picture, page), of(Words, page)
    assert words.box.x + words.box.width < shown.box.x


def test_text_stands_above_a_wide_picture():
    page = page_of("## T\ntext\n\n![](https://x.example/a)", picture=WIDE)

    (shown,), (words,) = of(Picture, page), of(Words, page)
    assert words.box.y + words.box.height < shown.box.y


CHART = "!chart bar Calls\n| Quarter | 2025 |\n|---|--:|\n| Q1 | 212 |\n| Q2 | 268 |"


def test_a_chart_alone_fills_the_body():
    (plot,) = page_of(f"## T\n{CHART}").shapes

    assert plot.box == BODY


@pytest.mark.parametrize(
    ("markdown", "is_left"), [(f"## T\n{CHART}\n\n- a\n- b", True), (f"## T\n- a\n- b\n\n{CHART}", False)]
)
def test_text_stands_beside_a_chart_on_the_side_where_it_was_written(markdown, is_left):
    page = page_of(markdown)

    (plot,), (words,) = of(Plot, page), of(Words, page)
    assert (plot.box.x < words.box.x) == is_left


@pytest.mark.parametrize(
    ("names", "lies"), [("abcd", False), ("abcdefghij", True), ([f"category {'x' * 30} {n}" for n in range(4)], True)]
)
def test_bars_lie_where_their_names_need_it(names, lies):
    rows = "\n".join(f"| {name} | 1 |" for name in names)
    (plot,) = page_of(f"## T\n!chart bar\n| a | b |\n|---|---|\n{rows}").shapes

    assert plot.is_horizontal == lies


# Tables and code


def test_a_table_is_as_wide_as_its_room_and_its_long_columns_are_the_wide_ones():
    (grid,) = page_of(f"## T\n| a | b |\n|---|---|\n| x | {SENTENCE} |").shapes

    assert sum(grid.widths) == pytest.approx(BODY.width)
    assert grid.widths[1] > 2 * grid.widths[0]
    assert sum(grid.heights) == pytest.approx(grid.box.height)


def test_no_word_of_a_table_is_broken_while_there_is_room():
    numbers = " | ".join(f"{n},{n}99" for n in range(1, 14))
    (grid,) = page_of(f"## T\n| Line |{' a |' * 13} Sum |\n{'|---' * 15}|\n| Ferries | {numbers} | 20,090 |").shapes

    for row in grid.rows:
        for line, wide in zip(row, grid.widths, strict=True):
            assert line.height(wide - 2 * grid.inset) == pytest.approx(line.size * 1.25)


def test_narrow_columns_of_a_table_keep_their_words_on_one_line():
    (grid,) = page_of(f"## T\n| Item | Owner |\n|---|---|\n| {SENTENCE * 4} | Team C |").shapes

    assert grid.rows[1][1].height(grid.widths[1] - 2 * grid.inset) == pytest.approx(grid.rows[1][1].size * 1.25)


def test_long_lines_of_code_are_smaller_before_they_are_broken():
    short = page_of("## T\n```\nx = 1\n```")
    long = page_of(f"## T\n```\n{'x' * 90}\n```")

    (line,) = lines_of(long)
    assert line.size < next(lines_of(short)).size
    assert line.height(of(Words, long)[0].box.width) == pytest.approx(line.size * 1.35)


def test_code_is_coloured_by_its_language():
    (line,) = highlighted(Code(('def high(hours=12): return "water"  # twice',), "python"))

    assert [(run.text, run.tone) for run in line if run.tone] == [
        ("def", "keyword"),
        ("high", "name"),
        ("12", "number"),
        ("return", "keyword"),
        ('"water"', "string"),
        ("# twice", "comment"),
    ]


def test_code_of_one_colour_is_one_stretch():
    code = Code(("-        sleep()", "+        wait_for_notice(connection, at_most=30)"), "diff")

    assert [len(line) for line in highlighted(code)] == [1, 1]


@pytest.mark.parametrize("language", ["", "klingon", "{.x}", "x" * 500])
def test_code_of_no_known_language_has_no_colours(language):
    assert highlighted(Code(("def x(): pass",), language)) == [(Run("def x(): pass", code=True),)]


@given(
    lines=st.lists(st.text(st.characters(blacklist_characters="\n\r", blacklist_categories=["Cs"]), max_size=30), min_size=1, max_size=6),
    language=st.sampled_from(["python", "sql", "diff", "html", "bash", "json", "typescript", "yaml", "c++", "text"]),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_colours_never_change_the_code(lines, language):
    shown = highlighted(Code(tuple(lines), language))

    assert ["".join(run.text for run in line) for line in shown] == lines
