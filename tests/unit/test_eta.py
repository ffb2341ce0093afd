"""A job, and what others like it took → when it will have ended."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_tools.jobs.eta import Eta, History, Span, eta
from agent_tools.jobs.job import Job, JobStatus, Progress
from agent_tools.jobs.runs import Run, SoFar, Stage
from agent_tools.jobs.why import left, takes

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
JOB = Job(
    id="0c3k9x2mq7f4w", tenant=1, principal=1, kind="quiz", queue="default", title="", args={}, subject=None, labels={}, priority=0,
    batch_id=None, redo_of=None, status=JobStatus.RUNNING, waiting_for=None, version=1, run_after=NOW, rung_at=None,
    attempt=1, errors=0, crashes=0, max_attempts=3, fence=7, worker="w1", lease_until=None, deadline_at=None, progress=None,
    result=None, result_line=None, decision=None, error=None, created_at=NOW, started_at=NOW, claimed_at=NOW,
    finished_at=None, seen_at=None, keep_until=None,
)  # fmt: skip
QUEUED = replace(JOB, status=JobStatus.QUEUED, claimed_at=None, fence=None)


def run(*stages: tuple[str, float] | tuple[str, float, float], waits: int = 0) -> Run:
    """A run of these stages in order, each with its seconds and perhaps its units."""
    return Run(
        {name: Stage(took, place, place, *units) for place, (name, took, *units) in enumerate(stages)}, waits=waits
    )


def plain(*took_s: float) -> History:
    return History([run(("", each)) for each in took_s])


def at(seconds: float, so_far: SoFar | None = None, **more: Any) -> tuple[Job, datetime]:
    """The job so long after its claim, of which it said `so_far`."""
    progress = Progress("Working", so_far=replace(so_far, fence=7)) if so_far else None
    return replace(JOB, progress=progress, **more), NOW + timedelta(seconds=seconds)


def left_s(job_at: tuple[Job, datetime], history: History) -> float:
    told = eta(*job_at, history)
    assert told is not None
    return told.left.mid_s


def test_below_three_runs_nothing_is_foretold() -> None:
    assert eta(*at(1), plain(10, 10)) is None
    assert plain(10, 10).takes(None) is None
    assert left_s(at(1), plain(10, 10, 10)) == pytest.approx(9)


def test_what_took_longer_than_the_job_has_run_says_what_is_left() -> None:
    history = plain(10, 20, 30, 40)

    assert left_s(at(0), history) == pytest.approx(25)
    assert left_s(at(25), history) == pytest.approx(10)


def test_a_job_that_takes_longer_than_any_other_is_overdue_and_says_what_is_usual() -> None:
    told = eta(*at(60), plain(35, 40, 45))

    assert told is not None
    assert (told.is_overdue, told.percent) == (True, 99)
    assert left(told) == "overdue: usually 40 s"


def test_what_stages_are_over_is_not_expected_again_and_what_comes_is_added() -> None:
    history = History([run(("", 1), ("fetch", 10), ("write", 50))] * 3)
    fetching = SoFar(run(("", 1), ("fetch", 4)), "fetch", at_s=5)
    writing = SoFar(run(("", 1), ("fetch", 10), ("write", 0)), "write", at_s=11)

    assert left_s(at(7, fetching), history) == pytest.approx(54)
    assert left_s(at(11, writing), history) == pytest.approx(50)
    assert left_s(at(31, writing), history) == pytest.approx(30)


def test_a_stage_that_half_of_the_runs_have_counts_half() -> None:
    history = History([run(("", 10), ("mend", 40)), run(("", 10))] * 2)

    assert left_s(at(0), history) == pytest.approx(10 + 20)


def test_stages_that_take_turns_go_on_until_both_are_done() -> None:
    turns = Run({"": Stage(0), "read": Stage(10, 1, 5), "write": Stage(20, 2, 6)})
    so_far = SoFar(Run({"": Stage(0), "read": Stage(4, 1, 3), "write": Stage(5, 2, 2)}), "read", at_s=9)

    assert left_s(at(9, so_far), History([turns] * 3)) == pytest.approx(6 + 15, abs=0.1)


def test_units_say_how_long_the_stage_takes_and_those_after_it() -> None:
    history = History([run(("read", n / 10, n), ("write", n)) for n in (10, 100, 30, 60)])
    so_far = SoFar(run(("read", 0, 200)), "read")

    assert left_s(at(0, so_far), history) == pytest.approx(220, rel=0.1)


def test_units_that_tell_nothing_are_not_believed() -> None:
    history = History([run(("read", 10, units)) for units in (1, 1000, 30, 5)])

    assert left_s(at(0, SoFar(run(("read", 0, 9000)), "read")), history) == pytest.approx(10)


def test_the_size_of_the_arguments_counts_where_it_tells_something() -> None:
    history = History([replace(run(("", size / 100)), size=size) for size in (100, 1000, 500, 4000)])

    span = history.takes(8000)
    assert span is not None
    assert span.mid_s == pytest.approx(80, rel=0.1)


def test_how_far_the_stage_is_counts_more_the_further_it_is() -> None:
    history = plain(100, 100, 100)

    def after(seconds: float, share: float) -> float:
        return left_s(at(seconds, SoFar(run(("", seconds)), "", share, seconds, at_s=seconds)), history)

    assert after(10, 0.1) == pytest.approx(90)
    assert after(20, 0.1) == pytest.approx((1 - 0.1**0.5) * 100 + 0.1**0.5 * 200 - 20)
    assert after(180, 0.9) == pytest.approx(20)


def test_a_run_that_is_slow_so_far_stays_slow_but_not_more_than_three_times() -> None:
    history = History([run(("", 100), ("write", 100))] * 3)

    def after(seconds: float) -> float:
        return left_s(at(seconds, SoFar(run(("", seconds), ("write", 0)), "write", at_s=seconds)), history)

    assert after(100) == pytest.approx(100)
    assert 180 < after(200) < 200
    assert after(5000) == pytest.approx(300)


def test_a_host_that_changes_between_reports_is_seen_by_the_clock_of_the_claim() -> None:
    history = plain(100, 100, 100)
    said = SoFar(run(("", 40)), "", at_s=40)
    resumed = replace(said, run=run(("write", 40)), stage="write", fence=3)

    assert left_s(at(60, said), history) == pytest.approx(40)
    job = replace(JOB, progress=Progress("", so_far=resumed))
    assert left_s((job, NOW + timedelta(seconds=10)), History([run(("write", 100))] * 3)) == pytest.approx(50)


@pytest.mark.parametrize("waiting_for", ["person", "outside", "jobs"])
def test_what_waits_has_no_end_that_could_be_told(waiting_for: str) -> None:
    job = replace(JOB, status=JobStatus.WAITING, waiting_for=waiting_for)

    assert eta(job, NOW, plain(10, 10, 10)) is None


def test_before_a_person_has_answered_nothing_is_told_and_after_it_the_rest() -> None:
    history = History([run(("draft", 10), ("send", 20), waits=1)] * 3)
    before = SoFar(run(("draft", 5)), "draft", at_s=5)
    after = SoFar(run(("draft", 10), ("send", 0), waits=1), "send", at_s=10)

    assert eta(*at(5, before), history) is None
    assert history.takes(None) is None
    assert left_s(at(10, after), history) == pytest.approx(20)


def test_the_way_through_the_queue_is_added() -> None:
    told = eta(QUEUED, NOW, plain(10, 10, 10), before_s=25)

    assert told is not None
    assert told.left.mid_s == 35
    assert eta(QUEUED, NOW, plain(10, 10, 10)) is None, "nobody knows for how long it stands there"


def test_a_job_for_later_ends_later() -> None:
    later = replace(QUEUED, run_after=NOW + timedelta(seconds=60))

    told = eta(later, NOW, plain(10, 10, 10), before_s=0)

    assert told is not None
    assert told.left.mid_s == 70


def redone(*shares: float) -> list[Run]:
    """New versions of which so much was taken over."""
    return [replace(run(("", 0), ("draw", 100)), taken_over_s=100 * share) for share in shares]


def test_a_new_version_is_foretold_by_how_much_of_such_was_taken_over() -> None:
    history = History([run(("", 0), ("draw", 100))] * 10 + redone(0.9, 0.9, 0.8))
    anew = replace(QUEUED, redo_of="0c3k9x2mq7f4v")

    told, whole = eta(anew, NOW, history, before_s=0), eta(QUEUED, NOW, history, before_s=0)

    assert told is not None
    assert whole is not None
    assert (told.left.mid_s, whole.left.mid_s) == (pytest.approx(10), 100)


def test_of_the_first_new_version_it_is_said_that_it_may_be_over_at_once() -> None:
    told = eta(replace(QUEUED, redo_of="0c3k9x2mq7f4v"), NOW, plain(*[100] * 10), before_s=0)

    assert told is not None
    assert (told.left.low_s, told.left.mid_s) == (0, 100)


def test_a_new_version_that_runs_is_not_taken_for_a_whole_one_before_it_gets_to_its_steps() -> None:
    history = History([run(("", 5), ("draw", 95))] * 10 + redone(0.9, 0.9, 0.9))
    anew = replace(JOB, redo_of="0c3k9x2mq7f4v")

    told = eta(anew, NOW + timedelta(seconds=2), history)

    assert told is not None
    assert told.left.mid_s == pytest.approx(8)


# --------------------------------------------------------------------------------------------------------- ranges


@pytest.mark.parametrize("spread", [0.2, 0.6])
@pytest.mark.parametrize("number", [5, 20])
def test_about_eight_of_ten_end_within_their_range_however_few_are_known(number: int, spread: float) -> None:
    chance, looks = Random(number), list[bool]()
    for _ in range(20):
        took = [60 * chance.lognormvariate(0, spread) for _ in range(number)]
        history = plain(*took)
        for took_s in [60 * chance.lognormvariate(0, spread) for _ in range(8)]:
            for share in (0, 0.4, 0.8):
                span = history.left(SoFar(run(("", 0))), share * took_s)
                assert span is not None
                looks.append(span.low_s <= (1 - share) * took_s <= span.high_s)

    assert 0.7 <= sum(looks) / len(looks) <= 0.95


def test_ranges_of_what_always_takes_the_same_get_narrow_with_more_runs() -> None:
    few, many = plain(*[60] * 3).takes(None), plain(*[60] * 50).takes(None)

    assert few is not None
    assert many is not None
    assert few.low_s < 50
    assert few.high_s > 70
    assert (many.low_s, many.high_s) == (60, 60)


def test_below_a_second_past_what_is_usual_it_ends_at_any_moment() -> None:
    told = eta(*at(1.2), plain(0.5, 1, 1.1, 1.3, 2))

    assert told is not None
    assert told.left.mid_s == pytest.approx(0, abs=0.01)
    assert not told.is_overdue
    assert left(told) == "about 1 s left"


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (Span(1, 1.4, 1.9), "about 1 s (9 of 10 take under 2 s)"),
        (Span(30, 38, 58), "about 40 s (9 of 10 take under 1 min)"),
        (Span(60, 130, 400), "about 2 min (9 of 10 take under 10 min)"),
    ],
)
def test_what_such_jobs_take_in_words(span: Span, words: str) -> None:
    assert takes(span) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "about 1 s left"), (43, "about 45 s left"), (131, "about 2 min left")]
)
def test_what_is_left_in_words(seconds: float, words: str) -> None:
    assert left(Eta(Span(0, seconds, 2 * seconds), 60)) == words


lengths = st.floats(0, 1e5)
names = st.sampled_from(["", "fetch", "write", "draw #"])
stages = st.dictionaries(
    names, st.builds(Stage, lengths, st.integers(0, 9), st.integers(0, 9), st.none() | st.floats(0.1, 1e6)), min_size=1
)
runs = st.builds(Run, stages, st.none() | st.floats(0, 1e6), st.just(0))
so_fars = st.builds(SoFar, runs, names, st.none() | st.floats(0, 1), lengths, st.just(7), lengths)


@given(st.lists(runs, min_size=3, max_size=20), so_fars, lengths)
def test_what_is_left_is_never_negative_and_lies_in_its_range(
    past: Sequence[Run], so_far: SoFar, seconds: float
) -> None:
    told = eta(*at(seconds, so_far), History(past))

    assert told is not None
    assert 0 <= told.left.low_s <= told.left.mid_s <= told.left.high_s
    assert told.percent is not None
    assert 0 <= told.percent <= 99
