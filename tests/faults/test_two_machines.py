"""An installation of several machines: they share Postgres, Valkey and a bucket, and no disk."""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import httpx2
import pytest
from rig.book import Book
from rig.patience import Stopwatch, eventually
from rig.processes import LOOPS, Start, announced, environment, holder
from stubs.s3 import S3, serving_s3

from agent_tools.embedded import Home, Runtime
from agent_tools.settings import Settings

CONTENT = b"It comes and goes. " * 10_000
RESULT_BYTES = 9_000_000
"""More than goes up in one piece."""


@pytest.fixture
def s3() -> Iterator[S3]:
    with serving_s3() as serving:
        yield serving


async def serving(start: Start, machine: dict[str, str]) -> str:
    """The address of a machine that serves pages and works on nothing."""
    home = Home(Path(machine["BACKBURNER_HOME"]))
    program = start([sys.executable, "-m", "agent_tools.cli", "up", "--workers", "0", "--no-auth"], machine)
    runtime = await eventually(lambda: Runtime.read(home) or not program.is_alive, 30, "a machine that serves")
    assert isinstance(runtime, Runtime), program.log
    return runtime.http_url


async def test_what_one_machine_was_making_when_it_died_another_makes_and_a_third_shows(
    settings: Settings, book: Book, start: Start, s3: S3, tmp_path: Path
) -> None:
    def machine(name: str) -> dict[str, str]:
        home = tmp_path / name / "home"
        home.parent.mkdir()
        shared = {"BACKBURNER_ARTIFACTS_URL": "s3://shelf/ours", **s3.environment}
        return environment(settings, BACKBURNER_HOME=home, TMPDIR=home.parent, **shared)

    workers = {program.pid: program for program in (start(LOOPS["batched"], machine(each)) for each in ("one", "two"))}
    base = await serving(start, machine("door"))
    for program in workers.values():
        await announced(book, program)
    held = s3.bad("PUT part", hold=Event())
    async with httpx2.AsyncClient(base_url=base, timeout=20) as client:
        sent = await client.post("/api/v1/files?name=tides.bin", content=CONTENT)
        args = {"source": f"upload:{sent.json()['id']}", "result_bytes": RESULT_BYTES}
        job = (await client.post("/api/v1/jobs", json={"kind": "drill", "args": args})).json()["job_id"]
        dying = workers.pop(await holder(book, job))
        await eventually(held.met.is_set, what="a file that goes up")

        dying.kill()
        watch = Stopwatch()
        at_death: dict[str, Any] = (await client.get(f"/api/v1/jobs/{job}")).json()
        left = s3.listed(f"ours/1/{job}")
        s3.good()
        await eventually(lambda: book.ended(1), 30)
        watch.say("ended on the other machine")
        ended = (await client.get(f"/api/v1/jobs/{job}")).json()
        (artifact,) = ended["artifacts"]
        file = await client.get(artifact["url"])
        part = await client.get(artifact["url"], headers={"Range": "bytes=8999990-9000000"})

    (survivor,) = workers
    made = file.json()
    assert (at_death["status"], at_death.get("artifacts"), left) == ("running", None, [])
    assert (ended["status"], made["pid"], made["attempt"]) == ("completed", survivor, 2)
    assert made["source"] == {"name": "tides.bin", "sha256": hashlib.sha256(CONTENT).hexdigest()}
    assert len(file.content) == artifact["bytes"] > RESULT_BYTES
    assert (part.status_code, part.text) == (206, "x" * 11)
    assert s3.listed(f"ours/1/{job}") == [f"ours/1/{job}/{book.one(job)['fence']}/result.json"]
    assert (book.one(job)["crashes"], book.one(job)["errors"]) == (1, 0)
    book.assert_sound()


@pytest.mark.long
async def test_machines_start_while_the_bucket_is_away_and_their_jobs_end_when_it_is_back(
    settings: Settings, book: Book, start: Start, s3: S3, tmp_path: Path
) -> None:
    away = s3.bad(times=None, drops=True)
    shared = {"BACKBURNER_ARTIFACTS_URL": "s3://shelf/ours", **s3.environment}
    machine = environment(settings, BACKBURNER_HOME=tmp_path / "home", **shared)
    base = await serving(start, machine)
    worker = start(LOOPS["batched"], machine)
    await announced(book, worker)
    async with httpx2.AsyncClient(base_url=base, timeout=20) as client:
        job = (await client.post("/api/v1/jobs", json={"kind": "drill", "args": {"result_bytes": 100_000}})).json()

        await eventually(lambda: book.one(job["job_id"])["status"] == "running", what="the job's start")
        away.met.clear()
        await eventually(away.met.is_set, what="a settle that waits")
        assert book.one(job["job_id"])["status"] == "running"
        s3.good()
        await eventually(lambda: book.ended(1), 20)
        ended = (await client.get(f"/api/v1/jobs/{job['job_id']}")).json()
        file = await client.get(ended["artifacts"][0]["url"])

    assert (ended["status"], file.status_code) == ("completed", 200)
    assert (book.one(job["job_id"])["crashes"], book.one(job["job_id"])["attempt"]) == (0, 1)
    book.assert_sound()
