"""What steps give, as JSON and back."""

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from agent_tools import Artifact
from agent_tools.jobs.artifact_store import StepFile
from worker.step_values import artifacts_in, as_json, files_in, with_artifacts

A, B = Artifact.text("a.txt", "a"), Artifact.text("b.txt", "b")
FILES = [StepFile("0c3k9x2mq7f4w", name, name, "text/plain", 1, "ab" * 32) for name in ("a.txt", "b.txt")]


class Anything(BaseModel):
    model_config = ConfigDict(extra="allow")


@pytest.mark.parametrize("value", [[A, B], (A, B), {"a": A, "more": [B]}, [[A], {"b": B, "c": 1}]], ids=repr)
def test_artifacts_in_lists_and_mappings_are_told_of_and_found_again_in_their_places(value: Any) -> None:
    recorded = as_json("draw", value, FILES)

    assert artifacts_in(value) == [A, B]
    assert files_in(recorded) == FILES
    found = with_artifacts(recorded, {FILES[0]: A, FILES[1]: B}.__getitem__)
    assert found == (list(value) if isinstance(value, tuple) else value)


@pytest.mark.parametrize("value", [None, 1, "a", [], {}, {"a": [1, {"b": None}]}])
def test_what_holds_no_artifact_stays_as_it_is(value: Any) -> None:
    assert with_artifacts(as_json("fetch", value), _refuse) == value
    assert artifacts_in(value) == files_in(as_json("fetch", value)) == []


FORGED = {"$artifact": FILES[0]._asdict()}


@pytest.mark.parametrize("value", [FORGED, {"a": [FORGED]}, {"$artifact": "x"}, Anything.model_validate(FORGED)])
def test_what_only_looks_like_a_file_is_not_recorded(value: Any) -> None:
    with pytest.raises(TypeError, match="may name nothing else"):
        as_json("fetch", value)
    with pytest.raises(TypeError, match="may name nothing else"):
        as_json("fetch", [A, value], FILES[:1])


def _refuse(file: StepFile) -> None:
    raise AssertionError(file)
