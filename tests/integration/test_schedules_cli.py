"""Schedules at the command line, from the first to the last word."""

import json
import sys
from typing import Any

import pytest
from given import Stores

from agent_tools.cli import main
from agent_tools.settings import Settings


@pytest.fixture(autouse=True)
def _installation(shared_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", shared_settings.database_url)
    monkeypatch.setenv("REDIS_URL", shared_settings.redis_url)
    monkeypatch.setenv("BACKBURNER_HOME", str(shared_settings.home))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def schedules(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    """What `backburner schedules …` prints and complains, and how it exits."""

    def say(*words: str) -> tuple[str, str, int]:
        monkeypatch.setattr(sys, "argv", ["backburner", "schedules", *words])
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capfd.readouterr()
        return " ".join(out.split()), " ".join(err.split()), int(left.value.code or 0)

    return say


def test_one_is_added_listed_shown_changed_paused_resumed_run_and_deleted(schedules: Any, stores: Stores) -> None:
    added = schedules("add", "nightly", "0 2 * * *", "page", "content=# Tides", "--zone", "Europe/Berlin", "--title", "Of {date}",
                      "--label", "by=clock", "--priority", "high", "--overlap", "allow", "--catch-up", "none")  # fmt: skip
    assert added[2] == 0, added
    assert added[0].startswith("nightly At 02:00 every day (Europe/Berlin) Cron 0 2 * * * Next ")
    (row,) = stores.book.run("SELECT job, overlap, catch_up FROM schedules")
    assert (row["job"]["labels"], row["job"]["priority"], row["overlap"], row["catch_up"]) == (
        {"by": "clock"},
        "high",
        "allow",
        "none",
    )

    assert "nightly At 02:00 every day (Europe/Berlin) page in " in schedules("list")[0]
    said = schedules("change", "Nightly", "theme=dark", "--cron", "@hourly", "--rename", "hourly", "--json")
    assert said[2] == 0, said
    changed = json.loads(said[0])
    assert (changed["name"], changed["cron"], changed["args"]) == (
        "hourly",
        "@hourly",
        {"content": "# Tides", "theme": "dark"},
    )
    assert schedules("pause", "hourly")[1] == "'hourly' is paused."
    assert "paused" in schedules("list")[0]
    assert schedules("resume", "hourly")[1].startswith("'hourly' comes next at ")
    job = schedules("run", "hourly")[0]
    assert f"Last job {job}, queued" in schedules("show", "hourly")[0]
    assert schedules("delete", "hourly")[1] == "'hourly' is deleted. Its jobs stay."
    assert schedules("list")[1].startswith("Nothing is created by the clock.")


def test_bad_input_is_a_sentence_and_exit_2(schedules: Any) -> None:
    for words, said in (
        (("add", "x", "61 * * * *", "page", "content=# A"), "cron: minute '61' is not right"),
        (("add", "x", "@daily", "page", "contnt=# A"), "Did you mean 'content'?"),
        (("add", "x", "@daily", "pgae"), "Did you mean 'page'?"),
        (("add", "x", "@daily", "page", "content=# A", "--zone", "Berlin"), "Did you mean 'Europe/Berlin'?"),
    ):
        assert said in (answered := schedules(*words))[1], answered
        assert answered[2] == 2
    nobody = schedules("show", "x")
    assert ("There is no schedule 'x' here." in nobody[1], nobody[2]) == (True, 1)
    schedules("add", "x", "@daily", "page", "content=# A")
    assert schedules("change", "x")[2] == 2
    assert schedules("add", "X", "@daily", "page", "content=# A")[2] == 1
