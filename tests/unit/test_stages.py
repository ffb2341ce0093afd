"""Where the time of an attempt goes."""

import pytest

from agent_tools.jobs.runs import MOST_STAGES, Stage, so_far_of, stage_name
from worker.stages import Stages


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stages(clock: Clock) -> Stages:
    return Stages(7, 20, clock)


def test_a_stage_goes_on_until_another_step_begins(stages: Stages, clock: Clock) -> None:
    clock.now += 1
    stages.enter("draw 1")
    clock.now += 2
    stages.enter("draw 2")
    clock.now += 3
    stages.enter("bind")
    clock.now += 4

    run = stages.run()

    assert run.stages == {"": Stage(1, 0, 0), "draw #": Stage(5, 1, 1), "bind": Stage(4, 2, 2)}
    assert (run.took_s, run.size) == (10, 20)


def test_only_another_stage_is_news(stages: Stages) -> None:
    assert [stages.enter(step) for step in ("draw 1", "draw 2", "bind", "draw 3")] == [True, False, True, True]


def test_what_an_earlier_attempt_did_counts_as_it_took_then(stages: Stages, clock: Clock) -> None:
    stages.recorded("fetch", 30)
    stages.waited()
    stages.enter("send")
    clock.now += 4

    run = stages.run()

    assert (run.stages["fetch"].took_s, run.stages["send"].took_s, run.took_s, run.waits) == (30, 4, 34, 1)


def test_what_is_said_just_before_steps_is_said_of_them_all(stages: Stages) -> None:
    shares = []
    for number in range(4):
        stages.said(number, 4, in_step=False)
        stages.enter("draw")
        shares.append(stages.so_far().share)

    assert shares == [0, 0.25, 0.5, 0.75]
    assert stages.run().stages["draw"].units == 4


def test_what_is_said_in_a_step_is_the_steps_own(stages: Stages) -> None:
    for seconds in (600, 300):
        stages.enter("transcribe")
        stages.said(60, seconds, in_step=True)

    assert stages.run().stages["transcribe"].units == 900
    assert stages.so_far().share is None, "nobody knows how many more such steps there are"


def test_a_step_that_goes_on_where_the_one_before_it_ended_is_a_part_of_the_same_whole(stages: Stages) -> None:
    shares = []
    for done in (600, 1200, 1800):
        stages.enter("transcribe")
        stages.said(done - 600, 1800, in_step=True)
        stages.said(done, 1800, in_step=True)
        shares.append(stages.so_far().share)

    assert shares == [pytest.approx(1 / 3), pytest.approx(2 / 3), 1]
    assert stages.run().stages["transcribe"].units == 1800


def test_counting_the_stages_of_a_job_says_nothing_of_how_far_each_is(stages: Stages) -> None:
    shares = []
    for number, step in enumerate(("fetch", "read", "write")):
        stages.said(number, 3, in_step=False)
        stages.enter(step)
        shares.append(stages.so_far().share)

    assert shares == [0, 0, 0]


def test_a_last_word_about_a_stage_says_nothing_of_the_one_after_it(stages: Stages) -> None:
    stages.enter("draw")
    stages.said(3, 3, in_step=False)
    stages.enter("bind")

    assert stages.so_far().share is None


def test_a_last_word_of_one_of_one_takes_no_units_back(stages: Stages) -> None:
    stages.said(0, 5, in_step=False)
    stages.enter("draw")
    stages.said(1, 1, in_step=False)

    assert stages.run().stages["draw"].units == 5
    assert stages.so_far().share == 1


def test_a_share_is_told_with_the_time_at_which_it_was_said(stages: Stages, clock: Clock) -> None:
    clock.now += 5
    stages.said(1, 4, in_step=False)
    clock.now += 20

    so_far = stages.so_far()

    assert (so_far.share, so_far.share_s, so_far.at_s, so_far.fence) == (0.25, 5, 25, 7)


def test_of_very_many_stages_the_last_ones_are_one(stages: Stages) -> None:
    for number in range(200):
        stages.enter(f"step {chr(0x4E00 + number)}")

    assert len(stages.run().stages) <= MOST_STAGES + 1


def test_steps_that_differ_in_numbers_are_one_stage() -> None:
    assert {stage_name(f"story {number}") for number in range(20)} == {"story #"}


def test_what_another_version_wrote_is_read_as_far_as_it_is_known() -> None:
    row = {"stage": "x", "later": 1, "run": {"stages": {"x": {"took_s": 1, "mood": "good"}}, "later": 1}}

    so_far = so_far_of(row)

    assert so_far is not None
    assert (so_far.stage, so_far.run.stages) == ("x", {"x": Stage(1)})
