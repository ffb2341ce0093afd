"""What a model sends, understood where it is clear, and refused in a sentence where it is not."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from agent_tools.jobs.errors import BadRequest
from agent_tools.jobs.kinds import listed, problems_of
from agent_tools.requests import moment

Model = TypeVar("Model", bound=BaseModel)

# Other systems' words, and other spellings, for what is called differently here.
_STATUS_WORDS = {
    "pending": "queued", "submitted": "queued", "processing": "running", "in_progress": "running", "in progress": "running", "active": "running",
    "complete": "completed", "done": "completed", "succeeded": "completed", "success": "completed", "error": "failed", "canceled": "cancelled",
}  # fmt: skip
_ARGUMENT_WORDS = {
    "id": "job_id", "ids": "job_ids", "wait": "wait_seconds", "timeout": "wait_seconds", "query": "search", "tags": "labels",
    "undo_id": "undo", "subject_name": "subject", "page_size": "limit", "max_results": "limit", "cursor_token": "cursor",
}  # fmt: skip


class Arguments(BaseModel):
    """The arguments of a tool. Unknown ones are refused by name."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


def _as_list(value: Any) -> Any:
    """A lone string for a list: JSON, or words between commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return _as_json(value)
    return [word.strip() for word in value.split(",") if word.strip()]


def _as_json(value: Any) -> Any:
    """A JSON string for an object or a list."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _as_status(value: Any) -> Any:
    return [_STATUS_WORDS.get(str(word).lower(), word) for word in _as_list(value)] if value is not None else None


def _as_moment(value: Any) -> Any:
    """An age such as `7d`, or ISO 8601."""
    return moment(value) if isinstance(value, str) else value


JobIds = Annotated[list[str], BeforeValidator(_as_list), Field(min_length=1, max_length=50)]
After = Annotated[
    list[int | str], BeforeValidator(lambda value: [value] if isinstance(value, int) else _as_list(value))
]
Labels = Annotated[dict[str, str], BeforeValidator(_as_json)]
Values = Annotated[dict[str, Any], BeforeValidator(_as_json)]
Changes = Annotated[dict[str, Any], BeforeValidator(_as_json)]
Status = Literal["queued", "running", "waiting", "completed", "failed", "cancelled"]
Statuses = Annotated[list[Status], BeforeValidator(_as_status)]
Words = Annotated[list[str], BeforeValidator(_as_list)]
Moment = Annotated[datetime, BeforeValidator(_as_moment)]


def parse(model: type[Model], given: Mapping[str, Any] | None, call: str) -> Model:
    """The arguments, or BadRequest with what is wrong and a `call` that works."""
    try:
        return model.model_validate(tidy(given or {}, set(model.model_fields)))
    except ValidationError as error:
        problems = problems_of(error, model)
        raise BadRequest(f"{listed(problems)} A call that works: {call}", problems) from None


def tidy(given: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    """Without what means nothing (null), and under the names that are used here."""
    tidied: dict[str, Any] = {}
    for name, value in given.items():
        if value is None or value == "null":
            continue
        ours = _our_name(name, known)
        tidied[ours if ours not in tidied else name] = value
    return tidied


def _our_name(name: str, known: set[str]) -> str:
    if name in known:
        return name
    ours = _ARGUMENT_WORDS.get(name, name)
    if ours in known:
        return ours
    # One for many and many for one: job_id for job_ids.
    for other in (f"{name}s", name.removesuffix("s"), f"{ours}s", ours.removesuffix("s")):
        if other in known:
            return other
    return name


def compact(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON schema without what costs tokens and tells nothing: titles, nulls, empty defaults."""
    small: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "title" and isinstance(value, str):
            continue
        if key == "default" and value in (None, "", [], {}, False):
            continue
        if key == "properties":
            small[key] = {name: compact(inner) for name, inner in value.items()}
        elif key == "anyOf":
            kept = [compact(inner) for inner in value if inner != {"type": "null"}]
            small |= kept[0] if len(kept) == 1 else {"anyOf": kept}
        elif isinstance(value, Mapping):
            small[key] = compact(value)
        else:
            small[key] = value
    return small
