"""What completed runs took tells how long others will: kept by workers, told at every door."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import httpx2
import psycopg
import pytest
from agents import Agent, text_of
from given import LEASE_S, Book, Stores, Tenant
from mcp import Client
from shelf_given import open_site
from web_given import HOST, OURS, browser

from agent_tools.app import Backburner
from agent_tools.jobs.job import QUEUED, RUNNING
from agent_tools.jobs.queue import MOST_AHEAD, places
from agent_tools.jobs.runs import Run, Stage
from agent_tools.server.mcp import server
from agent_tools.server.tools import Desk
from agent_tools.settings import Settings
from agent_tools.view import Addresses
from sql.queries import queries
from web import api
from web import app as pages
from worker.hands import Hands


@contextlib.asynccontextmanager
async def agent_of(backburner: Backburner) -> AsyncIterator[Agent]:
    allowed = backburner.acting_as(backburner.who._replace(scopes=("admin",)))

    async def at_desk() -> Desk:
        return Desk(allowed, Addresses(None))

    async with Client(server(backburner, at_desk)) as client:
        yield Agent(client)


@pytest.fixture
async def person(settings: Settings, backburner: Backburner) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser of the owner, in which pages and API are looked at."""
    async with (
        open_site(settings, backburner) as site,
        browser(pages.app(site, *api.routes(), allowed_hosts=[HOST])) as client,
    ):
        await client.post("/sign-in", data={"key": await backburner.people.sign_in_link("owner")}, headers=OURS)
        yield client


def took(*seconds: float, kind: str = "drill", of: int = 1) -> list[dict[str, object]]:
    runs = [Run({"": Stage(each)}) for each in seconds]
    return [{"tenant": of, "kind": kind, "took_s": run.took_s, "run": asdict(run)} for run in runs]


async def kept(database_url: str, number: int) -> Sequence[dict[str, object]]:
    """The runs that are kept, once there are so many: they are written a moment after the job has ended."""
    deadline = time.monotonic() + 20
    async with await psycopg.AsyncConnection.connect(
        database_url, autocommit=True, row_factory=psycopg.rows.dict_row
    ) as connection:
        while True:
            rows = await (await connection.execute("SELECT * FROM backburner.run_times ORDER BY id")).fetchall()
            if len(rows) >= number or time.monotonic() > deadline:
                return rows
            await asyncio.sleep(0.05)


# ----------------------------------------------------------------------------------------------------- four, then a fifth


async def test_after_four_jobs_the_receipt_of_a_fifth_says_what_such_jobs_take(
    backburner: Backburner, hands: Hands, settings: Settings
) -> None:
    async with agent_of(backburner) as agent:
        before = await agent.get("create_page", content="# 0")
    jobs = [before["job_id"], *[(await backburner.create("page", {"content": f"# {n}"})).id for n in range(1, 4)]]
    await asyncio.gather(*await hands.take_all(jobs))

    assert len(await kept(settings.database_url, 4)) == 4
    async with Backburner.open(settings) as later, agent_of(later) as agent:
        receipt = await agent.ask("create_page", content="# 5")

    assert before["usually"] == "a second"
    assert receipt.structured_content is not None
    assert receipt.structured_content["usually"].startswith("about ")
    assert f"It usually takes {receipt.structured_content['usually']}." in text_of(receipt)


async def test_what_is_kept_of_a_run_is_its_stages_and_their_units(
    backburner: Backburner, hands: Hands, settings: Settings
) -> None:
    job = await backburner.create("drill", {"steps": 3, "seconds": 0.3})
    await asyncio.gather(*await hands.take_all([job.id]))

    (row,) = await kept(settings.database_url, 1)

    run = row["run"]
    assert isinstance(run, dict)
    assert list(run["stages"]) == ["", "step #"]
    assert run["stages"]["step #"]["units"] == 3
    assert run["stages"]["step #"]["took_s"] >= 0.3
    assert row["kind"] == "drill"


async def test_a_job_that_failed_tells_nothing(backburner: Backburner, hands: Hands, settings: Settings) -> None:
    failed = await backburner.create("drill", {"fail": "error"})
    fine = await backburner.create("page", {"content": "# Fine"})
    await asyncio.gather(*await hands.take_all([failed.id]))
    await asyncio.gather(*await hands.take_all([fine.id]))

    assert [row["kind"] for row in await kept(settings.database_url, 1)] == ["page"]


