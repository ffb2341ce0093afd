"""What a person changed before they answered, and when a form is needed at all."""

from typing import Any

import pytest

from agent_tools.edits import of_form, of_text
from agent_tools.jobs.asks import needs_form

FORM = {"properties": {"price": {"type": "number", "default": 10}, "shop": {"type": "string"}}}


@pytest.mark.parametrize(
    ("values", "changed"),
    [
        ({"price": 8, "shop": "north"}, {"price": {"was": 10, "is": 8}}),
        ({"price": 10}, {}),
        ({"price": None}, {"price": {"was": 10, "is": None}}),
        ({"colour": "red"}, {}),
        (None, {}),
    ],
)
def test_a_field_was_changed_where_it_had_another_default(values: Any, changed: Any) -> None:
    assert of_form(FORM, values) == changed
    assert of_form(None, values) == {}


def test_a_difference_is_short_and_says_where_it_was_cut() -> None:
    before = [f"Line {number}." for number in range(1000)]

    one = of_text("\n".join(before), "\n".join(before).replace("Line 500.", "Line D."))
    all_of_them = of_text("\n".join(before), "\n".join(before).replace("Line", "Row"))

    assert one == "@@ -500,3 +500,3 @@\n Line 499.\n-Line 500.\n+Line D.\n Line 501."
    assert len(all_of_them) < 2010
    assert all_of_them.endswith("\n…")
    assert of_text("same", "same") == ""


@pytest.mark.parametrize(
    ("choices", "decision", "needs"),
    [
        (("approve", "reject"), "approve", True),
        (("approve", "reject"), "reject", False),
        (("approve", "send back"), "send_back", False),
        (("approve", "edit", "Return to sender"), "edit", True),
        (("approve", "edit", "Return to sender"), "Return to sender", False),
        (("reject", "approve"), "reject", True),
        ((), None, True),
    ],
)
def test_a_form_is_needed_for_the_first_choice_and_for_whatever_does_not_turn_down(
    choices: tuple[str, ...], decision: str | None, needs: bool
) -> None:
    assert needs_form(choices, decision) is needs
