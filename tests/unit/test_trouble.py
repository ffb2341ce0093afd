"""How an installation stands → what is wrong with it, and what to do."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent_tools.jobs.job import Worker
from agent_tools.jobs.trouble import Deliveries, Oldest, Questions, Room, Seen, Trouble, Unfinished, troubles

NOW = datetime(2026, 12, 3, 10, 0, tzinfo=UTC)
WORKER = Worker(
    name="w", host="desk", pid=1, queues=("default",), kinds=("page",), unavailable={"episode": "It needs the extra 'media'."},
    max_jobs=10, running=0, started_at=NOW - timedelta(days=1), seen_at=NOW, is_alive=True,
)  # fmt: skip
WELL = Seen(NOW, [WORKER], [], Deliveries(0, 0, 0), Questions(0, 0, None), room=Room(90 * 10**9, 100 * 10**9))


def queued(seconds: float, kind: str = "page", jobs: int = 3) -> Unfinished:
    return Unfinished(kind, "default", "queued", jobs, NOW - timedelta(seconds=seconds))


def said(**different: Any) -> str:
    """The one trouble that there is where this is so."""
    (found,) = troubles(replace(WELL, **different))
    return f"{found.said} {found.do}"


def test_where_nothing_is_wrong_nothing_is_said() -> None:
    busy = [queued(30), queued(90_000, jobs=2)._replace(state="person"), queued(9e6)._replace(state="scheduled")]

    assert (
        troubles(replace(WELL, unfinished=busy, deliveries=Deliveries(4, 0, 0), questions=Questions(9, 0, NOW))) == []
    )


def test_that_nobody_works_is_urgent_and_says_since_when_and_what_stands_still() -> None:
    gone = replace(WORKER, is_alive=False, seen_at=NOW - timedelta(minutes=40))

    (found,) = troubles(replace(WELL, workers=[gone], unfinished=[queued(3600), queued(60, "episode", 1)]))

    assert found == Trouble(
        "No worker is alive; the last one was seen 40 min ago. 4 jobs stand still.",
        "Start one with 'backburner up' or 'backburner worker'.",
        is_urgent=True,
    )


def test_a_kind_that_jobs_wait_for_and_nobody_runs_says_why() -> None:
    assert said(unfinished=[queued(60, "episode", 1)]) == (
        "1 job of the kind 'episode' waits, and no worker alive runs it. "
        "It needs the extra 'media'. 'backburner doctor' says what each kind needs."
    )


@pytest.mark.parametrize(
    ("usually", "waited", "is_slow"), [(0, 100, False), (0, 130, True), (300, 800, False), (300, 950, True)]
)
def test_longer_than_usual_is_judged_by_what_is_usual(usually: float, waited: float, is_slow: bool) -> None:
    found = troubles(replace(WELL, unfinished=[queued(waited)], usual_wait_s={"page": usually} if usually else {}))

    assert bool(found) == is_slow


def test_what_waits_longer_than_usual_says_why_and_leads_there() -> None:
    why = "Queued 20 min: all 10 slots of 1 worker are taken; 0 jobs of yours before it."

    (found,) = troubles(
        replace(
            WELL,
            workers=[replace(WORKER, running=10)],
            unfinished=[queued(1200)],
            usual_wait_s={"page": 4},
            oldest={("page", "default"): Oldest("0c3k9x2mq7f4w", why)},
        )
    )

    assert (
        found.said
        == "3 jobs of the kind 'page' wait for a worker, the oldest for 20 min; 9 of 10 begin within about 4 s."
    )
    assert found.do == f"Of the oldest: {why} More workers help: 'backburner worker --workers 2', on any machine."
    assert (found.href, found.is_urgent) == ("/jobs/0c3k9x2mq7f4w", False)


@pytest.mark.parametrize(
    ("different", "sentence"),
    [
        ({"redis_answers": False}, "Redis does not answer. What is asked for is kept, and begins when it is back."),
        ({"tail_lag_s": 90.0}, "Live pages and waits are 2 min behind. A transaction that writes"),
        ({"room": Room(800_000_000, 100 * 10**9)}, "The disk of the artifacts is nearly full: 0.8 of 100 GB are free."),
        ({"crashed": 2}, "Workers died over 2 jobs in the last day."),
        ({"crashed": 4, "poisoned": 1}, "Workers died over 5 jobs in the last day; 1 job took three along and was given up."),
        ({"deliveries": Deliveries(9, 3, 1)}, "Messages to webhooks are not taken: 3 are tried again and 1 was given up this week."),
        ({"deliveries": Deliveries(1, 1, 0)}, "Messages to webhooks are not taken: 1 is tried again."),
        ({"questions": Questions(5, 1, NOW - timedelta(days=9))}, "One question waits longer than a week: for 9 days."),
        ({"questions": Questions(5, 2, NOW - timedelta(days=9))}, "2 questions wait longer than a week, the oldest for 9 days."),
    ],
)  # fmt: skip
def test_each_trouble_is_a_sentence_and_says_what_to_do(different: dict[str, Any], sentence: str) -> None:
    assert said(**different).startswith(sentence)
    assert len(said(**different)) > len(sentence) + 10


def test_what_is_not_known_is_no_trouble() -> None:
    assert troubles(replace(WELL, room=None, tail_lag_s=None)) == []


def test_the_urgent_come_first() -> None:
    found = troubles(replace(WELL, crashed=1, redis_answers=False))

    assert [each.is_urgent for each in found] == [True, False]