async def test_a_running_job_says_at_every_door_how_long_it_will_take(
    backburner: Backburner, hands: Hands, person: httpx2.AsyncClient
) -> None:
    await hands.store.record_runs(took(500, 600, 600, 700))
    job = (await backburner.create("drill", {"seconds": 60})).id
    await hands.take(job)

    async with agent_of(backburner) as agent:
        (over_mcp,) = (await agent.get("job_status", job_ids=[job]))["jobs"]
        (listed,) = (await agent.get("list_jobs"))["jobs"]
    over_http = (await person.get(f"/api/v1/jobs/{job}")).json()
    in_list = (await person.get("/api/v1/jobs")).json()["jobs"][0]
    page = (await person.get(f"/jobs/{job}")).text

    for progress in (over_mcp["progress"], over_http["progress"], in_list["progress"]):
        assert 590 <= progress["eta_seconds"] <= 600
        assert progress["eta_low_seconds"] <= progress["eta_seconds"] <= progress["eta_high_seconds"]
        assert progress["percent"] <= 1
    assert "about 10 min left" in listed["line"]
    assert "about 10 min left" in over_http["why"]
    assert "about 10 min left" in page


async def test_nobody_is_kept_waiting_for_what_comes_much_later(backburner: Backburner, hands: Hands) -> None:
    await hands.store.record_runs(took(*[700, 720, 740] * 6))
    job = (await backburner.create("drill", {"seconds": 60})).id
    await hands.take(job)

    async with agent_of(backburner) as agent:
        began = time.monotonic()
        answer = await agent.ask("job_status", job_ids=[job], wait_seconds=50)

    assert time.monotonic() - began < 20
    assert answer.structured_content is not None
    assert answer.structured_content["next"] == "Not before about 12 min; end your turn."
    assert text_of(answer).endswith("Not before about 12 min; end your turn.")


# ----------------------------------------------------------------------------------------------------- what doors see


async def test_tenants_see_no_times_of_each_other(app: Backburner, stores: Stores) -> None:
    theirs = stores.book.tenant("theirs")
    await stores.hands.record_runs(took(40, 40, 40, kind="sleep", of=theirs.id))
    their_app = app.acting_as(app.who._replace(tenant=theirs.id, principal=theirs.principal))

    assert await app.takes("sleep", {}) is None
    found = await their_app.takes("sleep", {})
    assert found is not None
    assert found.mid_s == 40


async def test_of_every_kind_of_a_tenant_the_newest_runs_are_kept(stores: Stores) -> None:
    ours, theirs = stores.book.default, stores.book.tenant("theirs")
    await stores.hands.record_runs(took(1, of=theirs.id))
    for first in range(0, 80, 20):
        await stores.hands.record_runs(took(*range(first, first + 20), of=ours.id))

    runs, now = await stores.door.runs(ours.id)

    assert [run.took_s for run in runs["drill"]] == list(range(79, 29, -1))
    assert now is not None
    assert len((await stores.door.runs(theirs.id))[0]["drill"]) == 1


async def test_what_takes_longer_than_all_before_it_is_overdue(app: Backburner, stores: Stores) -> None:
    await stores.hands.record_runs(took(38, 40, 42, kind="sleep"))
    worker = stores.book.worker()
    job = stores.book.put(RUNNING, claimed_at="now() - interval '1 hour'", worker_id=str(worker))

    assert await app.why(job) == "Running for 1 h on worker-1, attempt 1 (99%), overdue: usually 40 s."


async def test_a_job_is_never_less_far_than_it_was_said_to_be(app: Backburner, stores: Stores) -> None:
    await stores.hands.record_runs(took(100, 100, 100, kind="sleep"))
    job = stores.book.put(RUNNING, claimed_at="now() - interval '60 s'")
    percents = []
    for since in ("60 s", "10 s", "80 s"):
        stores.book.run("UPDATE jobs SET claimed_at = now() - %s::interval WHERE id = %s", since, job)
        percents.append((await app.etas([await app.get(job)]))[job].percent)

    assert percents == [60, 60, 80]


async def test_a_door_asks_for_times_once_for_many_looks(app: Backburner, stores: Stores) -> None:
    await stores.hands.record_runs(took(100, 100, 100, kind="sleep"))
    job = await app.get(stores.book.put(RUNNING, claimed_at="now()"))
    first = await app.etas([job])
    stores.book.run("DELETE FROM run_times")

    assert len(first) == len(await app.etas([job])) == 1


async def test_the_place_in_the_queue_counts_those_before_it_by_their_kinds(app: Backburner, stores: Stores) -> None:
    book, ours = stores.book, stores.book.default
    ago = "now() - interval '{} min'".format
    first, second = book.put(run_after=ago(2)), book.put(run_after=ago(1), kind="'unheard'")
    urgent, mine = book.put(priority="1"), book.put()
    book.put(of=book.tenant("theirs"), run_after=ago(60))
    book.put(RUNNING, claimed_at="now() - interval '10 s'")
    book.put(queue="'media'")
    later = book.put(run_after="now() + interval '1 hour'")

    jobs = [await app.get(each) for each in (first, second, urgent, mine, later)]
    heads, going = await stores.door.heads(ours.id, [job.id for job in jobs]), await stores.door.going(ours.id)
    found = places(jobs, await app.now(), heads, going)

    assert [found[each].count for each in (urgent, first, second, mine)] == [0, 1, 2, 3]
    assert found[mine].ahead == {"sleep": 2, "unheard": 1}
    assert found[mine].running["sleep"] == [pytest.approx(10, abs=2)]
    assert later not in found


