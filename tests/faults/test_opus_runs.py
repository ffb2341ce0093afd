"""Runs in Opus from a chat and from the command line: people who take months, workers that die, and nothing done twice."""

import asyncio
import io
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout
from typing import Any, NamedTuple

import pytest
from agents import Agent
from mcp import Client
from rig.book import Book
from rig.patience import eventually
from rig.processes import BIN, ROOT, StartWorker, environment
from rig.proxy import Proxy
from stubs.opus import POST, REVIEWED_FOR_EVER, Run, StubOpus, serving_opus
from stubs.site import Site, serving_site

from agent_tools.app import Backburner
from agent_tools.cli import main
from agent_tools.people import AGENT_SCOPES
from agent_tools.serve import Binding, serving
from agent_tools.server.mcp import server
from agent_tools.server.tools import Desk
from agent_tools.settings import Settings
from agent_tools.view import Addresses

ARTICLE = {"Article": "The tide comes in."}
OURS = {"BACKBURNER_KINDS": "opus_run,approval", "BACKBURNER_ALLOW_LOOPBACK": 1}


@pytest.fixture
async def opus(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StubOpus]:
    async with serving_opus(status_script=REVIEWED_FOR_EVER) as stub:
        monkeypatch.setenv("OPUS_SERVICE_KEY", stub.key)  # a door shows what could run there
        yield stub


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with serving_site() as opened:
        opened.news(15)
        yield opened


@pytest.fixture
def working(worker: StartWorker, opus: StubOpus) -> Callable[..., Awaitable[Any]]:
    """Start a worker that has an account at Opus."""

    async def begin(**more: object) -> Any:
        return await worker(**{**at(opus), **more})

    return begin


def at(opus: StubOpus) -> dict[str, object]:
    return {**OURS, "OPUS_SERVICE_KEY": opus.key, "OPUS_BASE_URL": opus.url, "OPUS_WORKFLOW_ID": POST}


@asynccontextmanager
async def chatting(backburner: Backburner) -> AsyncIterator[Agent]:
    async def at_desk() -> Desk:
        return Desk(backburner.acting_as(backburner.who._replace(scopes=AGENT_SCOPES)), Addresses("http://shelf.test"))

    async with Client(server(backburner, at_desk)) as client:
        yield Agent(client)


async def only(opus: StubOpus) -> Run:
    """The one run there is, once it runs."""
    await eventually(lambda: [run for run in opus.runs.values() if run.executed_at is not None], what="a run in Opus")
    (run,) = opus.runs.values()
    return run


def look_now(book: Book, job: str) -> None:
    """As if the pause were over."""
    book.rows("UPDATE jobs SET look_at = now() WHERE id = %(job)s AND status = 'waiting' RETURNING id", job=job)


async def looked(opus: StubOpus, book: Book, job: str) -> None:
    """One more look, to its end."""
    before = opus.calls["status"]
    await eventually(lambda: book.one(job)["status"] == "waiting", what=f"{job} waiting")
    look_now(book, job)
    await eventually(lambda: opus.calls["status"] > before, what="a look")
    await eventually(lambda: book.one(job)["status"] != "running" and book.one(job)["status"] != "queued")


# ---------------------------------------------------------------------------------------------------------- from a chat


async def test_an_agent_runs_a_workflow_that_a_person_decides_in(
    backburner: Backburner, working: Any, opus: StubOpus, book: Book
) -> None:
    await working()
    async with chatting(backburner) as agent:
        asked = await agent.get("create_opus_run", workflow=POST)
        (told,) = (await agent.get("job_status", job_ids=[asked["job_id"]], wait_seconds=20, detail=True))["jobs"]
        receipt = await agent.get("create_opus_run", workflow=POST, inputs=ARTICLE, title="Tides")
        run = await only(opus)
        await opus.advance(6)
        look_now(book, receipt["job_id"])
        await eventually(lambda: book.one(receipt["job_id"])["waiting_on"] == "a person's decision in Opus")
        (waiting,) = (await agent.get("job_status", job_ids=[receipt["job_id"]], detail=True))["jobs"]

        await opus.decide(run, accept=True)
        look_now(book, receipt["job_id"])
        (done,) = (await agent.get("job_status", job_ids=[receipt["job_id"]], wait_seconds=20, detail=True))["jobs"]
        read = await agent.get("read_result", job_id=receipt["job_id"])

    assert "“Post” takes: Article (text; required)" in told["result_line"]
    assert "for 'a person's decision in Opus' outside; it looks again in" in waiting["why"]
    message = f"Opus {run.id}: a person decides in Opus about Check the post, at app.opus.com"
    assert (waiting["progress"]["percent"], waiting["progress"]["message"]) == (40, message)
    assert (done["status"], done["decision"]) == ("completed", "approve")
    assert done["result_line"] == "Approved in Opus: The tide comes in twice a day. #sea"
    assert "The tide comes in twice a day." in json.dumps(dict(read))
    assert opus.answered_for_people == []
    book.assert_sound()


