"""A workflow of Opus as people and agents see it: inputs by the names that it shows, sent by the names that it made up. Pure."""

import difflib
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

from agent_tools.opus.errors import OpusRefused

FILES = frozenset({"file", "array_files"})
_IN_WORDS = {
    "str": "text",
    "float": "number",
    "bool": "true or false",
    "date": "date, as 2026-11-22",
    "file": "file",
    "array": "list",
    "array_files": "files",
    "object": "object",
}
_TRUTH = {"true": True, "yes": True, "false": False, "no": False}


@dataclass(frozen=True)
class Input:
    """One thing that a workflow takes. `variable` is what Opus calls it, `name` what it shows."""

    variable: str
    name: str
    type: str
    is_required: bool
    extensions: tuple[str, ...] = ()
    """Files: those that are taken, such as `.pdf`; empty: what Opus takes at all."""

    def in_words(self) -> str:
        """`Invoice (file: PDF, DOCX; required)`."""
        kinds = f": {', '.join(each.removeprefix('.').upper() for each in self.extensions)}" if self.extensions else ""
        required = "; required" if self.is_required else ""
        return f"{self.name} ({_IN_WORDS.get(self.type, self.type)}{kinds}{required})"


@dataclass(frozen=True)
class Filled:
    """What a workflow is to be given, by variable: values that are ready, and where its files are to be had."""

    values: Mapping[str, Any]
    files: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Workflow:
    """A workflow, and what it takes. `version` None: the newest that is active."""

    id: str
    name: str
    version: int | None
    inputs: tuple[Input, ...]

    @classmethod
    def read(cls, workflow_id: str, found: Mapping[str, Any], version: int | None = None) -> Self:
        """From Opus's answer, in which only jobPayloadSchema is sure to be there."""
        schema = found["jobPayloadSchema"]
        inputs = (_input(str(variable), about) for variable, about in schema.items() if isinstance(about, Mapping))
        return cls(workflow_id, str(found.get("name") or workflow_id), version, tuple(inputs))

    @property
    def named(self) -> str:
        """`ID`, or `ID@version` where it is not the newest that is meant."""
        return self.id if self.version is None else f"{self.id}@{self.version}"

    def in_words(self) -> str:
        """What it is called and takes, as a sentence."""
        taken = ", ".join(each.in_words() for each in self.inputs)
        return f"“{self.name}” takes: {taken}." if taken else f"“{self.name}” takes nothing."

    def find(self, name: str) -> Input | None:
        """The input of this name or variable, however it is written."""
        wanted = _folded(name)
        return next((each for each in self.inputs if wanted in (_folded(each.name), _folded(each.variable))), None)

    def fill(self, given: Mapping[str, Any]) -> Filled:
        """These inputs, by variable. Raises OpusRefused, naming everything that is wrong and what is taken."""
        problems = [*self._unknown(given), *self._missing(given)]
        values, files = dict[str, Any](), dict[str, tuple[str, ...]]()
        for name, value in given.items():
            wanted = self.find(name)
            if wanted is None or value is None:
                continue
            try:
                if wanted.type in FILES:
                    files[wanted.variable] = _sources(value)
                else:
                    values[wanted.variable] = _value(wanted.type, value)
            except ValueError as error:
                problems.append(f"{wanted.name}: {error}")
        if problems:
            raise OpusRefused(f"Nothing was sent to Opus. {' '.join(problems)} {self.in_words()}")
        return Filled(values, files)

    def payload(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values by variable as Opus wants to have them."""
        by_variable = {each.variable: each for each in self.inputs}
        return {
            name: {"value": value, "type": by_variable[name].type, "displayName": by_variable[name].name}
            for name, value in values.items()
        }

    def _unknown(self, given: Mapping[str, Any]) -> Iterator[str]:
        names = {_folded(each.name): each.name for each in self.inputs}
        for name in given:
            if self.find(name) is None:
                near = difflib.get_close_matches(_folded(name), names, n=1)
                yield f"{name[:60]}: is no input of it.{f' Did you mean {names[near[0]]}?' if near else ''}"

    def _missing(self, given: Mapping[str, Any]) -> Iterator[str]:
        there = {wanted.variable for name in given if given[name] is not None and (wanted := self.find(name))}
        for each in self.inputs:
            if each.is_required and each.variable not in there:
                yield f"{each.name}: is required."


def _input(variable: str, about: Mapping[str, Any]) -> Input:
    tags = {tag.get("variable_name"): tag.get("value") for tag in about.get("tags") or () if isinstance(tag, Mapping)}
    extensions = tags.get("allowed_file_types")
    return Input(
        variable=str(about.get("variable_name") or variable),
        name=str(about.get("display_name") or variable),
        type=str(about.get("type") or "str"),
        is_required=about.get("is_nullable") is False,
        extensions=tuple(f".{str(each).lower().lstrip('.')}" for each in extensions)
        if isinstance(extensions, list)
        else (),
    )


def _folded(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())


def _sources(value: Any) -> tuple[str, ...]:
    sources = [value] if isinstance(value, str) else value
    if not isinstance(sources, list | tuple) or not all(isinstance(each, str) and each.strip() for each in sources):
        raise ValueError("must be a https address or job://ID/artifacts/NAME, or a list of them.")
    return tuple(each.strip() for each in sources)


def _value(type_: str, value: Any) -> Any:
    """The value as its type is sent. Raises ValueError with what is allowed."""
    match type_:
        case "str":
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        case "float":
            return _number(value)
        case "bool":
            if isinstance(value, str):
                value = _TRUTH.get(value.strip().lower())
            if not isinstance(value, bool):
                raise ValueError("must be true or false.")
        case "date":
            try:
                return date.fromisoformat(str(value)[:10]).isoformat()
            except ValueError:
                raise ValueError("must be a date, as 2026-11-22.") from None
        case "array":
            value = _decoded(value)
            return list(value) if isinstance(value, list | tuple) else [value]
        case "object":
            value = _decoded(value)
            if not isinstance(value, Mapping):
                raise ValueError("must be an object.")
    return value


def _number(value: Any) -> float:
    with suppress(ValueError):
        if (
            isinstance(value, int | float | str)
            and not isinstance(value, bool)
            and math.isfinite(number := float(value))
        ):
            return number
    raise ValueError("must be a number.")


def _decoded(value: Any) -> Any:
    """What a text that is JSON says; anything else as it is."""
    if isinstance(value, str):
        with suppress(ValueError):
            return json.loads(value)
    return value
