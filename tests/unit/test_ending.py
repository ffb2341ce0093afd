"""How an attempt ended, as it is written into the book."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel

from agent_tools import Artifact, GiveUp, Result, TryAgain
from agent_tools.jobs.errors import BadRequest
from agent_tools.jobs.job import JobError
from worker.ending import MAX_RESULT_BYTES, Ending, of_error, of_made, too_slow

A_DAY = datetime(2026, 1, 2, tzinfo=UTC)
FILE, OTHER = Artifact.text("a.txt", "a"), Artifact.text("b.txt", "b")


class Answer(BaseModel):
    on: datetime


@pytest.mark.parametrize(
    ("made", "ending"),
    [
        (None, Ending("completed")),
        (FILE, Ending("completed", artifacts=(FILE,))),
        ([FILE, OTHER], Ending("completed", artifacts=(FILE, OTHER))),
        ((each for each in [FILE]), Ending("completed", artifacts=(FILE,))),
        ([], Ending("completed")),
        ({"a": [1]}, Ending("completed", {"a": [1]})),
        (Answer(on=A_DAY), Ending("completed", {"on": "2026-01-02T00:00:00Z"})),
        (Result({"a": 1}, [FILE], "Done."), Ending("completed", {"a": 1}, "Done.", (FILE,))),
        (Result(Answer(on=A_DAY)), Ending("completed", {"on": "2026-01-02T00:00:00Z"})),
    ],
    ids=lambda each: type(each).__name__,
)
def test_what_a_handler_may_return_is_kept(made: Any, ending: Ending) -> None:
    assert of_made(made) == ending


@pytest.mark.parametrize("made", ["text", 5, b"bytes", [FILE, "b.txt"], object()])
def test_what_a_handler_may_not_return_is_refused_with_what_it_may(made: Any) -> None:
    with pytest.raises(BadRequest, match="it must return artifacts, a JSON object or a Result"):
        of_made(made)


@pytest.mark.parametrize("data", [{"a": "\0"}, {"a": "\ud800"}, {"a": float("inf")}, {"a": {1}}, {"a": A_DAY}])
def test_a_result_that_cannot_be_stored_is_refused(data: Any) -> None:
    with pytest.raises(BadRequest):
        of_made(data)


def test_a_result_that_just_fits_a_reply_stays_one() -> None:
    fits = {"x": "y" * (MAX_RESULT_BYTES - len('{"x": ""}'))}

    assert of_made(fits).result == fits


@pytest.mark.parametrize("filling", ["y" * (MAX_RESULT_BYTES - 8), "ä" * (MAX_RESULT_BYTES // 2), "y" * 5_000_000])
def test_a_result_too_large_for_a_reply_becomes_a_file_beside_the_others(filling: str) -> None:
    ending = of_made(Result({"x": filling}, [FILE], "Done."))

    assert (ending.result, ending.line) == (None, "Done.")
    assert [artifact.name for artifact in ending.artifacts] == ["a.txt", "result.json"]
    assert filling.encode() in (ending.artifacts[1].data or b"")


def test_what_a_job_is_redone_from_is_kept_in_its_result() -> None:
    assert of_made(Result({"slides": 2}, redo={"topic": None})).result == {"slides": 2, "redo": {"topic": None}}
    assert of_made(Result(redo={"topic": None})).result == {"redo": {"topic": None}}


@pytest.mark.parametrize("data", [None, {"slides": 2}])
def test_what_makes_a_result_too_large_to_redo_from_is_dropped_and_the_result_stays(data: Any) -> None:
    ending = of_made(Result(data, [FILE], redo={"slides": ["x" * MAX_RESULT_BYTES]}))

    assert (ending.result, ending.artifacts) == (data, (FILE,))


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (GiveUp("No topic."), Ending("failed", error=JobError("gave_up", "No topic."))),
        (BadRequest("hours: too many."), Ending("failed", error=JobError("bad_request", "hours: too many."))),
        (TryAgain("1m", "Busy."), Ending("errored", error=JobError("try_again", "Busy.", retryable=True), after_s=60)),
        (
            TryAgain(),
            Ending("errored", error=JobError("try_again", "The handler asked to be run again.", retryable=True)),
        ),
        (
            OSError(28, "No space left on device"),
            Ending(
                "errored",
                error=JobError(
                    "io_error", "The worker's disk or network: [Errno 28] No space left on device", retryable=True
                ),
            ),
        ),
        (
            KeyError("secret"),
            Ending(
                "errored",
                error=JobError(
                    "unexpected", "The handler failed in a way it did not foresee (KeyError).", retryable=True
                ),
            ),
        ),
        (
            asyncio.CancelledError(),
            Ending(
                "errored",
                error=JobError(
                    "unexpected", "The handler failed in a way it did not foresee (CancelledError).", retryable=True
                ),
            ),
        ),
    ],
    ids=lambda each: type(each).__name__,
)
def test_an_error_becomes_what_it_means(error: BaseException, ending: Ending) -> None:
    assert of_error(error, "0c3k9x2mq7f4w") == ending


@pytest.mark.parametrize(
    ("said", "kept"), [("a\0b", "ab"), ("a\ud800b", "a?b"), ("x" * 5000, "x" * 2000), ("", "GiveUp")]
)
def test_an_error_is_kept_as_well_as_it_can_be(said: str, kept: str) -> None:
    error = of_error(GiveUp(said), "0c3k9x2mq7f4w").error

    assert error is not None
    assert error.message == kept


def test_an_attempt_beyond_its_limit_says_the_limit() -> None:
    assert too_slow(600).error == JobError("timeout", "The attempt ran longer than its limit of 600 s.", retryable=True)
