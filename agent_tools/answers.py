"""What somebody answers, checked at the door."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agent_tools.jobs.asks import Ask, needs_form
from agent_tools.jobs.errors import BadRequest, Problem
from agent_tools.jobs.kinds import listed, refuse_unstorable

MAX_NOTES = 10_000
MAX_VALUES_BYTES = 64_000
MAX_EDITED_BYTES = 256_000
_MOST_SAID = 300


@dataclass(frozen=True)
class Said:
    """An answer as somebody sends it. `shown_hash` stands for what they saw; None: whatever is shown now."""

    decision: str | None = None
    values: Mapping[str, Any] | None = None
    notes: str | None = None
    edited: str | None = None
    shown_hash: str | None = None


def checked(ask: Ask, said: Said) -> dict[str, Any]:
    """The answer as it is kept. Raises BadRequest, naming each bad field."""
    refuse_unstorable({"decision": said.decision, "values": said.values, "notes": said.notes, "edited": said.edited})
    problems = [*_of_decision(ask, said.decision), *_of_values(ask, said), *_of_texts(ask, said)]
    if problems:
        raise BadRequest(f"Not answered. {listed(problems)}", problems)
    values = dict(said.values) if said.values is not None else None
    answer = {"decision": said.decision, "values": values, "notes": said.notes or None}
    is_edited = said.edited is not None and _lines(said.edited) != _lines(ask.editable or "")
    return {**answer, "edited": said.edited} if is_edited else answer


def _of_decision(ask: Ask, decision: str | None) -> list[Problem]:
    if decision is None and ask.choices:
        return [Problem("decision", f"is required: one of {', '.join(ask.choices)}.")]
    if decision is not None and decision not in ask.choices:
        allowed = f"one of {', '.join(ask.choices)}" if ask.choices else "none: only the form is asked for"
        return [Problem("decision", f"is {allowed}, not '{decision[:60]}'.")]
    return []


def _of_values(ask: Ask, said: Said) -> list[Problem]:
    if ask.form is None:
        return [Problem("values", "there is no form to fill in.")] if said.values else []
    size = len(json.dumps(said.values, ensure_ascii=False).encode())
    if size > MAX_VALUES_BYTES:
        return [Problem("values", f"{size:,} bytes of JSON are too many; at most {MAX_VALUES_BYTES:,}.")]
    # What turns a thing down says why in its notes: nobody fills in a price for what they do not buy.
    form = ask.form if needs_form(ask.choices, said.decision) else {**ask.form, "required": []}
    given = dict(said.values or {})
    from jsonschema import Draft202012Validator  # noqa: PLC0415  # a tenth of a second that only answers need

    errors = sorted(Draft202012Validator(form).iter_errors(given), key=lambda error: list(error.path))
    return list(dict.fromkeys(problem for error in errors for problem in _named(error)))


def _of_texts(ask: Ask, said: Said) -> Iterator[Problem]:
    if said.notes and len(said.notes) > MAX_NOTES:
        yield Problem("notes", f"{len(said.notes)} characters are too many; at most {MAX_NOTES}.")
    if said.edited is None:
        return
    if ask.editable is None:
        yield Problem("edited", "what this question shows cannot be edited. Say in the notes what should be different.")
    elif (size := len(said.edited.encode())) > MAX_EDITED_BYTES:
        yield Problem("edited", f"{size:,} bytes are too many; at most {MAX_EDITED_BYTES:,}.")
    elif not said.edited.strip():
        yield Problem("edited", "is empty. Leave the text as it is, or turn it down.")


def _lines(text: str) -> list[str]:
    """As it is compared: a browser sends other line ends, and drops none at the end."""
    return text.strip().splitlines()


def _named(error: Any) -> Iterator[Problem]:
    """The problem where the field is, also where it is missing."""
    place = ["values", *map(str, error.path)]
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        yield from (Problem("/".join([*place, name]), "is required.") for name in missing)
    else:
        said = error.message if len(error.message) <= _MOST_SAID else f"…{error.message[-_MOST_SAID:]}"
        yield Problem("/".join(place), f"{said}.")
