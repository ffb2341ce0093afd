"""Where slides and speaker notes begin."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.kinds.presentation.reading.split import (
    MAX_CHARACTERS,
    check_slides,
    code_lines,
    cut_front_matter,
    cut_pictures,
    front_matter,
    split_notes,
    split_slides,
)

FRONT = "---\ntitle: Tides\n---\n"


@pytest.mark.parametrize(
    ("text", "slides"),
    [
        ("# A\n---\n# B", ["# A", "# B"]),
        ("A text directly above\n---\n# B", ["A text directly above", "# B"]),
        ("# A\r\n---\r\n# B", ["# A", "# B"]),
        ("# A\r---\r# B", ["# A", "# B"]),
        ("# A\n---  \t\n# B", ["# A", "# B"]),
        ("---\n# A\n---\n\n---\n# B\n---\n", ["# A", "# B"]),
        ("# A\n----\n# B", ["# A\n----\n# B"]),
        ("# A\n - --\n| a |\n|---|\n| b |", ["# A\n - --\n| a |\n|---|\n| b |"]),
        ("", [""]),
    ],
)
def test_a_line_of_three_dashes_parts_slides(text, slides):
    assert split_slides(text) == slides


def test_dashes_inside_code_part_nothing():
    text = "# A\n```yaml\n---\na: 1\n```\n~~~\n```\n---\n~~~\n- list\n\n  ```\n  x\n---\n  ```\n---\n# B"

    assert split_slides(text) == [text.removesuffix("\n---\n# B"), "# B"]


def test_a_fence_that_is_never_closed_does_not_eat_the_deck():
    assert split_slides("# A\n```python\nx = 1\n---\n# B\n---\n# C") == ["# A\n```python\nx = 1", "# B", "# C"]


def test_slides_of_a_list_are_parted_too_and_parting_again_changes_nothing():
    once = split_slides(["# A\n---\n# B", "# C"])

    assert once == ["# A", "# B", "# C"]
    assert split_slides(once) == once


@pytest.mark.parametrize("other", [None, 3, {"a": 1}, ["a", 1]])
def test_what_is_no_text_is_left_to_validation(other):
    assert split_slides(other) == other


@pytest.mark.parametrize(
    ("slide", "notes"),
    [
        ("# A\n\nNote: say this\n\nand *this*", "say this\n\nand *this*"),
        ("# A\nNotes:\n- one", "- one"),
        ("# A\n```\nNote: code\n```", ""),
        ("# A\nA Note: in the middle", ""),
        ("# A\n<!--\nNote: comment\n-->\nb", ""),
        ("# A\n<!-- never closed\nNote: say", "say"),
    ],
)
def test_notes_are_the_rest_from_a_line_that_begins_with_note(slide, notes):
    assert split_notes(slide)[1] == notes


def test_many_fences_that_never_close_take_no_time():
    assert not any(code_lines(["```a"] * 50_000))


@pytest.mark.parametrize(
    ("slides", "parted"),
    [
        (FRONT + "# A\n---\n# B", [FRONT + "# A", "# B"]),
        ("\ufeff\n" + FRONT + "\n---\n# A\n---\n# B", [FRONT + "# A", "# B"]),
        ((FRONT + "# A").replace("\n", "\r\n"), [FRONT + "# A"]),
        ([FRONT + "# A\n---\n# B", "# C"], [FRONT + "# A", "# B", "# C"]),
        ([FRONT.rstrip(), "# A"], [FRONT + "# A"]),
        (["# A", FRONT + "# B"], ["# A", "title: Tides", "# B"]),
        (FRONT, [FRONT]),
    ],
)
def test_front_matter_stays_on_the_first_slide_and_is_none_itself(slides, parted):
    assert split_slides(slides) == parted
    assert split_slides(parted[:1]) == parted[:1]


@pytest.mark.parametrize(
    "inside",
    [
        "# A\ntitle: B",
        "# A\nNote: spoken",
        "Topic: tides",
        "title: A\nand a sentence",
        "title:A",
        "https://x.example",
        "words",
        "",
        "\n",
    ],
)
def test_what_does_not_look_like_front_matter_is_a_slide(inside):
    assert cut_front_matter(f"---\n{inside}\n---\n# A")[0] == ""


def test_front_matter_that_is_never_closed_is_a_slide():
    assert cut_front_matter("---\ntitle: A\n\n# B") == ("", "---\ntitle: A\n\n# B")


def test_front_matter_is_read_by_key_whatever_its_case_and_quotes():
    block = """---
Title: "A: \\"b\\""
author:
  - Jane
  - 'Jo O''Neill'
# a comment
footer: >
  one
  two

DATE: 2027-01-01
theme:
paginate: true
---
"""

    assert cut_front_matter(block + "# A") == (block, "# A")
    assert front_matter(block) == {
        "title": 'A: "b"',
        "author": "Jane, Jo O'Neill",
        "footer": "one two",
        "date": "2027-01-01",
        "theme": "",
        "paginate": "true",
    }


def test_front_matter_alone_is_nothing_on_a_deck():
    with pytest.raises(ValueError, match="has nothing on it"):
        check_slides([FRONT])


def test_the_data_of_pictures_does_not_count_as_characters():
    picture = f"![a](data:image/png;base64,{'iVBO' * 20_000}=)"

    assert check_slides([picture]) == [picture]
    assert cut_pictures(picture) == ("![a](data:image/png;base64,...0)", ["iVBO" * 20_000 + "="])
    with pytest.raises(ValueError, match=r"has 20,031 characters on slide 1"):
        check_slides(["x" * (MAX_CHARACTERS - 1) + picture])


LINES = st.sampled_from(
    ["---", "title: a", "key: b", "Note: c", "# d", "", "```", "- e", "<!--", "-->", "    ", "word"]
)


@given(st.lists(st.lists(LINES, max_size=10).map("\n".join), max_size=4))
def test_slides_that_were_parted_stay_as_they_are(slides):
    once = split_slides(slides)

    assert split_slides(once) == once
