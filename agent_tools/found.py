"""Jobs and batches by the ids that callers send, or the sentence that they are not there."""

from collections.abc import Sequence

from agent_tools.jobs.errors import JobNotFound
from agent_tools.jobs.job import Batch, Job, job_id
from agent_tools.jobs.kinds import refuse_unstorable
from sql.door import DoorStore, Filter


async def found_jobs(store: DoorStore, tenant: int, ids: Sequence[str]) -> Sequence[Job]:
    """The jobs of these ids, in this order. Raises JobNotFound for the first that are not there, BadRequest for what is no id."""
    tidy = [job_id(each) for each in ids]
    found = {job.id: job for job in await store.jobs(tenant, Filter(ids=tidy), limit=len(tidy))}
    if missing := [each for each in tidy if each not in found]:
        raise JobNotFound(f"No job {', '.join(missing)}. List the jobs to see yours.")
    return [found[each] for each in tidy]


async def found_batch(store: DoorStore, tenant: int, batch_id: str) -> Batch:
    """How far the jobs are that were created together. Raises JobNotFound where there are none."""
    refuse_unstorable({"batch_id": batch_id})
    found = await store.batch(tenant, batch_id.strip().lower())
    if found is None:
        raise JobNotFound(f"There is no batch '{batch_id[:40]}'. Its id is the batch_id that its creation gave.")
    return found
