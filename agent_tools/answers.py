"""What somebody answers, checked at the door."""

from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator

from agent_tools.jobs.asks import Ask
from agent_tools.jobs.errors import BadRequest, Problem
from agent_tools.jobs.kinds import listed, refuse_unstorable

MAX_NOTES = 10_000


def checked(ask: Ask, decision: str | None, values: Mapping[str, Any] | None, notes: str | None) -> dict[str, Any]:
    """The answer as it is kept. Raises BadRequest, naming each bad field."""
    refuse_unstorable({"decision": decision, "values": values, "notes": notes})
    problems = [*_of_decision(ask, decision), *_of_values(ask, values)]
    if notes and len(notes) > MAX_NOTES:
        problems.append(Problem("notes", f"{len(notes)} characters are too many; at most {MAX_NOTES}."))
    if problems:
        raise BadRequest(f"Not answered. {listed(problems)}", problems)
    return {"decision": decision, "values": dict(values) if values is not None else None, "notes": notes or None}


def _of_decision(ask: Ask, decision: str | None) -> list[Problem]:
    if decision is None and ask.choices:
        return [Problem("decision", f"is required: one of {', '.join(ask.choices)}.")]
    if decision is not None and decision not in ask.choices:
        allowed = f"one of {', '.join(ask.choices)}" if ask.choices else "none: only the form is asked for"
        return [Problem("decision", f"is {allowed}, not '{decision[:60]}'.")]
    return []


def _of_values(ask: Ask, values: Mapping[str, Any] | None) -> list[Problem]:
    if ask.form is None:
        return [Problem("values", "there is no form to fill in.")] if values else []
    errors = sorted(Draft202012Validator(ask.form).iter_errors(dict(values or {})), key=lambda error: list(error.path))
    return list(dict.fromkeys(problem for error in errors for problem in _named(error)))


def _named(error: Any) -> Iterator[Problem]:
    """The problem where the field is, also where it is missing."""
    place = ["values", *map(str, error.path)]
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        yield from (Problem("/".join([*place, name]), "is required.") for name in missing)
    else:
        yield Problem("/".join(place), f"{error.message}.")
