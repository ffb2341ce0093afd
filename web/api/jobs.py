"""Jobs: created, read, filed, stopped, made again."""

import re
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from agent_tools import view
from agent_tools.jobs.errors import BadRequest, NotNow
from agent_tools.jobs.eta import Eta
from agent_tools.jobs.job import Job, job_id
from agent_tools.requests import NewJob, job_filter
from agent_tools.view import full
from sql.door import Filter
from web.api import asked, replies
from web.api.operation import PREFIX, Caller
from web.api.replies import answer

_NUMBER = re.compile(r"[0-9]{1,18}")
_VERSIONS = re.compile(r'"([0-9]{1,18})"')


async def create_job(caller: Caller, query: asked.Wait, body: asked.NewJob) -> Response:
    """Create a job.

    It is kept before this answers. The same Idempotency-Key, or without one the same kind and arguments (unfinished, or
    completed within ten minutes), is the same job: 200, and `created` is false. With `wait` this answers when the job
    ends or the time is up; it never cancels.
    """
    made = await caller.backburner.create(**_as_new(body), idempotency_key=caller.idempotency_key)
    (job,) = await caller.backburner.wait([made.id], query.wait)
    return await in_full(caller, job, 202 if made.created else 200, created=made.created)


async def create_jobs(caller: Caller, body: asked.NewJobs) -> Response:
    """Create jobs together: all of them or, where one is wrong, none.

    A refusal names every bad item. One Idempotency-Key covers the whole batch.
    """
    new = [NewJob(**_as_new(each)) for each in body.jobs]
    made = await caller.backburner.create_many(new, idempotency_key=caller.idempotency_key)
    jobs = await caller.backburner.wait([each.id for each in made], 0)
    listed = [{**_listed(caller, job), "created": each.created} for job, each in zip(jobs, made, strict=True)]
    batches = {job.batch_id for job, each in zip(jobs, made, strict=True) if each.created} or {
        job.batch_id for job in jobs
    }
    batch = {"batch_id": batches.pop()} if len(batches) == 1 else {}
    return answer(replies.Batch.model_validate({**batch, "jobs": listed}), 202)


async def list_jobs(caller: Caller, query: asked.ListQuery) -> Response:
    """List jobs, newest first.

    Pages go by place, not by number: jobs created meanwhile neither repeat nor hide another. With `batch_id` the answer also
    says how far that batch is.
    """
    labels = dict(each.split(":", 1) for each in query.label)
    page = await caller.backburner.jobs(_filter(caller, query, labels), limit=query.limit, cursor=query.cursor)
    etas = await caller.backburner.etas(page.jobs)
    listed = [_listed(caller, job, etas.get(job.id)) for job in page.jobs]
    batch = {"batch": view.batch(await caller.backburner.batch(query.batch_id))} if query.batch_id else {}
    return answer(replies.Jobs.model_validate({**batch, "jobs": listed, "next_cursor": page.next_cursor}))


async def get_job(caller: Caller, job: str, query: asked.Wait) -> Response:
    """Read a job.

    The ETag is its version. With If-None-Match: 304 while it is that version; with `wait`, too, the answer comes when
    the job changes. With `wait` alone it comes when the job ends.
    """
    known = [int(version) for version in _VERSIONS.findall(caller.request.headers.get("if-none-match", ""))]
    if not known:
        (found,) = await caller.backburner.wait([job], query.wait)
        return await in_full(caller, found)
    since = {job_id(job): max(known)}
    (found,) = await caller.backburner.wait([job], query.wait, until="change", since=since)
    if found.version in known:
        return Response(status_code=304, headers={"ETag": _etag(found)})
    return await in_full(caller, found)


async def file_job(caller: Caller, job: str, body: asked.Filing) -> Response:
    """File a job under a subject, name it, label it."""
    await caller.backburner.organise([job], **body.model_dump(exclude_unset=True))
    return await in_full(caller, await caller.backburner.get(job))


async def organise_jobs(caller: Caller, body: asked.Organise) -> Response:
    """File many jobs under a subject: those named, or all that fit `where`."""
    if (body.job_ids is None) == (body.where is None):
        raise BadRequest("Say which jobs: either job_ids or where.")
    move = await caller.backburner.organise(
        body.job_ids or (),
        where=_filter(caller, body.where, body.where.labels) if body.where else None,
        expect=body.expect,
        subject=body.subject,
        create_subject=body.create_subject,
    )
    number = {"move_id": move.move} if move.move is not None else {}
    moved = [{"job_id": each, "was": was} for each, was in move.was.items()]
    return answer(replies.Move.model_validate({**number, "moved": moved}))


