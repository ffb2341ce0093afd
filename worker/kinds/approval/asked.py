"""What a person is asked, checked before anybody is bothered."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

MOST_CHOICES = 10
MOST_FIELDS = 20
JOB = re.compile(r"job://(?P<job>[0-9A-Za-z]{13})(?:/artifacts/(?P<name>[^/]+))?")
ADDRESS = re.compile(r"https://[^\s<>]+")
_TYPES = ("string", "number", "integer", "boolean")
_NAME = re.compile(r"\w[\w \-]{0,59}")
# What a form on a page and one in a chat can both show. No `pattern`: it would be tried on our server.
_SAYS = {"title", "description", "default", "format", "enum", "minimum", "maximum", "minLength", "maxLength"}
_OURS = {"decision", "notes"}
"""Every answer has these beside the form."""


def not_blank(question: str) -> str:
    """The question. Raises ValueError where there is none."""
    if not question.strip():
        raise ValueError("is blank. Say what the person is to decide.")
    return question.strip()


def checked_content(content: str | None) -> str | None:
    """Markdown, an address or a job. Raises ValueError for a job that is not named as jobs are."""
    text = (content or "").strip()
    if text.startswith("job://") and not JOB.fullmatch(text):
        raise ValueError("names no job: write job://ID, or job://ID/artifacts/NAME for one of its files.")
    return text or None


def checked_choices(choices: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The choices. Raises ValueError where they are too many, too long or not different."""
    if choices is None:
        return None
    tidy = tuple(" ".join(each.split()) for each in choices)
    if not 1 <= len(tidy) <= MOST_CHOICES or not all(0 < len(each) <= 60 for each in tidy):
        raise ValueError(f"must be 1 to {MOST_CHOICES} choices of up to 60 characters.")
    if len({each.casefold() for each in tidy}) < len(tidy):
        raise ValueError("must be choices that differ.")
    return tidy


def checked_form(form: dict[str, Any] | None) -> dict[str, Any] | None:
    """A flat JSON schema that any form can show. Raises ValueError with what is wrong with it."""
    if not form:
        return None
    properties = form.get("properties", {} if "type" in form and isinstance(form["type"], str) else form)
    required = form.get("required", []) if "properties" in form else []
    if not isinstance(properties, Mapping) or not 1 <= len(properties) <= MOST_FIELDS:
        raise ValueError(f"needs `properties`: 1 to {MOST_FIELDS} fields, each with a type.")
    if problem := next(_problems(properties), None):
        raise ValueError(problem)
    if not isinstance(required, list) or not set(map(str, required)) <= set(properties):
        raise ValueError("`required` must name fields of the form.")
    return {
        "type": "object",
        "properties": {name: _field(field) for name, field in properties.items()},
        "required": list(required),
        "additionalProperties": False,
    }


def _field(field: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "string", **field}


def _problems(properties: Mapping[str, Any]) -> Iterator[str]:
    for name, field in properties.items():
        if not _NAME.fullmatch(name) or name in _OURS:
            yield f"a field cannot be called '{name[:60]}': letters, digits, _ and -, and not decision or notes."
        elif not isinstance(field, Mapping):
            yield f'\'{name}\' must be a schema, such as {{"type": "string"}}.'
        elif field.get("type", "string") not in _TYPES:
            yield f"'{name}' must be one of {', '.join(_TYPES)}; the form is flat."
        elif unknown := sorted(set(field) - _SAYS - {"type"}):
            yield f"'{name}' says {unknown[0]}, which no form shows. Known: {', '.join(sorted(_SAYS))}."
        elif "enum" in field and not _is_choice(field):
            yield f"'{name}' must choose between 1 to 50 texts that differ."
        else:
            yield from _bad_bounds(name, field)


def _is_choice(field: Mapping[str, Any]) -> bool:
    among = field["enum"]
    return (
        field.get("type", "string") == "string"
        and isinstance(among, list)
        and 1 <= len(among) <= 50
        and all(isinstance(each, str) and each for each in among)
        and len(set(among)) == len(among)
    )


def _bad_bounds(name: str, field: Mapping[str, Any]) -> Iterator[str]:
    for says in ("minimum", "maximum", "minLength", "maxLength"):
        bound = field.get(says, 0)
        if isinstance(bound, bool) or not isinstance(bound, int | float) or (says.endswith("Length") and bound < 0):
            yield f"'{name}' must have a number as its {says}."
    for says in ("title", "description", "format"):
        if not isinstance(field.get(says, ""), str):
            yield f"'{name}' must have a text as its {says}."
