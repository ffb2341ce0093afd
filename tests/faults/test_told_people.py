"""Workers that die while they tell somebody: nothing is lost, and at most one notice comes twice."""

from collections.abc import Iterator

import pytest
from given import Book as Tables
from notices_given import address, pass_time
from rig.patience import eventually, throughout
from rig.processes import StartWorker
from stubs.ntfy import HOST, Post, StubNtfy

from agent_tools.app import Backburner
from agent_tools.jobs.job import WAITING
from agent_tools.settings import Settings
from worker.notices import LOOK_S


@pytest.fixture
def ntfy() -> Iterator[StubNtfy]:
    with StubNtfy() as served:
        yield served


@pytest.fixture
def tables(settings: Settings) -> Iterator[Tables]:
    opened = Tables(settings.database_url)
    yield opened
    opened.close()


@pytest.mark.long
async def test_a_worker_that_dies_between_sending_and_writing_it_down_costs_one_more_notice_and_no_job_waits(
    tables: Tables, ntfy: StubNtfy, worker: StartWorker, backburner: Backburner
) -> None:
    owner = address(tables, ntfy.address("me"), wants=("needs_me",))
    first = await worker(BACKBURNER_NOTICE_HOSTS=HOST)

    def kill(post: Post) -> None:
        if first.is_alive:
            first.kill()

    ntfy.on_post = kill
    job = tables.put(WAITING, title="'Post'", waiting_on="'publish'")
    tables.ask(job, "publish", asked_at="now() - interval '20 s'")
    await eventually(lambda: not first.is_alive, 30, "the end of the worker")
    assert tables.one("SELECT count(*) FROM told_asks") == 0

    await worker(BACKBURNER_NOTICE_HOSTS=HOST)
    drill = (await backburner.create("drill", {})).id
    assert (await backburner.wait([drill], 20))[0].status == "completed"
    assert len(ntfy.posts) == 1  # what the dead one was doing is not taken for lost yet
    pass_time(tables, "2 min")
    await eventually(lambda: tables.run("SELECT 1 FROM told_asks WHERE person_id = %s", owner), 30, "the record")
    pass_time(tables, "10 min")
    await throughout(LOOK_S + 1, lambda: len(ntfy.posts) == 2)

    assert [notice.title for notice in ntfy.of("me")] == ["Needs you: Post"] * 2
