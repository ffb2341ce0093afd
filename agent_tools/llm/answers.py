"""The shape that a model's answer must have: how it is asked for, and how it is found in what came."""

import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from agent_tools.jobs.kinds import listed, problems_of

Shape = TypeVar("Shape", bound=BaseModel)

_THOUGHT = re.compile(r"<think>.*?(</think>|$)", re.DOTALL)
_LENGTHS = frozenset({"maxLength", "minLength"})
_ANNOTATIONS = frozenset({"title", "default"})


def strict_schema(shape: type[BaseModel], *, lengths: bool = True) -> dict[str, Any]:
    """The schema as strict servers want it: every property required, none besides.

    Without `lengths` it says nothing about those of strings, which some refuse.
    """
    schema = _strict(shape.model_json_schema(), _ANNOTATIONS if lengths else _ANNOTATIONS | _LENGTHS)
    return dict(schema)


def demand(shape: type[BaseModel]) -> str:
    """What to tell the model: some servers do not hold it to a schema, and none tells it the fields' meaning."""
    return (
        "Answer with one JSON object and nothing else, in one go and without padding. "
        f"It fits this JSON schema: {json.dumps(strict_schema(shape), ensure_ascii=False, separators=(',', ':'))}"
    )


def read_answer(text: str, shape: type[Shape]) -> Shape:
    """The outermost JSON object in the text, whatever stands around it. Raises ValueError with what is wrong."""
    found = _object_in(_THOUGHT.sub("", text))
    if found is None:
        raise ValueError("There is no complete JSON object in it.")
    try:
        return shape.model_validate_json(found)
    except ValidationError as error:
        raise ValueError(listed(problems_of(error, shape))) from None


def _object_in(text: str) -> str | None:
    decoder, begin = json.JSONDecoder(), text.find("{")
    for _ in range(1000):
        if begin < 0:
            return None
        try:
            _, end = decoder.raw_decode(text, begin)
            return text[begin:end]
        except (ValueError, RecursionError):
            begin = text.find("{", begin + 1)
    return None


def _strict(schema: Any, without: frozenset[str]) -> Any:
    if isinstance(schema, list):
        return [_strict(each, without) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    named = schema.get("properties")
    inner = {
        key: {name: _strict(each, without) for name, each in value.items()}
        if key in ("properties", "$defs")
        else _strict(value, without)
        for key, value in schema.items()
        if key not in without
    }
    return inner if named is None else {**inner, "required": list(named), "additionalProperties": False}