def rows_read(plan: Mapping[str, Any]) -> int:
    """How many rows the scans of a plan gave or threw away."""
    own = 0
    if "Scan" in plan["Node Type"] and "CTE" not in plan["Node Type"] and "Subquery" not in plan["Node Type"]:
        own = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    return int(own) + sum(rows_read(each) for each in plan.get("Plans", ()))


def plan_of(database_url: str, tenant: int, name: str, **given: Any) -> Mapping[str, Any]:
    """How Postgres reads this for a door, by trying."""
    with psycopg.connect(
        database_url, autocommit=True, options="-c role=backburner_door -c search_path=backburner"
    ) as door:
        door.execute("SELECT set_config('app.tenant', %s, false)", (str(tenant),))
        row = door.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {queries()[name]}", given).fetchone()
    assert row is not None
    return row[0][0]["Plan"]  # type: ignore[no-any-return]


async def test_of_a_long_queue_only_the_head_is_read(
    app: Backburner, stores: Stores, shared_settings: Settings
) -> None:
    book = stores.book
    book.run(
        "INSERT INTO jobs (id, tenant_id, principal_id, kind, args_hash, run_after)"
        " SELECT new_job_id(), tenant_id, principal_id, kind, args_hash, now() - n * interval '1 s' FROM jobs, generate_series(1, 5000) AS n"
        " WHERE id = %s",
        book.put(run_after="now() - interval '2 hours'"),
    )
    book.run("ANALYZE jobs")
    last = book.put()

    plan = plan_of(shared_settings.database_url, book.default.id, "heads", jobs=[last], most=MOST_AHEAD + 1)

    assert MOST_AHEAD < rows_read(plan) <= MOST_AHEAD + 10
    assert "more than 1,000 jobs of yours before it" in await app.why(last) or "no worker is alive" in await app.why(
        last
    )


async def test_jobs_of_a_kind_with_a_limit_wait_for_the_places_of_the_limit(app: Backburner, stores: Stores) -> None:
    await stores.hands.record_runs(took(*[60] * 5, kind="sleep"))
    book, worker = stores.book, stores.book.worker()
    book.run("UPDATE workers SET max_jobs = 100, at_once = '{\"sleep\": 1}'")
    book.put(RUNNING, claimed_at="now()", worker_id=str(worker))
    jobs = [book.put(run_after=f"now() - interval '{9 - n} s'") for n in range(2)]

    found = await app.standings([await app.get(job) for job in jobs])

    assert [found[job].eta.left.mid_s for job in jobs if found[job].eta] == [  # type: ignore[union-attr]
        pytest.approx(120, abs=5),
        pytest.approx(180, abs=5),
    ]


async def test_a_queued_job_says_when_it_will_be_done(app: Backburner, stores: Stores) -> None:
    await stores.hands.record_runs(took(60, 60, 60, kind="sleep"))
    worker = stores.book.worker()
    stores.book.run("UPDATE workers SET max_jobs = 1")
    book, now = stores.book, "now()"
    book.put(RUNNING, claimed_at=now, worker_id=str(worker))
    jobs = [book.put(run_after=f"now() - interval '{9 - n} s'") for n in range(2)]

    found = await app.standings([await app.get(job) for job in jobs])

    left = [found[job].eta.left.mid_s for job in jobs if found[job].eta]  # type: ignore[union-attr]
    assert left == [pytest.approx(120, abs=5), pytest.approx(180, abs=5)]
    assert found[jobs[1]].why.endswith("1 job of yours before it; done in about 3 min.")


async def test_slots_that_others_fill_are_told_without_telling_by_what(stores: Stores) -> None:
    book = stores.book
    theirs: Tenant = book.tenant("theirs")
    worker = book.worker()
    held = [_running(book, theirs, worker) for _ in range(3)]
    stores.watch.beat(worker, LEASE_S, held)
    book.put(QUEUED)

    (seen,) = await stores.door.workers(book.default.id)

    assert seen.running == 3


def _running(book: Book, of: Tenant, worker: int) -> tuple[str, int]:
    job = book.put(RUNNING, of=of, worker_id=str(worker))
    return job, book.one("SELECT fence FROM jobs WHERE id = %s", job)
