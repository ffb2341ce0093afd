"""Durations as people write them."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_tools import TryAgain
from agent_tools.jobs.context import seconds


@pytest.mark.parametrize(
    ("written", "meant"),
    [("90s", 90), ("5m", 300), ("1h 30m", 5400), ("1h30m", 5400), (" 7 d ", 604_800), ("2w", 1_209_600), ("0.5s", 0.5), (30, 30), (1.5, 1.5),
     (timedelta(minutes=2), 120)],
)  # fmt: skip
def test_a_duration_means_so_many_seconds(written: Any, meant: float) -> None:
    assert seconds(written) == meant


@pytest.mark.parametrize("written", ["", " ", "5", "5 minutes", "m", "-5m", "1h later", "5M", "1,5h"])
def test_anything_else_is_refused_with_how_to_write_it(written: str) -> None:
    with pytest.raises(ValueError, match=r"is no duration\. Write it as '90s', '5m', '1h 30m' or '7d'"):
        seconds(written)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_parts_add_up(hours: int, minutes: int, rest: int) -> None:
    assert seconds(f"{hours}h {minutes}m {rest}s") == 3600 * hours + 60 * minutes + rest


def test_a_handler_may_ask_for_another_attempt_in_words() -> None:
    assert (TryAgain("1m", "Busy.").after_s, str(TryAgain("1m", "Busy."))) == (60, "Busy.")
    assert TryAgain().after_s is None
