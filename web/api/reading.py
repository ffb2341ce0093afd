"""What was sent → a model, or a refusal that says what is wrong."""

import json
from typing import Any, TypeVar, get_origin

from pydantic import ValidationError
from starlette.requests import Request

from agent_tools.jobs.errors import BadRequest, Problem, TooLarge
from agent_tools.jobs.kinds import MAX_DEPTH, listed, problems_of
from web.api.asked import Asked
from web.api.problems import Malformed, WrongMediaType

Model = TypeVar("Model", bound=Asked)

MAX_BODY_BYTES = 4_000_000
_DEEPEST = MAX_DEPTH + 10
"""What lies around the arguments of a job is a few levels more."""


def read_query(request: Request, model: type[Model]) -> Model:
    """The query parameters; one that is no list may stand once. Raises BadRequest."""
    lists = {name for name, field in model.model_fields.items() if get_origin(field.annotation) is list}
    given: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name in lists:
            given.setdefault(name, []).append(value)
        elif name in given:
            raise BadRequest(f"{name}: is given twice.", [Problem(name, "is given twice.")])
        else:
            given[name] = value
    return _validated(model, given)


async def read_body(request: Request, model: type[Model]) -> Model:
    """The body; none is an empty object. Raises TooLarge, WrongMediaType, Malformed or BadRequest."""
    raw = await read_bytes(request, MAX_BODY_BYTES)
    if raw and request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise WrongMediaType("The body must be JSON: send it with 'Content-Type: application/json'.")
    given = _parse(raw) if raw else {}
    if not isinstance(given, dict):
        raise BadRequest("The body must be a JSON object.", [Problem("", "must be a JSON object.")])
    return _validated(model, given)


async def read_bytes(request: Request, most: int) -> bytes:
    """The body as it is, and no more of it than is taken. Raises TooLarge."""
    refusal = TooLarge(f"The body is larger than {most // 1_000_000} MB. Send less at once.")
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced[:20]) > most:
        raise refusal
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise refusal
    return bytes(body)


def _parse(raw: bytes) -> Any:
    too_deep = Malformed(f"The body is nested more than {_DEEPEST} levels deep.")
    try:
        value = json.loads(raw.decode(), object_pairs_hook=_once_each, parse_constant=_refuse_constant)
    except ValueError as error:
        raise Malformed(f"The body is not JSON: {error}.") from None
    except RecursionError:
        raise too_deep from None
    if _is_deeper(value, _DEEPEST):
        raise too_deep
    return value


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a name that stands twice, one reader takes the first value and another the last."""
    made: dict[str, Any] = {}
    for name, value in pairs:
        if name in made:
            raise ValueError(f"the name {name!r} stands twice in one object")
        made[name] = value
    return made


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _is_deeper(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most + 1):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return bool(level)


def _validated(model: type[Model], given: dict[str, Any]) -> Model:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        problems = problems_of(error, model)
        raise BadRequest(listed(problems), problems) from None
