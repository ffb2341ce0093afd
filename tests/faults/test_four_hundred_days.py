"""A question that is answered 400 days later, through each door, after everything has been killed and upgraded meanwhile."""

import asyncio
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import httpx2
import lxml.html
import psutil  # type: ignore[import-untyped]
import psycopg
import pytest
import redis
from rig.book import Book
from rig.homes import BACKBURNER, backburner, environment_of, processes_of
from rig.kinds import offering
from rig.patience import Stopwatch, eventually
from rig.processes import ROOT, Program, Start, end
from rig.receiver import Receiver

from agent_tools.embedded import Home, Runtime, Servers

DAYS = 400
THEN = """
    import httpx2
    from agent_tools import JobContext, Result, job_kind

    @job_kind("offer")
    async def offer(job: JobContext, topic: str, url: str) -> Result:
        '''Write an offer, have it approved, send it.'''
        written = await job.step("write", does(job, url, "write"))
        answer = await job.ask("Send this offer?", show=f"# {topic}")
        sent = await job.step("send", does(job, url, "send"))
        return Result(data={"topic": topic, "written": written, "sent": sent, "decision": answer.decision})

    def does(job, url, name):
        async def do() -> int:
            async with httpx2.AsyncClient() as client:
                answer = await client.post(url, headers={"Idempotency-Key": job.key(name)}, json={})
            return answer.raise_for_status().json()["receipt"]
        return do
"""
NOW = (
    THEN.replace("topic: str, url: str)", 'topic: str, url: str, audience: str = "everybody")')
    .replace('    answer = await job.ask(', '    checked = await job.step("check", does(job, url, "check"))\n        answer = await job.ask(')
    .replace('"topic": topic,', '"topic": topic, "audience": audience, "checked": checked,')
)  # fmt: skip
MIGRATION = (
    "-- Offers have had colours since last year.\nALTER TABLE jobs ADD COLUMN colour text NOT NULL DEFAULT 'blue';\n"
)


@dataclass(frozen=True)
class Version:
    """A version of the program with a kind of somebody's own, as a folder that is looked into before all others."""

    home: Home
    folder: Path

    @property
    def settings(self) -> dict[str, object]:
        # Without PYTHONSAFEPATH the folder that a process is started in would come first.
        path = os.pathsep.join(map(str, (self.folder, ROOT)))
        return {"BACKBURNER_KINDS": "offer", "PYTHONPATH": path, "PYTHONSAFEPATH": 1}

    def run(self, *words: str) -> str:
        """What a command of it says."""
        return backburner(self.home, *words, **self.settings)

    async def up(self, start: Start) -> tuple[Runtime, Program]:
        """Start everything, and wait until it is ready."""
        program = start([*BACKBURNER, "up"], environment_of(self.home, **self.settings))
        await eventually(lambda: Runtime.read(self.home) or not program.is_alive, 60, "an installation's start")
        runtime = Runtime.read(self.home)
        assert runtime, program.log
        return runtime, program


def version(home: Home, folder: Path, source: str, *, migration: str = "") -> Version:
    """The program with this kind; with a migration it is the next one."""
    site = offering(folder, "offer", {"offer": "offers:offer"})
    (site / "offers.py").write_text(dedent(source))
    if migration:
        shutil.copytree(ROOT / "sql", site / "sql", ignore=shutil.ignore_patterns("__pycache__"))
        (site / "sql" / "migrations" / "9000_colours.sql").write_text(migration)
    return Version(home, site)


async def kill_everything(home: Home, up: Program) -> None:
    """Wait also until nothing of it is left to be buried: Postgres takes the number of a dead one for a living one."""
    killed = set[int]()
    for pid in processes_of(home) - {up.pid}:
        killed.add(pid)
        end(pid)
    up.kill()

    def is_gone() -> bool:
        left = processes_of(home)
        killed.update(left)
        for pid in left:
            end(pid)
        return not left and not any(map(psutil.pid_exists, killed))

    await eventually(is_gone, 60, "the end of everything")


def let_days_pass(home: Home, days: int) -> None:
    """Every moment in the book was so many days earlier than it says, and Valkey has forgotten everything."""
    with home.hold(), Servers(home) as servers, redis.Redis.from_url(str(servers.redis_url)) as valkey:
        valkey.flushall()
        with psycopg.connect(str(servers.database_url), options="-c session_replication_role=replica") as connection:
            moments = connection.execute(
                "SELECT table_name, column_name FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)"
                " WHERE table_schema = 'backburner' AND table_type = 'BASE TABLE' AND data_type = 'timestamp with time zone'"
            ).fetchall()
            for table in {table for table, _ in moments}:
                earlier = ", ".join(
                    f"{column} = {column} - interval '{days} days'" for of, column in moments if of == table
                )
                connection.execute(f"UPDATE backburner.{table} SET {earlier}".encode())


