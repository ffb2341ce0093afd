"""The short form of `make faults`, with some of its sorts, whichever come up; and whether it would see what it is there to see."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from rig.book import Book
from rig.processes import ROOT

WATCHMAN = ROOT / "tests/faults/storm/watchman.sql"
A_JOB = """INSERT INTO jobs (id, tenant_id, principal_id, kind, args_hash, status, fence, result, {more})
           SELECT '0000000000000', tenant_id, id, 'sleep', '', '{status}', 7, '{{"fence": 7}}', {values} FROM principals LIMIT 1"""
RUNNING = A_JOB.format(
    status="running",
    more="worker_id, started_at, claimed_at, lease_until, deadline_at",
    values="1, now(), now(), now() + interval '1 min', now() + interval '1 min'",
)
ENDED = A_JOB.format(status="completed", more="finished_at", values="now()")
NOT_RUNNING = "lease_until = NULL, deadline_at = NULL, worker_id = NULL"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_short_storm_loses_nothing_doubles_nothing_and_leaves_nothing_stuck(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests/faults")}
    ended = subprocess.run(
        [sys.executable, "-m", "storm", "--short", "--sorts", "16"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    print(ended.stdout, ended.stderr[-3000:])
    assert ended.returncode == 0
    found = re.search(
        r"^faults: (\d+) sorts, (\d+) injected, (\d+) jobs, 0 lost, 0 doubled, 0 stuck, recovery p95 [\d.]+ s$",
        ended.stdout,
        re.M,
    )
    assert found
    sorts, injected, jobs = map(int, found.groups())
    assert sorts == 16
    assert injected >= sorts
    assert jobs >= 1000


@pytest.mark.parametrize(
    ("there", "done", "seen"),
    [
        (ENDED, f"UPDATE jobs SET status = 'queued', finished_at = NULL, {NOT_RUNNING}", "had ended as completed and moved"),
        (ENDED, "UPDATE jobs SET result = '{}', version = version + 1", "had ended as completed and moved"),
        (RUNNING, f"UPDATE jobs SET status = 'completed', finished_at = now(), result = '{{\"fence\": 6}}', version = 2, {NOT_RUNNING}", "wrote the result of attempt 6"),
        (RUNNING, "UPDATE jobs SET progress = '{\"message\": \"fence 6\"}'", "fence 6 was said of it while attempt 7"),
        (RUNNING, f"UPDATE jobs SET status = 'queued', {NOT_RUNNING}", "without another version"),
        (RUNNING, "UPDATE jobs SET fence = 6", "went back"),
        (RUNNING, "INSERT INTO artifacts SELECT tenant_id, id, 6, 'a', 0, 'a', 'text/plain', 0, '' FROM jobs", "was shelved by an attempt"),
        (RUNNING, "INSERT INTO job_steps SELECT tenant_id, id, 's', '', NULL, '{\"fence\": 6}', 1 FROM jobs", "recorded by an attempt that had lost it"),
        (RUNNING, "INSERT INTO job_steps SELECT tenant_id, id, 's', '', NULL, '1', 1 FROM jobs; UPDATE job_steps SET value = '2'", "was done again"),
    ],
)  # fmt: skip
def test_the_watchman_sees_what_must_never_happen(database_url: str, there: str, done: str, seen: str) -> None:
    with psycopg.connect(database_url, autocommit=True, options="-c search_path=backburner") as connection:
        connection.execute(WATCHMAN.read_bytes())
        connection.execute(there.encode())
        connection.execute(done.encode())
        found = connection.execute("SELECT what FROM watchman.seen").fetchall()

    assert any(seen in what for (what,) in found)


@pytest.mark.parametrize(
    ("events", "problem"),
    [
        (("created", "started", "completed", "completed"), "has not the one ending"),
        (("created", "started"), "has not the one ending"),
        (("created", "completed", "started"), "has a story that cannot be"),
        (("created", "started", "crashed", "started", "completed"), "counts 0 crashes"),
        (("created", "started", "retrying", "started", "completed"), "counts 0 errors"),
    ],
)
def test_the_book_sees_a_story_that_does_not_add_up(database_url: str, events: tuple[str, ...], problem: str) -> None:
    with psycopg.connect(database_url, autocommit=True, options="-c search_path=backburner") as connection:
        connection.execute(ENDED.encode())
        for each in events:
            connection.execute(
                "INSERT INTO job_events (tenant_id, job_id, type) SELECT tenant_id, id, %s FROM jobs", (each,)
            )
    book = Book(database_url)

    assert any(problem in each for each in book.problems())
    book.close()