@pytest.mark.long
async def test_a_rejection_in_opus_is_a_clear_end_for_the_agent(
    backburner: Backburner, working: Any, opus: StubOpus, book: Book
) -> None:
    await working()
    async with chatting(backburner) as agent:
        receipt = await agent.get("create_opus_run", workflow=POST, inputs=ARTICLE)
        run = await only(opus)
        await opus.advance(6)
        await looked(opus, book, receipt["job_id"])
        await opus.decide(run, accept=False, comment="Too salty.")
        look_now(book, receipt["job_id"])
        (done,) = (await agent.get("job_status", job_ids=[receipt["job_id"]], wait_seconds=20, detail=True))["jobs"]

    assert (done["status"], done["decision"]) == ("completed", "rejected")
    assert done["result_line"] == "Rejected in Opus: Too salty."


@pytest.mark.long
async def test_months_of_waiting_leave_no_row_per_look(
    backburner: Backburner, working: Any, opus: StubOpus, book: Book
) -> None:
    await working()
    job = (await backburner.create("opus_run", {"workflow": POST, "inputs": ARTICLE})).id
    run = await only(opus)
    await opus.advance(6)
    await looked(opus, book, job)
    await eventually(lambda: book.one(job)["waiting_on"] == "a person's decision in Opus")
    steps, events = _rows(book)
    book.rows(
        "UPDATE job_steps SET value = jsonb_set(value, '{at}', '\"2026-01-01T00:00:00+00:00\"') WHERE value ? 'at' RETURNING name"
    )

    for day in range(12):
        opus.down = day % 3 == 1  # outages end nobody's waiting
        await opus.advance(10 * 86_400)
        await looked(opus, book, job)
    pause_s = (book.one(job)["look_at"] - book.rows("SELECT now() AS now")[0]["now"]).total_seconds()
    opus.down = False
    await opus.decide(run, accept=True)
    look_now(book, job)
    await eventually(lambda: book.ended(1))

    assert book.one(job)["status"] == "completed"
    assert 600 < pause_s <= 900 * 1.2
    steps_after, events_after = _rows(book)
    assert steps_after - steps <= 4, "how it ended, its review and its results"
    assert events_after - events == 1
    assert (book.one(job)["errors"], book.one(job)["attempt"]) == (0, 1)


def _rows(book: Book) -> tuple[int, int]:
    return book.number("SELECT count(*) FROM job_steps"), book.number("SELECT count(*) FROM job_events")


@pytest.mark.long
@pytest.mark.parametrize(
    "how", ["ok", *(pytest.param(each, marks=pytest.mark.long) for each in ("twice", "early", "garbage"))]
)
async def test_a_call_from_opus_makes_the_job_look_at_once_whatever_is_in_it(
    backburner: Backburner, working: Any, opus: StubOpus, book: Book, settings: Settings, how: Any
) -> None:
    opus.callback = how
    async with serving(settings, Binding(0)) as address:
        await working(BACKBURNER_PUBLIC_URL=address)
        job = (await backburner.create("opus_run", {"workflow": POST, "inputs": ARTICLE})).id
        run = await only(opus)
        await opus.advance(6)
        await looked(opus, book, job)
        await eventually(lambda: book.one(job)["waiting_on"] == "a person's decision in Opus")
        await opus.decide(run, accept=True)
        if how == "early":
            look_now(book, job)  # it has called before there was anything to see
        await eventually(lambda: book.ended(1), 20, "the end, without waiting for the next look")

    assert str(run.callback).startswith(f"{address}/callbacks/{job}/")
    assert run.called_back == {"twice": 2}.get(how, 1)
    assert book.one(job)["status"] == "completed"


# ---------------------------------------------------------------------------------------------------- workers that die


@pytest.mark.parametrize(
    "step",
    [
        "execute",
        *(
            pytest.param(each, marks=pytest.mark.long)
            for each in ("workflow", "upload", "initiate", "status", "results", "download")
        ),
    ],
)
async def test_a_worker_that_is_killed_in_a_step_repeats_no_earlier_one(
    backburner: Backburner, working: Any, opus: StubOpus, book: Book, step: str
) -> None:
    opus.status_script, opus.a_look_takes = (("PENDING", 0), ("IN PROGRESS", 1), ("COMPLETED", 3)), 1
    opus.files["tide.png"] = b"\x89PNG"
    opus.outputs = {"a": {"value": "https://files.opus.com/tide.png", "type": "file", "displayName": "Chart"}}
    first = await working()
    opus.before_reply[step] = first.kill
    picture = f"{opus.url}/bucket/tide.png?signature=s3"
    job = (await backburner.create("opus_run", {"workflow": POST, "inputs": {**ARTICLE, "Picture": picture}})).id
    await eventually(lambda: not first.is_alive, what=f"the worker's end in {step}")
    until_then = {name: opus.calls[name] for name in ("workflow", "upload", "initiate", "execute", "results")}

    await working()
    await eventually(lambda: book.ended(1), 40)

    row = book.one(job)
    assert (row["status"], row["crashes"], row["errors"]) == ("completed", 1, 0)
    order = ["workflow", "upload", "initiate", "execute", "results"]
    earlier = order[: order.index(step)] if step in order else order[:4]
    assert (
        {name: opus.calls[name] for name in earlier}
        == {name: until_then[name] for name in earlier}
        == dict.fromkeys(earlier, 1)
    )
    assert len(opus.runs) == 1, "found again, and not made again"
    assert opus.calls["initiate"] == opus.calls["execute"] == 1
    book.assert_sound()


