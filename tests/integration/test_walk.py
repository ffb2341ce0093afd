"""The walk of a job, in one process: asked for, rung, taken, performed, settled, read."""

from agent_tools.app import Backburner
from agent_tools.jobs.job import JobStatus
from worker.hands import Hands


async def test_a_job_is_kept_rung_taken_and_completed(backburner: Backburner, hands: Hands) -> None:
    receipt = await backburner.create("drill", {"steps": 2}, subject="Drills", title="A rehearsal")

    await hands.take_all(await hands.bell.take("default", 10))
    (job,) = await backburner.wait([receipt.id], 10)

    assert job.status == JobStatus.COMPLETED
    assert (job.subject, job.title, job.attempt, job.result["attempt"]) == ("Drills", "A rehearsal", 1, 1)
    assert [event.type for event in await backburner.events(job.id)] == ["created", "started", "completed"]
