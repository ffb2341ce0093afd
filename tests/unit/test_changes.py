"""Arguments changed by path."""

import copy
import json
from contextlib import suppress
from itertools import permutations
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agent_tools.changes import with_changes
from agent_tools.jobs.errors import BadRequest

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=4)
PATHS = st.text() | st.from_regex(r"[a-c0-2]?(/(\+?[a-c0-2]|-)){0,3}", fullmatch=True)
MOVES = st.fixed_dictionaries({"before": st.integers(0, 4) | st.just("-")})
DECK = {"slides": ["a", "b", "c", "d"], "theme": "light", "notes": {"for": "them"}}


def slides(changes: dict[str, Any]) -> str:
    """What the slides a to d become."""
    return "".join(with_changes(DECK, changes)["slides"])


# ------------------------------------------------------------------------------------------------------- whatever is sent


@given(OBJECTS, st.dictionaries(PATHS, JSON | MOVES, max_size=4))
def test_changes_are_made_or_refused_and_what_was_given_stays_as_it_is(
    args: dict[str, Any], changes: dict[str, Any]
) -> None:
    before = copy.deepcopy((args, changes))

    with suppress(BadRequest):
        with_changes(args, changes)

    assert (args, changes) == before


def paths(value: Any, path: str = "") -> list[str]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(each for key, below in inner for each in paths(below, f"{path}/{key}" if path else str(key)))]


@given(st.data(), st.dictionaries(st.sampled_from("abc"), JSON, min_size=1))
def test_every_path_that_is_there_can_be_changed_and_nothing_else_is(data: st.DataObject, args: dict[str, Any]) -> None:
    path = data.draw(
        st.sampled_from([each for each in paths(args) if each and "//" not in each and each == each.strip("/")])
    )
    inner: Any = args
    for part in path.split("/"):
        assume(isinstance(inner, list) or part in inner)
        inner = inner[int(part)] if isinstance(inner, list) else inner[part]
    assume(inner is not None)  # in a list that is a removal

    changed = with_changes(args, {path: "new"})

    assert json.dumps(with_changes(changed, {path: inner})) == json.dumps(args)
    assert json.dumps(changed) != json.dumps(args) or inner == "new"


@given(
    st.dictionaries(
        st.integers(0, 3).map("slides/{}".format), st.none() | st.sampled_from("XY") | MOVES, min_size=1, max_size=3
    ),
    st.dictionaries(st.integers(0, 4).map("slides/+{}".format), st.sampled_from("PQ"), max_size=2),
)
def test_the_order_of_changes_makes_no_difference(at: dict[str, Any], new: dict[str, Any]) -> None:
    asked = {**at, **new}
    became = set()
    for order in permutations(asked):
        try:
            became.add(slides({path: asked[path] for path in order}))
        except BadRequest:
            became.add("refused")

    assert len(became) == 1


# --------------------------------------------------------------------------------------------------------------- lists


@pytest.mark.parametrize(
    ("changes", "become"),
    [
        ({"slides/2": "X"}, "abXd"),
        ({"slides/2": None}, "abd"),
        ({"slides/0": None, "slides/1": None, "slides/2": None, "slides/3": None}, ""),
        ({"slides/+2": "X"}, "abXcd"),
        ({"slides/+2": ["X", "Y"]}, "abXYcd"),
        ({"slides/+0": "X", "slides/+4": "Y"}, "XabcdY"),
        ({"slides/-": "X"}, "abcdX"),
        ({"slides/-": ["X", "Y"]}, "abcdXY"),
        ({"slides/3": {"before": 0}}, "dabc"),
        ({"slides/3": {"before": "1"}}, "adbc"),
        ({"slides/0": {"before": "-"}}, "bcda"),
        ({"slides/0": {"before": 4}}, "bcda"),
        ({"slides/0": {"before": 2}, "slides/2": {"before": 0}}, "cbad"),
        ({"slides/2": {"before": 1}, "slides/3": {"before": 1}}, "acdb"),
        ({"slides/3": {"before": 1}, "slides/1": None, "slides/+1": "X"}, "adXc"),
        ({"slides/3": {"before": "-"}, "slides/-": "X"}, "abcdX"),
    ],
    ids=json.dumps,
)
def test_items_of_a_list_are_removed_put_in_and_moved(changes: dict[str, Any], become: str) -> None:
    assert slides(changes) == become


