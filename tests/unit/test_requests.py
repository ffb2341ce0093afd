"""What somebody asks for, checked at the door."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent_tools import JobContext, job_kind
from agent_tools.jobs.errors import BadRequest
from agent_tools.jobs.kinds import Kinds
from agent_tools.requests import (
    UNORGANISED,
    NewJob,
    as_sent,
    checked_labels,
    folded,
    hash_of,
    job_filter,
    parse,
    parse_all,
    parse_one,
    place,
    subject_name,
)  # fmt: skip


@job_kind("quiz", aliases=["test"])
async def quiz(job: JobContext, topic: str = "cells", slides: tuple[str, ...] = ()) -> None:
    """Write a quiz."""


KINDS = Kinds([quiz])
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


# ------------------------------------------------------------------------------------------------------ subjects and labels


@given(TEXT)
@example("ΰ")
@example("ß ẞ SS")
def test_a_folded_name_folds_to_itself(name: str) -> None:
    assert folded(folded(name)) == folded(name)


@given(st.text(st.sampled_from("aAäÄßéÉ zZñÑΣσς"), min_size=1), st.text(" \t\n\u00a0", min_size=1))
def test_a_name_is_the_same_whatever_its_case_and_spaces(name: str, space: str) -> None:
    assert folded(name.upper()) == folded(name.lower()) == folded(space + name.replace(" ", space) + space)


@given(TEXT)
def test_a_subject_is_none_or_tidy_or_refused(name: str) -> None:
    try:
        subject = subject_name(name)
    except BadRequest:
        assert len(name) > 120
        return

    assert subject is None or (0 < len(subject) <= 120 and subject == " ".join(subject.split()))
    assert (subject is None) == (folded(name) in UNORGANISED)


def test_a_word_for_no_subject_lists_the_unorganised() -> None:
    assert job_filter(subject=" Unorganized ").unorganised
    assert job_filter(subject="Cells  and DNA").subject == "cells and dna"
    assert not job_filter().unorganised


def test_arguments_of_a_kind_that_says_so_are_labels_and_no_label_speaks_against_them() -> None:
    @job_kind("talk", labels=["topic", "place"])
    async def talk(job: JobContext, topic: str, place: str | None = None) -> None:
        """Talk."""

    sent = NewJob("talk", {"topic": "tides"}, labels={"topic": "stars", "by": "me"})

    assert parse(sent, Kinds([talk])).row["labels"] == {"topic": "tides", "by": "me"}


def test_a_label_that_is_no_argument_is_refused_where_the_kind_is_made() -> None:
    async def talk(job: JobContext, topic: str) -> None:
        """Talk."""

    with pytest.raises(TypeError, match="has no parameter place that could be a label"):
        job_kind("talk", labels=["topic", "place"])(talk)


@given(st.dictionaries(st.text(max_size=70) | st.integers(), st.text(max_size=210) | st.none(), max_size=24))
def test_labels_are_kept_as_they_are_or_refused(labels: dict[Any, Any]) -> None:
    fits = len(labels) <= 20 and all(
        isinstance(name, str) and isinstance(text, str) and 0 < len(name) <= 60 and len(text) <= 200
        for name, text in labels.items()
    )

    if fits:
        assert checked_labels(labels) == labels
    else:
        with pytest.raises(BadRequest, match="labels: at most 20 names"):
            checked_labels(labels)


# -------------------------------------------------------------------------------------------------------- sameness


def test_the_request_as_sent_leaves_out_what_nobody_said() -> None:
    assert as_sent(NewJob("quiz")) == {"kind": "quiz"}
    assert as_sent(NewJob("quiz", {"topic": "x"}, priority="normal")) == {"kind": "quiz", "args": {"topic": "x"}}


def test_everything_said_is_part_of_the_request() -> None:
    said = NewJob("quiz", {"topic": "x"}, "Cells", "One", {"a": "1"}, True, "low", datetime(2026, 1, 2, tzinfo=UTC))
    others = [
        replace(said, kind="test"), replace(said, args={}), replace(said, subject="DNA"), replace(said, title="Two"),
        replace(said, labels={}), replace(said, again=False), replace(said, priority="high"),
        replace(said, run_after=datetime(2026, 1, 3, tzinfo=UTC)),
    ]  # fmt: skip

    assert len({hash_of(as_sent(job)) for job in [said, *others]}) == 1 + len(others)


def test_the_order_of_arguments_makes_no_difference() -> None:
    one, other = NewJob("quiz", {"topic": "x", "slides": []}), NewJob("quiz", {"slides": [], "topic": "x"})

    assert hash_of(as_sent(one)) == hash_of(as_sent(other))
    assert parse(one, KINDS).row["args_hash"] == parse(other, KINDS).row["args_hash"]


def test_an_alias_and_a_default_said_aloud_ask_for_the_same() -> None:
    hashes = {
        parse(job, KINDS).row["args_hash"]
        for job in (NewJob("quiz"), NewJob("test"), NewJob("quiz", {"topic": "cells", "slides": []}))
    }

    assert len(hashes) == 1


# --------------------------------------------------------------------------------------------------------------- batches


def test_every_bad_job_of_a_batch_is_named_and_the_sentence_has_an_end() -> None:
    with pytest.raises(BadRequest, match="And 3 more bad jobs") as refused:
        parse_all([NewJob("quiz"), *[NewJob("quiz", {"topic": n}) for n in range(8)]], KINDS)

    assert [problem.field for problem in refused.value.problems] == [f"jobs/{n}/topic" for n in range(1, 9)]


# --------------------------------------------------------------------------------------------------------------- cursors


@given(st.text())
@example("MjAyNg")
def test_a_cursor_is_a_place_or_refused(cursor: str) -> None:
    with pytest.raises(BadRequest, match="cursor: was not made here"):
        place(cursor)


# ------------------------------------------------------------------------------------------------------------ coming after

ID, OTHER_ID = "0c3k9x2mq7f4w", "0c3k9x2mq7f4x"


def after(*parents: str | int, **more: Any) -> NewJob:
    return NewJob("quiz", after=parents, **more)


def rows(*jobs: NewJob) -> list[dict[str, Any]]:
    return [parsed.row for parsed in parse_all(jobs, KINDS)]


def test_parents_are_ids_or_places_each_once() -> None:
    (_, job) = rows(NewJob("quiz"), after(0, "0", " 0 ", ID, ID.upper()))

    assert job["after"] == [0, ID]
    assert rows(NewJob("quiz"))[0]["after"] is None


@pytest.mark.parametrize(
    ("jobs", "sentence"),
    [
        ([after(1)], "jobs/0/after: there is no jobs/1 in this batch"),
        ([after(-1)], "jobs/0/after: there is no jobs/-1 in this batch"),
        ([after(0)], "jobs/0/after: jobs/0 waits for jobs/0, which never ends"),
        ([after("there")], "jobs/0: after: 'there' is no job id"),
        ([after(*range(1001))], "1001 jobs are too many"),
        ([after(0, if_parent_fails="stop")], "if_parent_fails: 'stop' is not one of cancel, run"),
    ],
)
def test_parents_that_cannot_be_are_named_in_a_sentence(jobs: list[NewJob], sentence: str) -> None:
    with pytest.raises(BadRequest, match=sentence) as refused:
        parse_all(jobs, KINDS)

    assert str(refused.value).startswith("Nothing was created.")


def test_a_circle_is_named_in_the_order_in_which_its_jobs_wait() -> None:
    with pytest.raises(
        BadRequest, match=r"jobs/(\d) waits for jobs/\d waits for jobs/\d waits for jobs/\1, which never ends"
    ) as refused:
        parse_all([NewJob("quiz"), after(2), after(3), after(1)], KINDS)

    circle = [int(each) for each in re.findall(r"jobs/(\d)", str(refused.value).partition(": ")[2])]
    assert {(one, other) for one, other in pairwise(circle)} == {(1, 2), (2, 3), (3, 1)}


def test_places_mean_nothing_to_a_job_by_itself() -> None:
    with pytest.raises(BadRequest, match="places are for jobs that are created together"):
        parse_one(after(0), KINDS)
    assert parse_one(after(ID), KINDS).row["after"] == [ID]


def test_what_a_job_comes_after_is_part_of_what_makes_it_the_same() -> None:
    hashes = [
        rows(NewJob("quiz"))[0]["args_hash"],
        rows(after(ID))[0]["args_hash"],
        rows(after(OTHER_ID))[0]["args_hash"],
        rows(after(ID, if_parent_fails="run"))[0]["args_hash"],
        rows(NewJob("quiz"), after(0))[1]["args_hash"],
        rows(NewJob("quiz", {"topic": "tides"}), after(0))[1]["args_hash"],
    ]

    assert len(set(hashes)) == len(hashes)
    assert rows(after(ID, OTHER_ID))[0]["args_hash"] == rows(after(OTHER_ID, ID))[0]["args_hash"]
    assert rows(after(1), NewJob("quiz"))[0]["args_hash"] == rows(NewJob("quiz"), after(0))[1]["args_hash"]


def test_what_comes_after_another_one_is_another_one() -> None:
    again = rows(NewJob("quiz", again=True), after(0), after(1), NewJob("quiz"))

    assert [row["again"] for row in again] == [True, True, True, False]