def browser(runtime: Runtime) -> httpx2.AsyncClient:
    base = str(runtime.http_url)
    return httpx2.AsyncClient(base_url=base, headers={"Accept": "text/html", "Origin": base}, timeout=40)


def program(runtime: Runtime, token: str) -> httpx2.AsyncClient:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx2.AsyncClient(base_url=f"{runtime.http_url}/api/v1", headers=headers, timeout=40)


async def sign_in(person: httpx2.AsyncClient, link: str) -> None:
    key = next(line.split("key=")[1] for line in link.splitlines() if "key=" in line)
    assert (await person.post("/sign-in", data={"key": key})).status_code == 303


async def answer_on_the_page(person: httpx2.AsyncClient, ask: int) -> None:
    page = lxml.html.document_fromstring((await person.get(f"/waiting/{ask}")).text)
    (form,) = page.xpath("//form[@class='answer']")
    sent = {**dict(form.fields), "decision": "approve"}
    assert (await person.post(form.get("action"), data=sent)).status_code == 303


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_question_is_answered_400_days_later_and_the_job_goes_on_where_it_was(
    home: Home, folder: Path, start: Start, receiver: Receiver
) -> None:
    watch = Stopwatch()
    then, now = version(home, folder / "then", THEN), version(home, folder / "now", NOW, migration=MIGRATION)
    doors = ("page", "api", "terminal")

    # An agent asks for three offers; each is written, and waits for a person.
    runtime, up = await then.up(start)
    decider, link = await asyncio.gather(
        asyncio.to_thread(then.run, "token", "create", "decider", "--of", "owner", "--scope", "jobs:answer", "--scope", "jobs:read"),
        asyncio.to_thread(then.run, "link"),
    )  # fmt: skip
    offers = [{"kind": "offer", "args": {"topic": f"By {door}", "url": receiver.url}} for door in doors]
    async with program(runtime, home.token.read_text()) as agent, browser(runtime) as person:
        made = (await agent.post("/jobs/batch", json={"jobs": offers})).json()["jobs"]
        jobs = {door: each["job_id"] for door, each in zip(doors, made, strict=True)}
        await sign_in(person, link)
        signed_in_then = dict(person.cookies)
    book = Book(runtime.database_url)
    await eventually(lambda: book.statuses()["waiting"] == 3, 30, "three questions")
    watch.say("three questions were put")
    book.close()

    # Everything is killed, a year and a month go by, and it is all started again: with another schema and another handler.
    await kill_everything(home, up)
    watch.say("everything was killed")
    await asyncio.to_thread(let_days_pass, home, DAYS)
    watch.say("400 days went by")
    runtime, _ = await now.up(start)
    book = Book(runtime.database_url)
    assert book.statuses() == {"waiting": 3}
    assert {row["colour"] for row in book.rows("SELECT colour FROM jobs")} == {"blue"}

    # The person's browser is signed out by now; their program's token is good as long as nobody revokes it.
    async with program(runtime, decider) as api, browser(runtime) as person:
        asks = {each["job_id"]: each for each in (await api.get("/asks")).json()["asks"]}
        assert "asked 400 days ago" in (await api.get(f"/jobs/{jobs['page']}")).json()["why"]
        person.cookies.update(signed_in_then)
        assert (await person.get("/waiting")).status_code == 401
        person.cookies.clear()
        await sign_in(person, await asyncio.to_thread(now.run, "link"))

        await answer_on_the_page(person, asks[jobs["page"]]["ask"])
        said = {"decision": "approve", "shown_hash": asks[jobs["api"]]["shown_hash"]}
        answered = await api.post(f"/jobs/{jobs['api']}/asks/{asks[jobs['api']]['ask']}", json=said)
        assert answered.status_code == 200, answered.text
        await asyncio.to_thread(now.run, "jobs", "answer", jobs["terminal"], "approve")

        ended = {door: (await api.get(f"/jobs/{job}", params={"wait": 30})).json() for door, job in jobs.items()}

    # It went on with what it was asked for then; nothing was done twice, and what is new was done once.
    watch.say("three questions answered 400 days later")
    for door, job in ended.items():
        assert job["status"] == "completed", job
        done = {name: receiver.receipts[f"{job['job_id']}:{name}"] for name in ("write", "check", "send")}
        assert job["result"] == _result(door, done)
        assert [receiver.effects[f"{job['job_id']}:{name}"] for name in done] == [1, 1, 1]
        assert book.events(job["job_id"]) == ["created", "started", "waiting", "answered", "completed"]
        assert (job["attempt"], book.one(job["job_id"])["crashes"]) == (1, 0)
    book.assert_sound()
    book.close()


def _result(door: str, done: dict[str, int]) -> dict[str, Any]:
    return {
        "topic": f"By {door}",
        "audience": "everybody",
        "written": done["write"],
        "checked": done["check"],
        "sent": done["send"],
        "decision": "approve",
    }
