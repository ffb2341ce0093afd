"""Where slides and speaker notes begin."""

import pytest

from worker.kinds.presentation.split import code_lines, split_notes, split_slides


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
    ],
)
def test_notes_are_the_rest_from_a_line_that_begins_with_note(slide, notes):
    assert split_notes(slide)[1] == notes


def test_many_fences_that_never_close_take_no_time():
    assert not any(code_lines(["```a"] * 50_000))
