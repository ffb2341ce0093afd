"""A form's JSON schema → the fields of a page, and what was filled in → the values. Pure."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from agent_tools.jobs.errors import Problem
from web.words import kind_name

PREFIX = "values/"
"""What the names of fields begin with, so that a form may have one called `decision`."""
_LONG = 60
_TEXTS = ({"type": "string"},)
_RULE = re.compile(r"^---[ \t]*$", re.MULTILINE)
Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Field:
    """A field as it is shown. `sort`: line, text, number, tick, choice, lines for a list of texts, or json for what has
    no field of its own.

    `text` is what stands in it; for a choice the place of the option, from 0, empty where nothing is chosen.
    """

    name: str
    path: str
    sort: str
    label: str
    about: str
    is_required: bool
    text: str = ""
    is_ticked: bool = False
    options: Sequence[tuple[str, Any]] = ()
    limits: Mapping[str, Any] = field(default_factory=dict)
    is_whole: bool = False
    may_be_none: bool = False
    has_default: bool = False
    error: str = ""

    @property
    def key(self) -> str:
        """What any page may use as an id."""
        return self.path.encode().hex()


def fields(schema: Schema | None) -> list[Field]:
    """The fields of a form, filled with its defaults."""
    if schema is None:
        return []
    required = schema.get("required", ())
    given = schema.get("properties", {})
    return [_field(name, given[name], schema, name in required) for name in in_order(given, schema.get("order"))]


def in_order(names: Iterable[str], order: Any) -> list[str]:
    """The names as their author wrote them down, where that was kept."""
    places = {name: place for place, name in enumerate(order)} if isinstance(order, list) else {}
    return sorted(names, key=lambda name: places.get(name, len(places)))


def optional(given: Iterable[Field]) -> list[Field]:
    """Those in which something stands, none of them required: what somebody has to fill in who turns the thing down."""
    return [replace(each, is_required=False) for each in given if each.sort == "tick" or each.text.strip()]


def filled(asked: Iterable[Field], sent: Mapping[str, str]) -> list[Field]:
    """The same with what was sent in place of the defaults."""
    return [
        replace(each, is_ticked=each.path in sent)
        if each.sort == "tick"
        else replace(each, text=sent.get(each.path, "").replace("\r\n", "\n"))
        for each in asked
    ]


def values(sent: Iterable[Field]) -> tuple[dict[str, Any], list[Problem]]:
    """What was filled in, as the form's schema wants it; and what is wrong with it."""
    given: dict[str, Any] = {}
    problems: list[Problem] = []
    for each in sent:
        try:
            if (value := _value(each)) is not _LEFT_OUT:
                given[each.name] = value
        except ValueError as error:
            problems.append(Problem(each.path, str(error)))
    return given, problems


def with_problems(sent: Iterable[Field], problems: Sequence[Problem]) -> list[Field]:
    """The fields, each with what is wrong with it."""
    wrong: dict[str, str] = {}
    for problem in problems:
        name = "/".join(problem.field.split("/")[:2])
        wrong.setdefault(name, problem.message[:1].upper() + problem.message[1:])
    return [replace(each, error=wrong.get(each.path, "")) for each in sent]


_LEFT_OUT = object()


def _value(field: Field) -> Any:
    text = field.text
    match field.sort:
        case "tick":
            return field.is_ticked
        case "line" | "text" if text or not field.may_be_none:
            if field.is_required and not text.strip():
                raise ValueError("Fill this in.")
            return text
        case "choice" if text.isdecimal() and int(text) < len(field.options):
            return field.options[int(text)][1]
    if not text.strip():
        if field.may_be_none:
            return None
        if field.is_required:
            raise ValueError("Choose one." if field.sort == "choice" else "Fill this in.")
        return _LEFT_OUT
    match field.sort:
        case "number":
            return _number(text, field.is_whole)
        case "lines":
            return _parts(text)
    return _json(text)