async def undo_move(caller: Caller, move: str) -> Response:
    """Put the jobs of a move back where they were."""
    if not _NUMBER.fullmatch(move):
        raise NotNow(f"There is no move '{move[:40]}' to undo.")
    return answer(replies.Undone(job_ids=list(await caller.backburner.undo(int(move)))))


async def cancel_job(caller: Caller, job: str, body: asked.Cancel) -> Response:
    """Stop a job that has not ended. A running one stops within a second."""
    ended = await caller.backburner.cancel([job], body.reason)
    if ended.not_done:
        raise NotNow(" ".join(ended.not_done.values()))
    return await in_full(caller, await caller.backburner.get(job))


async def redo_job(caller: Caller, job: str, body: asked.Redo) -> Response:
    """Make a new version of a job that has ended; without changes it is a plain retry."""
    made = await caller.backburner.redo(job, body.changes)
    return await in_full(caller, await caller.backburner.get(made.id), 202, created=True)


async def cancel_jobs(caller: Caller, body: asked.CancelMany) -> Response:
    """Stop those of many jobs that have not ended: those named, or all of a batch."""
    if (body.job_ids is None) == (body.batch_id is None):
        raise BadRequest("Say which jobs: either job_ids or batch_id.")
    if body.batch_id is not None:
        ended = await caller.backburner.cancel_batch(body.batch_id, body.reason)
    else:
        ended = await caller.backburner.cancel(body.job_ids or (), body.reason)
    not_done = [{"job_id": job, "detail": why} for job, why in ended.not_done.items()]
    return answer(replies.Cancelled.model_validate({"cancelled": list(ended.done), "not_cancelled": not_done}))


async def delete_jobs(caller: Caller, body: asked.DeleteMany) -> Response:
    """Delete those of many jobs that have ended, with their artifacts: those named, or all that fit `where`."""
    if (body.job_ids is None) == (body.where is None):
        raise BadRequest("Say which jobs: either job_ids or where.")
    where = _filter(caller, body.where, body.where.labels) if body.where else None
    ended = await caller.backburner.delete(body.job_ids or (), where=where, expect=body.expect)
    not_done = [{"job_id": job, "detail": why} for job, why in ended.not_done.items()]
    return answer(replies.Deleted.model_validate({"deleted": list(ended.done), "not_deleted": not_done}))


async def delete_job(caller: Caller, job: str) -> Response:
    """Cancel a job that has not ended (202, the job); delete one that has, with its artifacts (204)."""
    if (await caller.backburner.cancel([job])).done:
        return await in_full(caller, await caller.backburner.get(job), 202)
    ended = await caller.backburner.delete([job])
    if ended.not_done:
        raise NotNow(" ".join(ended.not_done.values()))
    return Response(status_code=204)


def _as_new(body: asked.NewJob) -> dict[str, Any]:
    return {name: getattr(body, name) for name in type(body).model_fields}


def _filter(caller: Caller, wanted: asked.Wanted, labels: dict[str, str]) -> Filter:
    fitting = job_filter(
        subject=wanted.subject,
        status=wanted.status or None,
        kind=wanted.kind or None,
        labels=labels or None,
        batch_id=wanted.batch_id,
        search=wanted.search,
        created_after=wanted.created_after,
        created_before=wanted.created_before,
        unseen=wanted.unseen,
    )
    return replace(fitting, principal=caller.backburner.who.principal) if wanted.mine else fitting


async def in_full(caller: Caller, job: Job, status_code: int = 200, **more: Any) -> Response:
    """The job with everything about it, as an answer; with `more` that only this answer says."""
    why, eta = (await caller.backburner.standings([job]))[job.id]
    asks = (await caller.backburner.open_asks([job])).get(job.id, ())
    if job.principal == caller.backburner.who.principal:
        await caller.backburner.see([job])
    shown = replies.Job.model_validate({**full(job, why, caller.addresses, asks, eta), **more})
    headers = {"Location": f"{PREFIX}/jobs/{job.id}"} if more else {}
    return answer(shown, status_code, ETag=_etag(job), Cache_Control="private, no-cache", **headers)


def _listed(caller: Caller, job: Job, eta: Eta | None = None) -> dict[str, Any]:
    return {name: value for name, value in full(job, "", caller.addresses, eta=eta).items() if name != "result"}


def _etag(job: Job) -> str:
    """Weak: `why` counts the seconds, and that is no change."""
    return f'W/"{job.version}"'