@pytest.mark.long
async def test_a_redo_is_another_run(backburner: Backburner, working: Any, opus: StubOpus, book: Book) -> None:
    opus.fail_node, opus.status_script = "write", (("COMPLETED", 0),)
    await working()
    job = (await backburner.create("opus_run", {"workflow": POST, "inputs": ARTICLE})).id
    await eventually(lambda: book.ended(1))
    opus.fail_node = ""

    again = (await backburner.redo(job)).id
    await eventually(lambda: book.ended(2))

    assert "failed in Opus at write" in book.one(job)["error"]["message"]
    assert book.one(again)["status"] == "completed"
    assert len(opus.runs) == 2


# ------------------------------------------------------------------------------------------------ from the command line


class Ended(NamedTuple):
    """What a command said."""

    returncode: int
    stdout: str
    stderr: str


class Shell:
    """The commands as the seed's user types them: in this process, which has loaded already what they need."""

    def __init__(self, patch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
        self._patch, self._environment = patch, environment

    async def run(self, *command: str, check: bool = True, **changed: str) -> Ended:
        for name, value in (self._environment | changed).items():
            self._patch.setenv(name, value)
        ended = await asyncio.to_thread(self._call, command)
        assert not check or ended.returncode == 0, f"{command}: {ended}"
        return ended

    def _call(self, command: tuple[str, ...]) -> Ended:
        self._patch.setattr(sys, "argv", ["backburner", *command])
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            try:
                main()
            except SystemExit as left:
                return Ended(int(left.code or 0), out.getvalue(), err.getvalue())

    async def run_alone(self, *command: str) -> Ended:
        """In a process of its own."""
        began = await asyncio.create_subprocess_exec(
            str(BIN / "backburner"),
            *command,
            env=self._environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, err = await began.communicate()
        assert began.returncode == 0, err.decode()
        return Ended(0, out.decode(), err.decode())


@pytest.fixture
def shell(settings: Settings, opus: StubOpus, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(monkeypatch, environment(settings, **at(opus)))


async def test_fifteen_pages_are_in_opus_in_seconds_and_never_there_twice(
    working: Any, opus: StubOpus, site: Site, shell: Shell, book: Book
) -> None:
    await working(BACKBURNER_MAX_JOBS=20)
    scraped = await shell.run_alone("scrape", "--feed", f"{site.url}/feed.xml")
    began = time.monotonic()
    processed = await shell.run_alone("process", "--max-items", "15")
    took_s = time.monotonic() - began
    await eventually(lambda: len([run for run in opus.runs.values() if run.executed_at is not None]) == 15, 30)
    print(f"\n  measured: process --max-items 15: {took_s:.1f} s; all in Opus after {time.monotonic() - began:.1f} s")

    again, rescraped = await shell.run("process", "--max-items", "15"), await shell.run("scrape")
    checked = await shell.run("check-jobs")

    assert "15 new pages, 0 known" in scraped.stderr
    assert took_s < 60, "the old way took 75 minutes"
    assert processed.stdout.count(": submitted  News ") == 15
    assert "No page waits to be processed." in again.stderr
    assert "0 new pages" in rescraped.stderr
    assert len(opus.runs) == 15
    sent = [run.payload["workflow_input_we4tej0ly"]["value"] for run in opus.runs.values()]
    assert all(text.startswith("# News ") for text in sent)
    assert {run.payload["workflow_input_k2m9xq0ab"]["value"] for run in opus.runs.values()} == {
        f"{site.url}/news/{number}?utm_campaign={number}" for number in range(1, 16)
    }
    assert checked.stdout.count("Job ") == checked.stdout.count(" ago)") + checked.stdout.count("(just now)") == 15


@pytest.mark.long
async def test_check_jobs_says_since_when(
    working: Any, opus: StubOpus, site: Site, shell: Shell, book: Book, backburner: Backburner
) -> None:
    await working()
    await shell.run("scrape", "--page", f"{site.url}/tides", "--page", f"{site.url}/harbour")
    await shell.run("process")
    await eventually(lambda: len([run for run in opus.runs.values() if run.executed_at is not None]) == 2)
    await opus.advance(6)
    for row in book.rows("SELECT id FROM jobs"):
        await looked(opus, book, row["id"])
    await eventually(lambda: book.number("SELECT count(*) FROM jobs WHERE waiting_on LIKE 'a person%%'") == 2)
    run = next(each for each in opus.runs.values() if each.title.startswith("Tides"))
    await opus.decide(run, accept=True)
    tides = book.rows("SELECT id FROM jobs WHERE title = 'Tides'")[0]["id"]
    look_now(book, tides)
    await eventually(lambda: book.one(tides)["status"] == "completed")
    book.rows("UPDATE jobs SET waiting_since = now() - interval '2 hours' WHERE status = 'waiting' RETURNING id")
    book.rows("UPDATE jobs SET finished_at = now() - interval '1 hour' WHERE status = 'completed' RETURNING id")

    checked, as_json = await shell.run("check-jobs"), await shell.run("check-jobs", "--json")

    lines = checked.stdout.splitlines()
    assert any(line.startswith("Job ") and ": waiting (2 hours ago)  Harbour  Opus " in line for line in lines)
    assert f"Job {tides}: completed (approved 1 hour ago)  Tides  Approved in Opus: The tide comes in" in checked.stdout
    assert {each["since"] for each in json.loads(as_json.stdout)} == {"2 hours ago", "approved 1 hour ago"}


@pytest.mark.long
async def test_a_process_that_lost_its_database_in_the_middle_submits_nothing_twice(
    working: Any, opus: StubOpus, site: Site, shell: Shell, proxy: Proxy, book: Book
) -> None:
    await working(BACKBURNER_MAX_JOBS=20)
    await shell.run("scrape", "--feed", f"{site.url}/feed.xml")
    proxy.drop_reply_to("create_jobs")

    failed = await shell.run("process", check=False, DATABASE_URL=proxy.url)
    again = await shell.run("process")

    assert failed.returncode == 1
    assert again.stdout.count(": submitted  News ") == 15
    await eventually(lambda: len(opus.runs) == 15, 30)
    assert book.number("SELECT count(*) FROM jobs") == 15
    assert book.number("SELECT count(*) FROM pages WHERE job_id IS NOT NULL") == 15


@pytest.mark.long
async def test_wait_keeps_the_old_way_and_says_of_each_how_it_ended(
    working: Any, opus: StubOpus, site: Site, shell: Shell
) -> None:
    opus.status_script, opus.a_look_takes = (("IN PROGRESS", 0), ("COMPLETED", 1)), 1
    await working()
    await shell.run("scrape", "--page", f"{site.url}/tides")

    done = await shell.run("process", "--wait")

    assert ": submitted  Tides" in done.stdout
    assert ": completed (just now)  Tides  Completed in Opus: The tide comes in twice a day." in done.stdout


async def test_without_opus_pages_go_to_our_own_inbox(
    working: Any, site: Site, shell: Shell, backburner: Backburner, book: Book
) -> None:
    await working()
    await shell.run("scrape", "--page", f"{site.url}/tides")

    await shell.run("process", "--to", "approval", "--who", "owner", "--subject", "News")
    await eventually(lambda: book.number("SELECT count(*) FROM asks") == 1)

    (ask,) = (await backburner.asks.page()).asks
    assert (ask.question, ask.for_person) == ("Publish “Tides”?", "owner")
    assert "The sea comes and goes twice a day" in (ask.shown or {})["text"]
    assert "asks" not in (await shell.run("check-jobs")).stderr


@pytest.mark.long
async def test_what_cannot_be_done_is_said_before_anything_is(site: Site, shell: Shell) -> None:
    nowhere = "00000000-0000-4000-8000-000000000000"
    refusals = {
        ("scrape",): "No feed is known yet. Name one: backburner scrape --feed https://…",
        ("scrape", "--feed", "feed.xml"): "'feed.xml' is no web address.",
        ("process", "--input", "Tone"): "--input: 'Tone' is not NAME=what goes into it.",
        ("process", "--input", "Tone=x"): "'Tone' is no input of it. “Post” takes: Article (text; required)",
        ("process", "--workflow", nowhere): "Nothing was processed. Opus has no workflow",
    }
    await shell.run("scrape", "--page", f"{site.url}/tides")

    ended = [await shell.run(*command, check=False) for command in refusals]

    assert [each.returncode for each in ended] == [2, 2, 2, 2, 1]
    for refused, said in zip(ended, refusals.values(), strict=True):
        assert said in " ".join(refused.stderr.split())
    assert "Tides" in (await shell.run("process", "--dry-run")).stdout, "it waits still"
