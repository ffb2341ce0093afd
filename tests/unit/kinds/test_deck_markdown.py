"""Markdown to the deck that it means."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from worker.kinds.presentation.deck import Bullets, Code, Columns, Paragraph, Quote, Run, Table, plain, texts
from worker.kinds.presentation.markdown import read_deck, read_slide
from worker.kinds.presentation.split import split_slides


def read(markdown):
    slide = read_slide(1, markdown, [])
    assert slide is not None
    return slide


def words(blocks):
    return [plain(text) for text in texts(blocks)]


def test_a_heading_is_the_title_and_text_below_it_stays_text():
    slide = read("# Tides\n\nWhy the sea moves")

    assert plain(slide.title) == "Tides"
    assert slide.opens
    assert slide.blocks == (Paragraph((Run("Why the sea moves"),)),)


def test_styles_become_runs():
    (paragraph,) = read(
        "## T\nplain **bold** *italic* ***both*** `code` ~~gone~~ [link](https://x.example)\\\nnext"
    ).blocks

    assert paragraph.text == (
        Run("plain "),
        Run("bold", bold=True),
        Run(" "),
        Run("italic", italic=True),
        Run(" "),
        Run("both", bold=True, italic=True),
        Run(" "),
        Run("code", code=True),
        Run(" "),
        Run("gone", strike=True),
        Run(" "),
        Run("link", link="https://x.example"),
        Run("\nnext"),
    )


def test_lists_keep_their_levels_numbers_and_boxes():
    (bullets,) = read("## T\n- a\n  - b\n    1. c\n    2. d\n- [x] e\n- [ ] f\n\n  g").blocks

    assert [(item.level, item.marker, plain(item.text)) for item in bullets.items] == [
        (0, "•", "a"),
        (1, "–", "b"),
        (2, "1.", "c"),
        (2, "2.", "d"),
        (0, "☑", "e"),
        (0, "☐", "f"),
        (0, "", "g"),
    ]


def test_a_list_that_begins_at_five_goes_on_with_six():
    (bullets,) = read("## T\n5. a\n1. b").blocks

    assert [item.marker for item in bullets.items] == ["5.", "6."]


def test_third_level_headings_stand_side_by_side():
    lead, columns, after = read("## T\nlead\n### A\n- a\n### B\nb\n\n#### small\n## Below").blocks

    assert plain(lead.text) == "lead"
    assert isinstance(columns, Columns)
    assert [plain(column.title) for column in columns.columns] == ["A", "B"]
    assert [[type(block) for block in column.blocks] for column in columns.columns] == [
        [Bullets],
        [Paragraph, Paragraph],
    ]
    assert after == Paragraph((Run("Below"),), strong=True)


def test_a_single_third_level_heading_is_a_heading_and_without_a_title_it_is_the_title():
    assert read("## T\n### A\na").blocks[0] == Paragraph((Run("A"),), strong=True)
    assert plain(read("### A\na").title) == "A"


def test_tables_keep_alignment_and_every_cell():
    (table,) = read("## T\n| a | b | c |\n|:--|:-:|--:|\n| 1 | **2** |\n| 3 | 4 | 5 | 6 \\| 7 | 8 |").blocks

    assert isinstance(table, Table)
    assert table.aligns == ("left", "center", "right")
    assert [plain(cell) for cell in table.head] == ["a", "b", "c"]
    assert [[plain(cell) for cell in row] for row in table.rows] == [["1", "2", ""], ["3", "4", "5 6 | 7 8"]]


@pytest.mark.parametrize("quote", ["> words\n> more\n> — Me", "> words more\n>\n> — Me", "> words\n> more\\\n> -- Me"])
def test_a_quote_knows_who_it_is_from(quote):
    (block,) = read(f"## T\n{quote}").blocks

    assert isinstance(block, Quote)
    assert [plain(text) for text in block.paragraphs] == ["words more"]
    assert plain(block.source) == "Me"


def test_code_is_kept_to_the_letter():
    (code,) = read("## T\n```py\n  a\n\n---\n\tb\n```").blocks

    assert code == Code(("  a", "", "---", "    b"), "py")


def test_html_is_shown_as_its_text_and_that_is_said():
    changes: list[str] = []
    slide = read_slide(
        3, "## T\n<div>\n<b>one</b> &amp; two\n</div>\n\nthree <i>four</i><br>five <!-- six -->", changes
    )

    assert slide is not None
    assert words(slide.blocks) == ["one & two", "three four five"]
    assert changes == ["Slide 3 has HTML: only its text is shown."]


def test_images_become_their_text_and_that_is_said():
    changes: list[str] = []
    slide = read_slide(3, "## T\n![A map](map.png)\n\n![](x.png)", changes)

    assert slide is not None
    assert words(slide.blocks) == ["A map"]
    assert changes == ["Slide 3 has an image, shown as its text.", "Slide 3 has an image without text, left out."]


@pytest.mark.parametrize("address", ["./next.md", "ftp://x.example", "https://", "mailto:nobody", "#top"])
def test_links_that_a_deck_cannot_follow_are_shown_as_text(address):
    changes: list[str] = []
    slide = read_slide(1, f"## T\n[here]({address})", changes)

    assert slide is not None
    assert slide.blocks == (Paragraph((Run("here"),)),)
    assert address in changes[0]


def test_a_slide_without_a_heading_is_called_after_its_first_words():
    short = read("Just this.")
    assert (plain(short.title), short.blocks, short.made_title) == ("Just this.", (), False)

    long = read("- The first of many words that say what this is about\n- more")
    assert plain(long.title) == "The first of many words that say what this is about more"
    assert long.made_title

    assert plain(read("Note: only spoken").title) == "Slide 1"


def test_a_title_too_long_for_its_place_stands_whole_below_it():
    changes: list[str] = []
    title = "word " * 60
    slide = read_slide(2, f"## {title}", changes)

    assert slide is not None
    assert plain(slide.title).endswith("word…")
    assert words(slide.blocks) == [title.strip()]
    assert "Slide 2 has a title too long" in changes[0]


def test_slides_with_nothing_on_them_are_left_out_and_that_is_said():
    deck, changes = read_deck(["# A", " \n", "<!-- nothing -->", "# B"])

    assert [plain(slide.title) for slide in deck.slides] == ["A", "B"]
    assert "Slide 2 is empty and was left out." in changes
    assert "Slide 3 is empty and was left out." in changes


def test_a_deck_is_called_after_the_job_or_else_its_first_slide():
    assert read_deck(["# A *b*"])[0].title == "A b"
    assert read_deck(["# A"], "Board meeting")[0].title == "Board meeting"


@pytest.mark.parametrize(
    "markdown",
    [
        "> " * 300 + "deep",
        "- " * 300 + "deep",
        "*" * 2000 + "deep" + "*" * 2000,
        "[" * 5000 + "deep",
        "\n".join("  " * n + f"- deep{n}" for n in range(120)),
        "## \x00\x07\ufffedeep\u2028\ud800",
        "مرحبا deep\n\n日本語 😀\n\n\tcode",
    ],
)
def test_hostile_markdown_keeps_its_words(markdown):
    slide = read(markdown)

    assert "deep" in " ".join([plain(slide.title), *words(slide.blocks)])


def test_five_hundred_slides_are_read():
    deck, changes = read_deck([f"## Slide {n}\n- a\n- b" for n in range(500)])

    assert len(deck.slides) == 500
    assert not changes


WORD = st.text(alphabet="abcdefghij", min_size=2, max_size=9)
SHAPES = st.sampled_from(
    [
        *(
            "# {}",
            "## {} {}",
            "### {}",
            "#### {}",
            "{} {} {}",
            "{}\n===",
            "- {}",
            "  - {}",
            "    - {}",
            "1. {}",
            "* [x] {}",
        ),
        *("> {}", "> - {}\n> {}", "> {}\n> — {}", "```\n{} {}\n```", "    {}", "\t{}", "~~{}~~ `{}`", "**{} *{}***"),
        *(
            "| {} | {} |\n|---|--:|\n| {} | {} | {} |",
            "![{}](x.png)",
            "[{}](https://x.example)",
            "<b>{}</b>",
            "[{}]: {}",
        ),
        *(
            "<div>\n{}\n</div>",
            "",
            "***",
            "Note: {}",
            "{}  \n{}",
            "{}\\\n{}",
            "- ```\n  {}\n  ```",
            "- > {}",
            "1) {}\n\n   {}",
        ),
    ]
)


@given(st.lists(st.tuples(SHAPES, st.lists(WORD, min_size=6, max_size=6)), max_size=12))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_word_is_ever_lost(lines):
    markdown = "\n".join(shape.format(*given_words) for shape, given_words in lines)
    written = re.findall(r"\b[a-j]{2,9}\b", re.sub(r"</?\w+>|https://x\.example", " ", markdown))

    deck, _ = read_deck([markdown])

    shown = " ".join(part for slide in deck.slides for part in [plain(slide.title), *words(slide.blocks), slide.notes])
    assert set(written) <= set(re.findall(r"[a-j]+", shown))


@given(st.text(alphabet=st.characters() | st.sampled_from("#>-*_`~|[]()!<&\n\r\t 1.:"), max_size=300))
@settings(max_examples=200, deadline=None)
def test_no_text_makes_the_reader_stumble(text):
    slides = split_slides(text)

    assert isinstance(slides, list)
    read_deck(slides)
