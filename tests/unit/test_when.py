"""When schedules come: zones, clocks put forward and back, missed times, and what can never be."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_tools.jobs.errors import BadRequest
from agent_tools.jobs.schedules import MOST_COUNTED, Coming, When, coming, is_late, title_at, when

BERLIN = "Europe/Berlin"
A_FIELD = st.text("0123456789*/-,#LW MONFRIJAN", min_size=1, max_size=6)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def times(cron: str, timezone: str, after: str, most: int) -> list[str]:
    return [f"{time:%m-%d %H:%M}" for time in islice(when(cron, timezone).after(at(after)), most)]


# -------------------------------------------------------------------------------------------------------- which times


def test_a_time_is_meant_as_the_clocks_there_show_it_summer_and_winter() -> None:
    assert times("0 6 * * *", BERLIN, "2026-07-01", 1) == ["07-01 04:00"]
    assert times("0 6 * * *", BERLIN, "2026-12-01", 1) == ["12-01 05:00"]
    assert times("0 6 * * *", "UTC", "2026-07-01", 1) == ["07-01 06:00"]
    assert times("0 6 * * *", "Asia/Kolkata", "2026-07-01", 1) == ["07-01 00:30"]


def test_a_time_that_the_clock_leaves_out_comes_once_right_after_the_gap() -> None:
    assert times("30 2 * * *", BERLIN, "2026-03-28T12:00", 2) == ["03-29 01:00", "03-30 00:30"]
    assert times("0,30 2 * * *", BERLIN, "2026-03-28T12:00", 2) == ["03-29 01:00", "03-30 00:00"]


def test_a_time_that_comes_twice_comes_once_at_the_first() -> None:
    assert times("30 2 * * *", BERLIN, "2026-10-24T12:00", 2) == ["10-25 00:30", "10-26 01:30"]


def test_asked_between_its_two_passes_it_does_not_go_back_to_the_first() -> None:
    assert times("30 2 * * *", BERLIN, "2026-10-25T01:15", 1) == ["10-26 01:30"]


def test_what_repeats_every_hour_goes_by_the_time_that_passes() -> None:
    assert times("30 * * * *", BERLIN, "2026-10-24T23:40", 3) == ["10-25 00:30", "10-25 01:30", "10-25 02:30"]
    assert times("*/30 * * * *", BERLIN, "2026-03-29T00:10", 3) == ["03-29 00:30", "03-29 01:00", "03-29 01:30"]


@pytest.mark.parametrize(
    ("cron", "first"),
    [("@hourly", "05-10 08:00"), ("@daily", "05-11 00:00"), ("@weekly", "05-17 00:00"), ("@Monthly", "06-01 00:00")],
)
def test_the_usual_ones_have_words(cron: str, first: str) -> None:
    assert times(cron, "UTC", "2026-05-10T07:30", 1) == [first]


def test_a_leap_day_is_waited_for() -> None:
    assert when("0 0 29 2 *").first_after(at("2026-01-01")) == at("2028-02-29")


@settings(max_examples=40, deadline=None)
@given(
    cron=st.sampled_from(["30 2 * * *", "0,15 1-3 * * *", "*/7 * * * *", "59 23 L * *", "0 */6 * * MON-FRI"]),
    zone=st.sampled_from([BERLIN, "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "UTC"]),
    days=st.floats(0, 8000),
)
def test_times_only_go_forward_and_looking_back_finds_the_same_ones(cron: str, zone: str, days: float) -> None:
    meant, since = When(cron, zone), at("2009-01-01") + timedelta(days=days)
    found = list(islice(meant.after(since), 6))

    assert all(one < other for one, other in pairwise([since, *found]))
    for before, time in pairwise([since, *found]):
        assert meant.latest(since, time + timedelta(seconds=59)) == meant.latest(since, time) == time
        assert meant.latest(since, time - timedelta(milliseconds=1)) == before
    assert [meant.first_after(time) for time in found[:-1]] == found[1:]


# ----------------------------------------------------------------------------------------------------------- missed ones


def test_of_missed_times_the_latest_counts_and_the_others_are_counted() -> None:
    nightly = when("0 2 * * *")

    assert coming(nightly, at("2026-11-20T02:00"), at("2026-11-20T02:00:01")) == Coming(
        at("2026-11-20T02:00"), 0, at("2026-11-21T02:00")
    )
    assert coming(nightly, at("2026-11-20T02:00"), at("2026-11-23T09:00")) == Coming(
        at("2026-11-23T02:00"), 3, at("2026-11-24T02:00")
    )


def test_nobody_there_while_the_clock_went_back_misses_what_came_in_the_first_pass() -> None:
    assert coming(when("30 2 * * *", BERLIN), at("2026-10-24T00:30"), at("2026-10-25T01:15")) == Coming(
        at("2026-10-25T00:30"), 1, at("2026-10-26T01:30")
    )


def test_a_year_of_missed_minutes_is_not_counted_one_by_one() -> None:
    assert coming(when("* * * * *"), at("2025-11-20"), at("2026-11-20T00:00:30")) == Coming(
        at("2026-11-20"), MOST_COUNTED, at("2026-11-20T00:01")
    )


def test_a_moment_of_nobody_is_not_late() -> None:
    assert not is_late(at("2026-11-20T02:00"), at("2026-11-20T02:04:59"))
    assert is_late(at("2026-11-20T02:00"), at("2026-11-20T02:05:01"))


def test_a_title_has_the_day_that_it_is_there() -> None:
    assert title_at("News of {date}", when("0 0 * * *", BERLIN), at("2026-11-21T23:00")) == "News of 2026-11-22"
    assert title_at("{kind} {date!r}", when("0 0 * * *"), at("2026-11-21")) == "{kind} {date!r}"
    assert title_at(None, when("0 0 * * *"), at("2026-11-21")) is None


# -------------------------------------------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("cron", "timezone", "said"),
    [
        ("0 2 * * *", BERLIN, "At 02:00 every day (Europe/Berlin)"),
        ("@weekly", "UTC", "At 00:00 on Sunday (UTC)"),
        ("*/5 * * * *", BERLIN, "Every fifth minute of every hour"),
        ("30 6 * * MON-FRI", "utc", "At 06:30 on Monday through Friday (UTC)"),
    ],
)
def test_what_is_meant_is_said_in_words(cron: str, timezone: str, said: str) -> None:
    assert when(cron, timezone).said == said


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("", "has 0 fields instead of five"),
        ("0 2 * *", "has 4 fields instead of five"),
        ("0 0 2 * * *", "seconds are not told apart"),
        ("61 * * * *", "minute '61' is not right: allowed are 0 to 59"),
        ("0 24 * * *", "hour '24' is not right: allowed are 0 to 23"),
        ("0 0 0 * *", "day of month '0' is not right: allowed are 1 to 31"),
        ("0 0 * 13 *", "month '13' is not right: allowed are 1 to 12 or JAN to DEC"),
        ("0 0 * * MOON", "day of week 'MOON' is not right: allowed are 0 to 7"),
        ("*/0 * * * *", "minute '*/0' is not right"),
        ("0 0 30 2 *", "never comes"),
        ("0 0 31 2,4,6 *", "never comes"),
        ("@reboot", "'@reboot' is not one of @hourly, @daily, @weekly, @monthly"),
        ("0 0 * * 1," + "1," * 60 + "1", "at most 100"),
    ],
)
def test_a_bad_expression_says_which_field_and_what_is_allowed(cron: str, said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        when(cron)

    (problem,) = refused.value.problems
    assert problem.field == "cron"
    assert said in problem.message


@pytest.mark.parametrize(
    ("timezone", "said"),
    [
        ("Europe/Belrin", "Did you mean 'Europe/Berlin'?"),
        ("Berlin", "Did you mean 'Europe/Berlin'?"),
        ("new york", "Did you mean 'America/New_York'?"),
        ("../../etc/passwd", "There is no time zone"),
        ("", "There is no time zone ''. Use a name such as Europe/Berlin."),
    ],
)
def test_an_unknown_zone_names_the_nearest_right_one(timezone: str, said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        when("@daily", timezone)

    assert [problem.field for problem in refused.value.problems] == ["timezone"]
    assert said in str(refused.value)


def test_a_zone_is_known_whatever_its_case() -> None:
    assert when("@daily", " europe/BERLIN ").timezone == BERLIN


@settings(max_examples=100, deadline=None)
@given(st.one_of(st.text(max_size=40), st.tuples(A_FIELD, A_FIELD, A_FIELD, A_FIELD, A_FIELD).map(" ".join)))
def test_whatever_is_written_is_a_schedule_or_a_sentence(cron: str) -> None:
    try:
        meant = when(cron, BERLIN)
    except BadRequest as error:
        assert error.problems[0].message.endswith(".")  # noqa: PT017 - either is well
        return

    assert meant.said
    assert coming(meant, at("2026-01-01"), at("2026-01-02")).next_at > at("2026-01-02")
