"""What stands before a queued job, and for how long."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from test_eta import NOW, QUEUED

from agent_tools.jobs.job import Worker
from agent_tools.jobs.queue import MOST_AHEAD, Going, Head, Place, limits, places, wait_s

WORKER = Worker("w1", "here", 1, ("default",), ("quiz", "page"), {}, 4, 4, NOW, NOW, is_alive=True)
IDLE = replace(WORKER, running=0)
TAKE = {"quiz": 10.0, "page": 1.0}


def head(priority: int, *kinds: str, **at: int) -> Head:
    return Head("default", priority, kinds, at)


def ahead_of(priority: int, heads: Sequence[Head]) -> Mapping[str, int]:
    job = replace(QUEUED, id="mine", priority=priority)
    return places([job], NOW, heads, [])["mine"].ahead


def test_in_its_own_lane_those_stand_before_it_that_were_due_earlier() -> None:
    assert ahead_of(0, [head(0, "quiz", "page", "quiz", "quiz", mine=2)]) == {"quiz": 1, "page": 1}


def test_of_a_higher_lane_four_are_begun_for_each_of_its_own() -> None:
    assert ahead_of(0, [head(0, *["quiz"] * 9, mine=2), head(1, *["page"] * 30)]) == {"quiz": 2, "page": 9}
    assert ahead_of(0, [head(0, *["quiz"] * 9, mine=2), head(1, *["page"] * 3)]) == {"quiz": 2, "page": 3}


def test_of_a_lower_lane_one_is_begun_for_four_of_its_own() -> None:
    assert ahead_of(1, [head(1, *["quiz"] * 9, mine=8), head(0, *["page"] * 30)]) == {"quiz": 8, "page": 2}


def test_what_stands_further_back_than_is_counted_is_said_to() -> None:
    place = places([replace(QUEUED, id="mine")], NOW, [head(0, *["quiz"] * 1001)], [])["mine"]

    assert place.count > MOST_AHEAD
    assert wait_s(QUEUED, place, [IDLE], TAKE) is None


def test_what_is_not_due_has_no_place() -> None:
    later = replace(QUEUED, run_after=NOW + timedelta(seconds=1))

    assert places([later], NOW, [], []) == {}


def test_what_is_ahead_is_done_in_as_many_slots_as_there_are() -> None:
    def wait(place: Place, *workers: Worker) -> float | None:
        return wait_s(QUEUED, place, workers, TAKE)

    assert wait(Place(), replace(WORKER, running=3)) == 0
    assert wait(Place({"quiz": 8}, {"quiz": [5.0] * 4}), WORKER) == (80 + 20) / 4
    assert wait(Place({"quiz": 8}, {"quiz": [0.0] * 2}), WORKER) == (80 + 40) / 4, (
        "others' are like those that are seen"
    )
    assert wait(Place({"unheard": 8}, {"quiz": [0.0] * 4}), WORKER) is None
    assert wait(Place(), WORKER) is None, "all that runs is others', and nobody knows for how long"
    assert wait(Place()) is None, "no worker is alive"


def test_slots_of_workers_that_do_not_serve_the_job_are_no_slots() -> None:
    others = [replace(IDLE, queues=("media",)), replace(IDLE, kinds=("page",)), replace(IDLE, is_alive=False)]

    assert wait_s(QUEUED, Place(), others, TAKE) is None


def test_where_few_of_a_kind_run_at_once_its_jobs_wait_for_those_and_not_for_a_slot() -> None:
    place = Place({"quiz": 9}, {"quiz": [0.0]}, {"quiz": 1})

    assert wait_s(QUEUED, place, [replace(IDLE, running=1)], TAKE) == 9 * 10 + 10


def test_what_may_not_run_yet_stands_in_nobody_elses_way() -> None:
    place = Place({"quiz": 900}, {"quiz": [0.0]}, {"quiz": 1})
    page = replace(QUEUED, kind="page")

    assert wait_s(page, place, [replace(WORKER, running=1)], TAKE) == 0
    busy = Place({"quiz": 900, "page": 60}, {"quiz": [0.0], "page": [0.0] * 3}, {"quiz": 1})
    assert wait_s(page, busy, [WORKER], TAKE) == pytest.approx((60 + 3) / 3), "one of four slots is the other kind's"


def test_the_limit_of_a_kind_counts_what_runs_of_it_in_all_queues() -> None:
    going = [Going("default", "quiz", [1.0, 2.0], 3), Going("media", "quiz", [4.0], 3), Going(None, "page", [], 2)]

    found = limits([QUEUED, replace(QUEUED, kind="page"), replace(QUEUED, kind="free")], going)

    assert found == {"quiz": (3, 3), "page": (2, 0), "free": (None, 0)}
