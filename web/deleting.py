"""Deleting many jobs from a page: asked once more, then done."""

from starlette.requests import Request
from starlette.responses import Response

from agent_tools.app import Backburner, Ended
from agent_tools.jobs.errors import BadRequest, JobNotFound
from agent_tools.jobs.job import job_id
from web import shelf
from web.actions import back_to, counted, go_on
from web.looks import Flash, page
from web.pages import kept
from web.signing import signed_in

MOST = 500
"""So many jobs are deleted at once from a page."""


@signed_in("jobs:read")
async def ask_first(request: Request, backburner: Backburner) -> Response:
    """Which jobs would go, and which stay because they have not ended."""
    jobs = await kept(backburner, _ids(request.query_params.getlist("job")))
    if not jobs:
        raise JobNotFound("These jobs are gone already.")
    now = await backburner.now()
    cards = [shelf.card(job, now) for job in jobs]
    return await page(
        request,
        backburner,
        "delete-many.html",
        ended=[card for card in cards if not card.is_open],
        unended=[card for card in cards if card.is_open],
        back=back_to(request.query_params.get("return_to", "")),
    )


@signed_in("jobs:cancel")
async def delete(request: Request, backburner: Backburner) -> Response:
    """Delete them, with their artifacts."""
    async with request.form() as form:
        ids, back = _ids([str(form.get("jobs", ""))]), back_to(str(form.get("return_to", "")))
    return go_on(back, Flash(_said(await backburner.delete(ids))))


def _ids(given: list[str]) -> list[str]:
    ids = [job_id(each) for each in dict.fromkeys(" ".join(given).split())]
    if not ids:
        raise BadRequest("Nothing is selected. Tick the jobs to delete first.")
    if len(ids) > MOST:
        raise BadRequest(f"{len(ids)} jobs are too many to delete at once; at most {MOST}.")
    return ids


def _said(ended: Ended) -> str:
    rest = f" {counted(len(ended.not_done)).capitalize()} stayed or went before." if ended.not_done else ""
    return f"Deleted {counted(len(ended.done))}.{rest}"
