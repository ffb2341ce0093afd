"""A whole installation killed: nothing of it stays behind, and the next one finds everything."""

import pytest
from rig.book import Book
from rig.homes import backburner, processes_of
from rig.patience import Stopwatch, eventually
from rig.processes import end, holder

from agent_tools.embedded import Home, Runtime


@pytest.mark.slow
async def test_a_killed_up_leaves_no_process_behind_and_the_next_one_goes_on_with_its_jobs(home: Home) -> None:
    running = backburner(home, "run", "drill", "seconds=4", "steps=8")
    first = Runtime.read(home)
    assert first
    book = Book(first.database_url)
    await holder(book, running)

    end(first.pid)
    watch = Stopwatch()
    await eventually(lambda: processes_of(home) == set(), 30, "the end of everything")
    watch.say("everything of a killed `up` was gone")
    later = backburner(home, "run", "drill", "--again")
    watch.say("and a new one had taken a job")
    await eventually(lambda: book.ended(2), 30)
    watch.say("and had done all jobs")

    book.assert_sound()
    assert {row["id"] for row in book.rows("SELECT id FROM jobs WHERE status = 'completed'")} == {running, later}
    assert book.one(running)["errors"] == 0
    assert book.number("SELECT count(*) FROM job_steps") == 8
    book.close()
    backburner(home, "stop")
    await eventually(lambda: processes_of(home) == set(), 5, "the end of everything")
