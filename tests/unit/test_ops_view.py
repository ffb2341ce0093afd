"""What the operators' page makes of numbers."""

from datetime import UTC, datetime, timedelta

from agent_tools.jobs.counts import NOT_MEASURED, Counted, Hour, every_hour, tallies
from agent_tools.jobs.trouble import Keeping
from web.ops_view import chart, kept, kinds

NOW = datetime(2026, 12, 3, 10, 45, tzinfo=UTC)


def test_bars_stand_on_each_other_below_a_round_number() -> None:
    drawn = chart(every_hour([Hour(NOW.replace(minute=0), 30, 10), Hour(NOW.replace(hour=8, minute=0), 5, 0)], NOW))

    assert (len(drawn.bars), drawn.most) == (24, 50)
    assert (drawn.bars[-1].completed_height, drawn.bars[-1].failed_height) == (60, 20)
    assert drawn.said == "35 jobs completed and 10 failed in the last 24 hours, most of them from 10:00 UTC on."


def test_a_day_without_an_end_is_a_chart_too() -> None:
    drawn = chart(every_hour([], NOW))

    assert drawn.most == 1
    assert {(bar.completed_height, bar.failed_height) for bar in drawn.bars} == {(0, 0)}
    assert drawn.said == "0 jobs completed and 0 failed in the last 24 hours."


def test_a_kind_of_which_one_in_a_thousand_failed_did_not_do_perfectly() -> None:
    counted = [Counted("page", "completed", 3, 9999, 1.0), Counted("page", "failed", NOT_MEASURED, 1, 0)]

    (row,) = kinds({}, tallies(counted))

    assert (row.month.rate, row.week.rate, row.month.median) == ("99.9 %", "", "under 1 s")


def test_a_kind_of_which_nothing_ended_has_no_row() -> None:
    assert kinds({}, tallies([Counted("page", "created", NOT_MEASURED, 3, 0)])) == []


def test_the_rule_of_keeping_is_said_with_its_notice() -> None:
    assert kept(Keeping(None, NOW), NOW).startswith("Completed jobs are kept for ever.")
    assert "goes 30 days after it completed, never before it was announced for 7 days" in kept(
        Keeping(30, NOW - timedelta(days=1)), NOW
    )