def test_something_is_put_into_an_empty_list() -> None:
    assert with_changes({"slides": []}, {"slides/-": "a"}) == {"slides": ["a"]}
    assert with_changes({"slides": []}, {"slides/+0": "a"}) == {"slides": ["a"]}


def test_nothing_is_a_value_like_any_other_outside_of_lists() -> None:
    assert with_changes(DECK, {"theme": None})["theme"] is None


def test_an_object_in_a_list_is_changed_replaced_and_moved() -> None:
    rows = {"rows": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}

    changed = with_changes(rows, {"rows/0/name": "A", "rows/1": {"name": "B"}, "rows/2": {"before": 0}})

    assert [row["name"] for row in changed["rows"]] == ["c", "A", "B"]


def test_where_items_have_a_before_of_their_own_it_is_a_value_and_moves_nothing() -> None:
    walks = {"walks": [{"before": 1}, {"before": 2}]}

    assert with_changes(walks, {"walks/0": {"before": 3}}) == {"walks": [{"before": 3}, {"before": 2}]}


# ------------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("slides/4", "there is no 'slides/4'; 'slides' has 4 items, from 0."),
        ("slides/-1", "there is no 'slides/-1'; 'slides' has 4 items, from 0."),
        ("slides/+5", "there is no 'slides/+5'; 'slides' has 4 items, from 0."),
        ("slides/+1/x", "there is no 'slides/+1/x'; 'slides' has 4 items, from 0."),
        ("slides/x", "there is no 'slides/x'; 'slides' has 4 items, from 0."),
        (f"slides/{'9' * 5000}", "'slides' has 4 items, from 0."),
        ("notes/for/er", "there is no 'notes/for/er'; 'notes/for' has no parts."),
        ("them/dark", "there is no 'them/dark'; 'args' has slides, theme, notes."),
    ],
)
def test_a_path_that_is_not_there_is_refused_with_what_is(path: str, sentence: str) -> None:
    with pytest.raises(BadRequest) as refused:
        with_changes(DECK, {path: 1})

    assert sentence in str(refused.value)


@pytest.mark.parametrize("before", [5, -1, "x", "+1", True, None, [0]])
def test_a_move_to_a_place_that_is_not_there_is_refused(before: Any) -> None:
    with pytest.raises(BadRequest, match=r"there is no 'slides/.*'slides' has 4 items, from 0"):
        with_changes(DECK, {"slides/0": {"before": before}})


def test_nothing_is_moved_in_front_of_itself() -> None:
    with pytest.raises(BadRequest, match="'slides/2' cannot be moved in front of itself"):
        with_changes(DECK, {"slides/2": {"before": 2}})


@pytest.mark.parametrize(
    "changes",
    [
        {"slides": [], "slides/2": "X"},
        {"slides/2": None, "/slides/2": {"before": 0}},
        {"slides/2": {"before": 0}, "slides/02": {"before": 1}},
        {"slides/2": "X", "slides/2/title": "Y"},
        {"slides/2": None, "slides/2/title": "Y"},
        {"slides/-": "X", "slides/+4": "Y"},
        {"notes": {}, "notes/for": "us"},
        {"new": 1, "/new": 2},
    ],
    ids=json.dumps,
)
def test_two_changes_of_the_same_thing_are_refused_naming_both(changes: dict[str, Any]) -> None:
    for asked in (changes, dict(reversed(changes.items()))):
        with pytest.raises(BadRequest, match="cannot go together") as refused:
            with_changes(DECK, asked)
        assert all(f"'{path}'" in str(refused.value) for path in changes)
