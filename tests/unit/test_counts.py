"""What was counted → how often and how long."""

from datetime import UTC, datetime, timedelta

import pytest

from agent_tools.jobs.counts import BOUNDS_S, NOT_MEASURED, Counted, Hour, Spread, every_hour, tallies


def spread(*seconds: float) -> Spread:
    found = Spread()
    for each in seconds:
        found.add(Counted("page", "completed", sum(bound <= each for bound in BOUNDS_S), 1, each))
    return found


def test_a_quantile_lies_in_the_bucket_in_which_it_is() -> None:
    waits = spread(*[0.7] * 90, *[50] * 10)

    half, most, all_of_them = (waits.quantile(share) for share in (0.5, 0.9, 1))

    assert half is not None
    assert 0.5 <= half <= 1
    assert most == pytest.approx(1)
    assert all_of_them == pytest.approx(60)
    assert spread().quantile(0.5) is None


def test_what_took_longer_than_any_bound_is_counted_and_no_longer_than_the_last_bound() -> None:
    slow = spread(BOUNDS_S[-1] * 3)

    assert slow.quantile(0.5) == BOUNDS_S[-1]
    assert slow.up_to()[-2:] == [(str(float(BOUNDS_S[-1])), 0), ("+Inf", 1)]


def test_what_was_not_measured_is_no_time_of_nothing() -> None:
    found = spread(2)
    found.add(Counted("page", "failed", NOT_MEASURED, 5, 0))

    assert (found.jobs, found.seconds) == (1, 2)


def test_those_that_took_workers_along_failed_too() -> None:
    tally = tallies(
        [
            Counted("page", what, NOT_MEASURED, jobs, 0)
            for what, jobs in [("completed", 6), ("failed", 1), ("poison", 1)]
        ]
    )

    assert (tally["page"].failed, tally["page"].success_rate) == (2, 0.75)
    assert tallies([Counted("page", "created", NOT_MEASURED, 1, 0)])["page"].success_rate is None


def test_hours_in_which_nothing_ended_are_hours() -> None:
    now = datetime(2026, 12, 3, 10, 45, tzinfo=UTC)
    busy = Hour(now.replace(hour=8, minute=0), 5, 1)

    hours = every_hour([busy], now, 4)

    assert [hour.began.hour for hour in hours] == [7, 8, 9, 10]
    assert hours[1] == busy
    assert hours[3] == Hour(now - timedelta(minutes=45), 0, 0)
