"""An installation at rest with nothing in it, and with 100,000 jobs that wait: `python -m bench.waiting`.

Rows are written as parks leave them: nine of ten wait for a person, the others for something outside or for each other.
"""

import asyncio
import os
import socket
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import psutil
import psycopg
from rich.console import Console

from bench.figures import Figures, percentile
from bench.place import ROOT, Place, a_place

MANY = 100_000
REST_S = 30
CALLS = 20
NOTHING, WAITING = "nothing in it", f"{MANY:,} waiting"
_ROWS = f"""
  INSERT INTO jobs (id, tenant_id, principal_id, kind, args_hash, status, started_at, attempt, fence, waiting_since,
                    waiting_for, waiting_on, look_at)
  SELECT translate(lpad(to_hex(n), 13, '0'), 'ilou', 'wxyz'), tenant_id, id, 'approval', '\\x00', 'waiting', now(), 1,
         nextval('fences'), now(), CASE n % 20 WHEN 1 THEN 'outside' WHEN 2 THEN 'jobs' ELSE 'person' END, 'it',
         CASE n % 20 WHEN 1 THEN now() + interval '1 day' END
    FROM generate_series(1, {MANY}) AS n, (SELECT tenant_id, id FROM principals WHERE role = 'agent' LIMIT 1) AS agent;
  INSERT INTO asks (tenant_id, job_id, name, question, choices, shown, shown_hash, asked_at)
  SELECT tenant_id, id, 'it', 'Publish this?', '["approve", "reject"]', '{{"text": "A page."}}', '\\x00',
         now() - random() * interval '30 days'
    FROM jobs WHERE waiting_for = 'person';
  INSERT INTO job_links (tenant_id, job_id, after_id)
  SELECT tenant_id, id, translate(lpad(to_hex(3), 13, '0'), 'ilou', 'wxyz') FROM jobs WHERE waiting_for = 'jobs';
"""


async def measure(place: Place, figures: Figures, rest_s: float) -> None:
    """The same installation twice, without a restart in between."""
    place.fresh()
    options = "-c search_path=backburner"
    with psycopg.connect(place.database_url, autocommit=True, options=options) as book, _up(place) as address:
        async with httpx2.AsyncClient(base_url=address, timeout=60) as client:
            await _until_served(client)
            for who in (NOTHING, WAITING):
                if who == WAITING:
                    book.execute(_ROWS)
                    book.execute("VACUUM ANALYZE")
                    place.settle_down()
                await asyncio.sleep(3)  # what came before is not to be measured
                await _at_rest(figures, who, book, rest_s)
                await _at_work(figures, who, client)


async def _at_rest(figures: Figures, who: str, book: psycopg.Connection[Any], rest_s: float) -> None:
    statements, cpu, began = _statements(book), _cpu_s(), time.monotonic()
    await asyncio.sleep(rest_s)
    took = time.monotonic() - began
    for what, seconds in _cpu_s().items():
        figure = figures.figure(f"CPU of the {what} at rest", "% of a core", bare=NOTHING)
        figure.add(who, 100 * (seconds - cpu[what]) / took)
    asked = _statements(book) - statements - 1  # one look of ours
    figures.figure("statements that Postgres is asked at rest", "per s", bare=NOTHING).add(who, asked / took)
    held = book.execute("SELECT count(*) FROM jobs WHERE status = 'running' OR lease_until IS NOT NULL").fetchone()
    figures.figure("slots held", "").add(who, held[0] if held else 0)


async def _at_work(figures: Figures, who: str, client: httpx2.AsyncClient) -> None:
    async def a_job() -> None:
        asked = {"kind": "drill", "args": {"seconds": 0}, "again": True}
        job = (await client.post("/api/v1/jobs?wait=25", json=asked)).raise_for_status().json()
        assert job["status"] == "completed", job

    async def the_inbox() -> None:
        (await client.get("/waiting")).raise_for_status()

    async def asks() -> None:
        (await client.get("/api/v1/asks?limit=10")).raise_for_status()

    await _timed(figures, who, "a new job, from its request to its end", a_job)
    await _timed(figures, who, "the page of what waits", the_inbox)
    await _timed(figures, who, "ten questions over HTTP", asks)


async def _timed(figures: Figures, who: str, what: str, call: Callable[[], Awaitable[None]]) -> None:
    took = []
    for _ in range(CALLS):
        began = time.perf_counter()
        await call()
        took.append((time.perf_counter() - began) * 1000)
    figures.figure(f"{what}, p50", "ms", bare=NOTHING).add(who, percentile(took, 0.5))


def _statements(book: psycopg.Connection[Any]) -> int:
    # Each of ours commits by itself, so transactions are statements. Idle backends report what they did within a second.
    text = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
    row = book.execute(text).fetchone()
    return int(row[0]) if row else 0


def _cpu_s() -> dict[str, float]:
    """Seconds that each part has used since its start."""
    used = {"servers": 0.0, "installation": 0.0}
    for each in psutil.Process().children(recursive=True):
        times = each.cpu_times()
        part = "servers" if any(word in each.name() for word in ("postgres", "valkey")) else "installation"
        used[part] += times.user + times.system
    return used


@contextmanager
def _up(place: Place) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    environment = {
        "DATABASE_URL": place.database_url, "REDIS_URL": place.redis_url, "BACKBURNER_DRILLS": "1",
        "BACKBURNER_HOME": str(place.folder / "door"),
    }  # fmt: skip
    command = [sys.executable, "-m", "agent_tools.cli", "up", "--no-auth", "--port", str(port)]
    with (place.folder / "up.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ | environment, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


async def _until_served(client: httpx2.AsyncClient) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            if (await client.get("/readyz")).is_success:
                return
        except httpx2.TransportError:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.1)


def main() -> None:
    """Measure and print."""
    parser = ArgumentParser(prog="python -m bench.waiting", description=__doc__)
    parser.add_argument("--rest", type=float, default=REST_S, metavar="SECONDS", help="how long it is watched at rest")
    given = parser.parse_args()
    figures, console = Figures(), Console()
    with a_place() as place:
        conditions = place.conditions()
        asyncio.run(measure(place, figures, given.rest))
    console.print(
        figures.table(
            f"{conditions}. `backburner up` with one worker, watched for {given.rest:g} s each; 'x bare' is beside the "
            f"same installation with nothing in it; medians of {CALLS} calls."
        )
    )


if __name__ == "__main__":
    main()
