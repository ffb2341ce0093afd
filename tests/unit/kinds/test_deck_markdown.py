"""Markdown to the deck that it means."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from worker.kinds.presentation.deck import (
    Bullets,
    Chart,
    Code,
    Columns,
    Image,
    Item,
    Paragraph,
    Quote,
    Run,
    Table,
    plain,
    texts,
)
from worker.kinds.presentation.reading.markdown import read_deck, read_slide
from worker.kinds.presentation.reading.split import split_slides


def read(markdown):
    slide = read_slide(1, markdown, [])
    assert slide is not None
    return slide


def words(blocks):
    return [plain(text) for text in texts(blocks)]


@pytest.mark.parametrize("dash", ["— ", "—", "– ", "-- "])
@pytest.mark.parametrize("name", ["Samuel", "**Samuel**", "*Samuel Beckett*, 1953"])
def test_a_quotes_source_is_told_by_its_dash_however_it_is_set(dash, name):
    (slide,) = read_deck([f"> Words.\n> {dash}{name}"])[0].slides

    (quote,) = slide.blocks
    assert plain(quote.paragraphs[0]) == "Words."
    assert plain(quote.source) == name.replace("*", "")


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
    assert slide.notes == "six"
    assert changes == [
        "Slide 3 has HTML: only its text is shown.",
        "Slide 3 has a comment: it is taken for what the speaker says.",
    ]


def test_a_picture_alone_is_a_picture_with_its_description_and_caption():
    (image,) = read('## T\n![A *map*](https://x.example/map.png "Where we are")').blocks

    assert image == Image("https://x.example/map.png", "A map", (Run("Where we are"),))


def test_pictures_in_text_stand_below_it_unless_they_open_it():
    markdown = (
        "## T\n![a](file:a.png) one ![b](file:b.png) two\n\n- three ![c](file:c.png)\n- four\n\n> five ![d](file:d.png)"
    )
    blocks = read(markdown).blocks

    assert [block.source if isinstance(block, Image) else words([block]) for block in blocks] == [
        "file:a.png",
        ["one two"],
        "file:b.png",
        ["three"],
        "file:c.png",
        ["four"],
        ["five", ""],
        "file:d.png",
    ]


@pytest.mark.parametrize(
    "source",
    [
        "https://x.example/a.png",
        "http://127.0.0.1:8000/a.png",
        "data:image/png;base64,aGk=",
        "file:charts/a.png",
        "job://7f3a/artifacts/a.png",
        "artifact:7f3a/a.png",
    ],
)
def test_pictures_are_taken_from_where_they_may_be(source):
    changes: list[str] = []
    slide = read_slide(1, f"## T\n![a]({source})", changes)

    assert slide is not None
    assert slide.blocks == (Image(source, "a"),)
    assert not changes


@pytest.mark.parametrize(
    "source",
    ["map.png", "/map.png", "http://x.example/a.png", "javascript:alert(1)", "ftp://x/a.png", "data:text/html,a"],
)
def test_a_picture_from_elsewhere_is_its_description_and_that_is_said(source):
    changes: list[str] = []
    slide = read_slide(3, f'## T\n![A map]({source} "of Fundy")\n\n![]({source})', changes)

    assert slide is not None
    assert words(slide.blocks) == ["A map (of Fundy)"]
    said = f"Slide 3 has a picture from '{source}', and pictures are taken from https://…, data:image/…;base64,…, file:… or job://ID/artifacts/NAME: "
    assert changes == [said + "its description is shown.", said + "it is left out."]


def test_a_picture_where_only_text_can_stand_is_its_description():
    changes: list[str] = []
    slide = read_slide(1, "## A ![b](file:b.png)\n| a |\n|---|\n| ![c](file:c.png) |", changes)

    assert slide is not None
    assert plain(slide.title) == "A b"
    assert words(slide.blocks) == ["a", "c"]
    assert changes == [
        f"Slide 1 has the picture file:{name}.png where only text can stand: its description is shown." for name in "bc"
    ]


def test_a_picture_that_is_a_link_loses_it_and_that_is_said():
    changes: list[str] = []
    slide = read_slide(1, "## T\n[![a](file:a.png)](https://x.example)", changes)

    assert slide is not None
    assert slide.blocks == (Image("file:a.png", "a"),)
    assert changes == ["Slide 1 links a picture to https://x.example: a picture carries no link here."]


def test_a_picture_in_html_is_a_picture():
    block, inline = '<img src="file:a.png" alt="a &amp; b">', 'c <img alt=d src=file:b.png title="e"/>'

    assert read(f"## T\n{block}\n\n{inline}").blocks == (
        Image("file:a.png", "a & b"),
        Paragraph((Run("c"),)),
        Image("file:b.png", "d", (Run("e"),)),
    )


def test_the_data_of_a_picture_is_whole_in_it_and_short_elsewhere():
    source = f"data:image/png;base64,{'iVBO' * 100_000}"
    changes: list[str] = []
    slide = read_slide(1, f"## T\n![a]({source})\n```\n{source}\n```", changes)

    assert slide is not None
    assert slide.blocks == (Image(source, "a"), Code(("data:image/png;base64,...1",)))
    assert changes == ["Slide 1 has a picture's data in its text, where it is shortened."]


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
    assert "Slide 3 has only the comment 'nothing' and was left out." in changes


def test_a_deck_is_called_after_the_job_or_else_its_first_slide():
    assert read_deck(["# A *b*"])[0].title == "A b"
    assert read_deck(["# A"], "Board meeting")[0].title == "Board meeting"


def test_front_matter_says_what_the_deck_is_called_and_by_whom():
    deck, changes = read_deck(
        [
            "---\ntitle: Tides\nAuthor: 'Jane'\ndate: today\nfooter: Secret\ntheme: Paper\nmarp: true\npaginate: true\n---\n# A"
        ]
    )

    assert (deck.title, deck.author, deck.date, deck.footer, deck.theme) == (
        "Tides",
        "Jane",
        "today",
        "Secret",
        "Paper",
    )
    assert [plain(slide.title) for slide in deck.slides] == ["A"]
    assert changes == ["The front matter's 'marp' and 'paginate' are not used."]


def test_the_title_of_the_job_comes_before_the_one_of_the_front_matter_and_that_is_said():
    deck, changes = read_deck(["---\ntitle: Tides\n---\n# A"], "Board")

    assert deck.title == "Board"
    assert changes == ["The deck is called 'Board', and not 'Tides' as its front matter says."]


def test_front_matter_too_long_for_its_place_is_shortened_and_that_is_said():
    deck, changes = read_deck([f"---\nfooter: {'word ' * 60}\n---\n# A"])

    assert deck.footer.endswith("word…")
    assert changes[0].startswith("The front matter's footer is too long for its place and was shortened: 'word word")


@pytest.mark.parametrize("comment", ["<!-- say this -->", "<!-- Note: say this -->", "<!--\nNotes:\nsay this\n-->"])
def test_a_comment_that_stands_alone_is_what_the_speaker_says(comment):
    changes: list[str] = []
    slide = read_slide(2, f"## T\n{comment}\n\ntext\n\nNote: and that", changes)

    assert slide is not None
    assert slide.notes == "say this\n\nand that"
    assert words(slide.blocks) == ["text"]
    assert changes == ["Slide 2 has a comment: it is taken for what the speaker says."]


def test_what_tells_another_program_how_to_show_a_slide_is_named():
    changes: list[str] = []
    slide = read_slide(2, "## T\n<!-- _class: lead -->\n\n<style>\nsection { color: red }\n</style>", changes)

    assert slide is not None
    assert (slide.blocks, slide.notes) == ((), "")
    assert changes == [
        "Slide 2 has '_class: lead' for another program: it changes nothing here.",
        "Slide 2 has a <style>, which changes nothing here.",
    ]


def test_a_comment_that_is_never_closed_does_not_eat_the_slide():
    assert words(read("## T\n<!-- a\n\n- b -> c <d\n").blocks) == ["a", "- b -> c <d"]


@pytest.mark.parametrize(
    ("line", "kind", "title"),
    [
        ("!chart bar", "bar", ""),
        ("!chart column Sales by *region*", "bar", "Sales by region"),
        ('!Chart LINE "Sales"', "line", "Sales"),
        ("!chart: donut: “Sales”", "pie", "Sales"),
        ("  !chart area", "line", ""),
    ],
)
@pytest.mark.parametrize("between", ["\n", "\n\n\n"])
def test_a_chart_is_a_line_and_the_table_below_it(line, kind, title, between):
    lead, chart, after = read(f"## T\nlead\n{line}{between}| a | b |\n|---|---|\n| x | 1 |\nafter").blocks

    assert isinstance(chart, Chart)
    assert (chart.kind, plain(chart.title), chart.categories) == (kind, title, ("x",))
    assert words([lead, after]) == ["lead", "after"]


@pytest.mark.parametrize(
    ("markdown", "shown", "said"),
    [
        ("!chart bar Sales\n\ntext", ["text"], "has '!chart bar Sales' without a table right below: it is not shown"),
        ("!chart bar", [], "has '!chart bar' without a table right below: it is not shown"),
        (
            "!chart radar Sales\n| a | b |\n|-|-|\n| x | 1 |",
            ["a", "b", "x", "1"],
            "has '!chart radar Sales', but charts are bar, line or pie: its table is shown",
        ),
        (
            "!chart bar Sales\n| a | b |\n|-|-|\n| x | lots |",
            ["Sales", "a", "b", "x", "lots"],
            "has a table that cannot be drawn as a bar chart, as 'lots' in row 1 of the column 'b' is no number: the table is shown",
        ),
        (
            "!chart bar\n| a | b |\n|-|-|\n| x | 5 | 678 |",
            ["a", "b", "x", "5 678"],
            "has a table that cannot be drawn as a bar chart, as a row has more cells than the head: the table is shown",
        ),
    ],
)
def test_a_chart_that_cannot_be_is_its_table_and_that_is_said(markdown, shown, said):
    changes: list[str] = []
    slide = read_slide(3, f"## T\n{markdown}", changes)

    assert slide is not None
    assert words(slide.blocks) == shown
    assert changes == [f"Slide 3 {said}."]


def test_what_asks_for_a_chart_inside_code_is_code():
    assert read("## T\n```\n!chart bar\n```\n```chart\nbar\n```").blocks == (
        Code(("!chart bar",)),
        Code(("bar",), "chart"),
    )


def test_lines_right_below_a_table_are_no_rows_of_it():
    table, below = read("## T\n| a | b |\n|---|---|\n| 1 | 2 |\nSource: us").blocks

    assert isinstance(table, Table)
    assert len(table.rows) == 1
    assert below == Paragraph((Run("Source: us"),))


def test_cells_beyond_the_head_are_kept_in_lists_and_quotes_too():
    blocks = read("## T\n> | a |\n> |---|\n> | 1 | two |\n\n- b\n\n  | c |\n  |---|\n  | 3 | four |").blocks

    assert [" ".join(words([block])).split() for block in blocks] == [["a", "1", "two"], ["b"], ["c", "3", "four"]]


@pytest.mark.parametrize(
    "text", [":smile: ::: columns", "\\newpage", "a[^1] and [^1]: b", "&lt;b&gt; & © 5 < 6 > 4", "#tag and {.class}"]
)
def test_what_other_dialects_mean_by_it_is_shown_as_it_was_written(text):
    (paragraph,) = read(f"## T\n{text}").blocks

    assert plain(paragraph.text) == text.replace("&lt;", "<").replace("&gt;", ">")


def test_line_breaks_are_kept_however_they_are_written():
    assert words(read("## T\n| a |\n|---|\n| b<br>c |").blocks) == ["a", "b c"]
    assert read("## T\na <br/> b  \nc\\\nd").blocks == (Paragraph((Run("a\nb\nc\nd"),)),)


@pytest.mark.parametrize("heading", ["# {}", "## {} ##", "#### {}", "###### {}", "{}\n===", "{}\n----"])
def test_a_heading_of_any_level_is_the_title_when_it_is_the_only_one(heading):
    slide = read(heading.format("Tides") + "\n\ntext")

    assert (plain(slide.title), words(slide.blocks)) == ("Tides", ["text"])


def test_a_task_that_begins_in_bold_keeps_its_words_and_its_style():
    (bullets,) = read("## T\n- [x] **a** b\n- `[ ] c`").blocks

    assert bullets == Bullets(
        (Item((Run("a", bold=True), Run(" b")), 0, "☑"), Item((Run("[ ] c", code=True),), 0, "•"))
    )


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
        *(
            "![{} *{}*](https://x.example/1.png '{}') {}",
            "[![{}](file:1.png)](https://x.example)",
            "![{}][{}]",
            "<img src='file:1.png' alt='{}' title='{}'>",
            "{} <img src=1.png alt={}> {}",
            "| ![{}](file:1.png '{}') | {} |\n|--|--|\n| {} | {} |",
            "- ![{}](job://1/artifacts/2) {}",
            "> ![{}](1.png) {}",
        ),
        *(
            "!chart bar {} {}",
            "!chart {}",
            "!chart",
            "{}\n!chart pie {}\n| {} | {} |\n|--|--|\n| {} | 5 {} |",
            "!chart line\n| {} | {} |\n|--|--|\n| {} | 7 |\n{}",
            "> !chart bar {}\n> | {} | {} |\n> |--|--|\n> | {} | 1 |",
        ),
        *(
            "<!-- {} {} -->",
            "<!-- note: {} -->",
            "<!--\nNote: {}\n-->",
            "<!-- {}",
            "{} -->",
            "<!-- class: {} -->",
            "<details>\n<summary>{}</summary>\n\n{}\n</details>",
            "{}<br>{}",
        ),
        *(
            "- {}\n  | {} | {} |\n  |--|--|\n  | {} | {} | {} |",
            "::: {}",
            "[^{}]: {}",
            ":{}:",
            "\\{}",
            "&x{};",
            "<{}@x.example>",
            "[{}](javascript:1)",
            "####### {}",
            "{}\n----",
            "~~~ \n{}\n~~~",
            "3. {}\n   1. {}\n      - [ ] {}",
        ),
    ]
)


@given(st.lists(st.tuples(SHAPES, st.lists(WORD, min_size=6, max_size=6)), max_size=12))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_word_is_ever_lost(lines):
    markdown = "\n".join(shape.format(*given_words) for shape, given_words in lines)
    written = {word for shape, given_words in lines for word in given_words[: shape.count("{}")]}

    deck, changes = read_deck(split_slides(markdown))

    on_slides = [part for slide in deck.slides for part in [plain(slide.title), *words(slide.blocks), slide.notes]]
    assert written <= set(re.findall(r"[a-j]{2,}", " ".join([deck.title, *on_slides, *changes])))


@given(st.text(alphabet=st.characters() | st.sampled_from("#>-*_`~|[]()!<&\n\r\t 1.:"), max_size=300))
@settings(max_examples=200, deadline=None)
def test_no_text_makes_the_reader_stumble(text):
    slides = split_slides(text)

    assert isinstance(slides, list)
    read_deck(slides)
