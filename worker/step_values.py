"""What steps give, as JSON: files stand in it as what tells of them. Pure."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from agent_tools.jobs.artifact_store import StepFile
from agent_tools.jobs.artifacts import Artifact
from agent_tools.jobs.errors import BadRequest
from agent_tools.jobs.kinds import refuse_unstorable

_FILE = "$artifact"


def artifacts_in(value: Any) -> list[Artifact]:
    """The artifacts that a value is or holds, in lists and mappings, in order."""
    found = list[Artifact]()
    _swapped(value, _is_artifact, found.append)
    return found


def as_json(name: str, value: Any, files: Iterable[StepFile] = ()) -> Any:
    """The value of the step `name`, with `files` in the places of its artifacts. Raises TypeError where it is not JSON."""
    kept = [{_FILE: file._asdict()} for file in files]
    next_one = iter(kept)
    try:
        plain = to_jsonable_python(_swapped(value, _is_artifact, lambda _: next(next_one)))
        refuse_unstorable(plain)
    except (PydanticSerializationError, BadRequest) as error:
        raise TypeError(f"Step '{name}' cannot be recorded: {error}") from error
    told_of = list[Any]()
    _swapped(plain, _is_file, told_of.append)
    if len(told_of) != len(kept):
        raise TypeError(
            f"Step '{name}' cannot be recorded: '{_FILE}' is how files are recorded, and may name nothing else."
        )
    return plain


def files_in(recorded: Any) -> list[StepFile]:
    """The files that a recorded value is or holds, in order."""
    found = list[StepFile]()
    with_artifacts(recorded, found.append)
    return found


def with_artifacts(recorded: Any, artifact: Callable[[StepFile], Any]) -> Any:
    """A recorded value, with what `artifact` gives in the places of its files."""
    return _swapped(recorded, _is_file, lambda each: artifact(StepFile(**each[_FILE])))


def _is_artifact(value: Any) -> bool:
    return isinstance(value, Artifact)


def _is_file(value: Any) -> bool:
    return isinstance(value, Mapping) and value.keys() == {_FILE}


def _swapped(value: Any, is_one: Callable[[Any], bool], swap: Callable[[Any], Any]) -> Any:
    if is_one(value):
        return swap(value)
    if isinstance(value, Mapping):
        return {key: _swapped(inner, is_one, swap) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_swapped(inner, is_one, swap) for inner in value]
    return value
