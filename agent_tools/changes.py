"""The arguments of a new version: those of the old one, changed by path."""

import copy
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from agent_tools.jobs.errors import BadRequest, Problem


class _Change(NamedTuple):
    """A change as it was asked for; `parts` is what is left of its path."""

    path: str
    parts: tuple[str, ...]
    value: Any

    def below(self) -> "_Change":
        return self._replace(parts=self.parts[1:])


def with_changes(args: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with each path (`theme`, `slides/2` counted from 0) set to its new value.

    In a list None removes an item, `{"before": 2}` moves it in front of the third (`"-"`: to the end; where items have
    a `before` of their own, that is a value like any other), `slides/+2` puts a new item or a list of several in front
    of the third, and `slides/-` at the end. Every position means the list as it was, so that the order of changes makes
    no difference; at one place, what was moved comes before what is new.

    Raises BadRequest for a path that is not there, and for changes that cannot both be made.
    """
    asked = [_Change(path, tuple(path.strip("/").split("/")), value) for path, value in changes.items()]
    return _changed_object(args, asked, "")


def _changed(value: Any, changes: Sequence[_Change], here: str) -> Any:
    """The value with changes of it as a whole, or of what is in it."""
    if whole := _whole(changes):
        return copy.deepcopy(whole.value)
    if not changes:
        return copy.deepcopy(value)
    if isinstance(value, Mapping):
        return _changed_object(value, changes, here)
    if isinstance(value, list):
        return _changed_list(value, changes, here)
    raise _not_there(changes[0].path, here, "no parts")


def _changed_object(value: Mapping[str, Any], changes: Sequence[_Change], here: str) -> dict[str, Any]:
    by_key: dict[str, list[_Change]] = defaultdict(list)
    for change in changes:
        key = change.parts[0]
        if key not in value and len(change.parts) > 1:
            raise _not_there(change.path, here, ", ".join(value))
        by_key[key].append(change.below())
    changed = copy.deepcopy(dict(value))
    for key, asked in by_key.items():
        changed[key] = _changed(value.get(key), asked, f"{here}/{key}")
    return changed


def _changed_list(items: list[Any], changes: Sequence[_Change], here: str) -> list[Any]:
    at: dict[int, list[_Change]] = defaultdict(list)
    new: dict[int, list[_Change]] = defaultdict(list)
    for change in changes:
        position, is_new = _place(change.path, change.parts[0], items, here)
        if is_new and len(change.parts) > 1:
            raise _not_there(change.path, here, _length(items))
        (new if is_new else at)[position].append(change.below())

    arriving: dict[int, list[Any]] = defaultdict(list)
    staying: dict[int, Any] = {}
    for position, item in enumerate(items):
        whole = _whole(at[position])
        if whole and _is_move(whole.value, items):
            arriving[_target(whole, position, items, here)].append(copy.deepcopy(item))
        elif whole is None or whole.value is not None:
            staying[position] = _changed(item, at[position], f"{here}/{position}")
    for position, asked in new.items():
        if whole := _whole(asked):
            value = copy.deepcopy(whole.value)
            arriving[position] += value if isinstance(value, list) else [value]

    changed = []
    for position in range(len(items) + 1):
        changed += arriving[position]
        if position in staying:
            changed.append(staying[position])
    return changed


def _whole(changes: Sequence[_Change]) -> _Change | None:
    """The change of a value as a whole, which must be the only one; None where all are of what is in it."""
    whole = next((change for change in changes if not change.parts), None)
    if whole and len(changes) > 1:
        other = next(change for change in changes if change is not whole)
        raise BadRequest(
            f"changes: '{whole.path}' and '{other.path}' cannot go together.",
            [Problem(other.path, f"cannot go together with '{whole.path}'")],
        )
    return whole


def _place(path: str, part: str, items: list[Any], here: str) -> tuple[int, bool]:
    """Where in a list that is, and whether something new is meant, which also has a place behind the last item."""
    if part == "-":
        return len(items), True
    is_new, number = part.startswith("+"), part.removeprefix("+")
    if number.isdecimal() and len(number) < 10 and int(number) < len(items) + is_new:
        return int(number), is_new
    raise _not_there(path, here, _length(items))


def _is_move(value: Any, items: list[Any]) -> bool:
    if not isinstance(value, Mapping) or value.keys() != {"before"}:
        return False
    return not any(isinstance(item, Mapping) and "before" in item for item in items)


def _target(move: _Change, position: int, items: list[Any], here: str) -> int:
    before = str(move.value["before"])
    target, _ = _place(f"{here}/{before}".strip("/"), before if before == "-" else f"+{before}", items, here)
    if target == position:
        raise BadRequest(
            f"changes: '{move.path}' cannot be moved in front of itself.", [Problem(move.path, "is there already")]
        )
    return target


def _length(items: list[Any]) -> str:
    return f"{len(items)} items, from 0"


def _not_there(path: str, here: str, has: str) -> BadRequest:
    return BadRequest(
        f"changes: there is no '{path}'; '{here.strip('/') or 'args'}' has {has}.", [Problem(path, "no such argument")]
    )