def _parts(text: str) -> list[str]:
    """Parted by lines of `---` where there are some; else a text with paragraphs is one part, and one without a part a line."""
    parts = _RULE.split(text)
    if len(parts) > 1:
        return [part.strip("\n") for part in parts if part.strip()]
    if "\n\n" in text.strip():
        return [text.strip("\n")]
    return [line.strip() for line in text.splitlines() if line.strip()]


def _number(text: str, is_whole: bool) -> int | float:
    try:
        return int(text)
    except ValueError:
        number = math.nan if is_whole else _float(text)
    if not math.isfinite(number):
        raise ValueError("This is to be a whole number." if is_whole else "This is to be a number.")
    return number


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _json(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise ValueError("This is to be JSON, such as [1, 2] or “text” in double quotes.") from None


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _field(name: str, given: Schema, root: Schema, is_required: bool) -> Field:
    schema, may_be_none = _plain(given, root)
    default = given.get("default", schema.get("default"))
    title = str(given.get("title") or schema.get("title") or "")
    is_named = title and title != name.replace("_", " ").title() and "$ref" not in given
    made = Field(
        name=name,
        path=f"{PREFIX}{name}",
        sort="json",
        label=title if is_named else kind_name(name),
        about=str(given.get("description") or ("" if "$ref" in given else schema.get("description", ""))),
        is_required=is_required and not may_be_none,
        may_be_none=may_be_none,
        has_default="default" in given,
    )
    if (options := _options(schema)) is not None:
        return _choice(made, options, default)
    match schema.get("type"):
        case "string":
            return _text(made, {**schema, **given}, str(default or ""))
        case "integer" | "number" as kind:
            text = "" if default is None else json.dumps(default)
            limits = {html: schema[said] for said, html in (("minimum", "min"), ("maximum", "max")) if said in schema}
            step = 1 if kind == "integer" else "any"
            return replace(made, sort="number", text=text, limits={**limits, "step": step}, is_whole=kind == "integer")
        case "boolean" if may_be_none:
            return _choice(made, [True, False], default)
        case "boolean":
            return replace(made, sort="tick", is_ticked=bool(default), is_required=False)
        case "array" if schema.get("items") in _TEXTS:
            return replace(made, sort="lines", text="\n".join(map(str, default or ())))
    return replace(made, text="" if default is None else json.dumps(default, ensure_ascii=False))


def _text(field: Field, schema: Schema, default: str) -> Field:
    most = schema.get("maxLength")
    is_media = str(schema.get("contentMediaType", "")).startswith("text/")
    is_long = is_media or "\n" in default or len(default) > _LONG or (most or 0) > 4 * _LONG
    limits = {html: schema[said] for said, html in (("maxLength", "maxlength"),) if said in schema}
    return replace(field, sort="text" if is_long else "line", text=default, limits=limits)


def _choice(field: Field, options: Sequence[Any], default: Any) -> Field:
    place = next((str(number) for number, each in enumerate(options) if each == default), "")
    return replace(field, sort="choice", options=[(_said(each), each) for each in options], text=place)


def _said(option: Any) -> str:
    if isinstance(option, bool):
        return "Yes" if option else "No"
    return option if isinstance(option, str) else json.dumps(option)


def _options(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    found = schema.get("enum")
    return list(found) if isinstance(found, list) else None


def _plain(schema: Schema, root: Schema) -> tuple[Schema, bool]:
    """The schema that a reference or an `X | None` stands for, and whether None will do."""
    for _ in range(5):
        if str(schema.get("$ref", "")).startswith("#/$defs/"):
            schema = root.get("$defs", {}).get(schema["$ref"].removeprefix("#/$defs/"), {})
        elif len(schema.get("allOf", ())) == 1:
            schema = schema["allOf"][0]
        else:
            break
    choices = schema.get("anyOf", ())
    some = [each for each in choices if each.get("type") != "null"]
    if len(some) == 1 and len(some) < len(choices):
        return _plain(some[0], root)[0], True
    return schema, False
