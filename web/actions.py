"""What people do from the pages: each is a form that is sent, done, and answered with the page to go on with."""

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from agent_tools.app import Backburner
from agent_tools.jobs.errors import BadRequest, NotNow
from agent_tools.jobs.job import job_id
from web.looks import Flash, leave_flash
from web.shelf import UNORGANISED
from web.signing import signed_in


@signed_in("jobs:organise")
async def move(request: Request, backburner: Backburner) -> Response:
    """File the selected jobs under a subject."""
    async with request.form(max_fields=2000) as form:
        ids = [str(each) for each in form.getlist("job")]
        subject, back = str(form.get("subject", "")), back_to(str(form.get("return_to", "")))
    if not ids:
        raise BadRequest("Nothing is selected. Tick the jobs to move first.")
    if not subject.strip():
        raise BadRequest("No subject was given. Name one, or write “Unorganised” to take them off theirs.")
    moved = await backburner.organise(ids, subject=subject)
    where = " ".join(subject.split())
    if where.lower() in ("unorganised", "unorganized"):
        where = UNORGANISED
    if not moved.was:
        return go_on(back, Flash(f"Already under {where}: nothing moved."))
    return go_on(back, Flash(f"Moved {counted(len(moved.was))} to {where}.", moved.move))


@signed_in("jobs:organise")
async def undo(request: Request, backburner: Backburner) -> Response:
    """Put the jobs of a move back."""
    async with request.form() as form:
        number, back = str(form.get("move", "")), back_to(str(form.get("return_to", "")))
    if not (number.isascii() and number.isdecimal() and len(number) < 19):
        raise BadRequest("There is no such move.")
    put_back = await backburner.undo(int(number))
    return go_on(
        back, Flash(f"Moved {counted(len(put_back))} back." if put_back else "These were moved on since; they stay.")
    )


@signed_in("jobs:organise")
async def rename(request: Request, backburner: Backburner) -> Response:
    """Give a job another title."""
    job = job_id(request.path_params["job_id"])
    async with request.form() as form:
        await backburner.organise([job], title=str(form.get("title", "")))
    return go_on(f"/jobs/{job}", Flash("Renamed."))


@signed_in("jobs:create")
async def redo(request: Request, backburner: Backburner) -> Response:
    """Make the job again, as it was asked for."""
    receipt = await backburner.redo(request.path_params["job_id"])
    return go_on(f"/jobs/{receipt.id}", Flash("Asked for again: this is the new version."))


@signed_in("jobs:cancel")
async def cancel(request: Request, backburner: Backburner) -> Response:
    """Stop a job that has not ended."""
    job = job_id(request.path_params["job_id"])
    ended = await backburner.cancel([job])
    return go_on(f"/jobs/{job}", Flash(ended.not_done.get(job, "Cancelled.")))


@signed_in("jobs:cancel")
async def cancel_batch(request: Request, backburner: Backburner) -> Response:
    """Stop those jobs of a batch that have not ended."""
    batch = request.path_params["batch_id"]
    ended = await backburner.cancel_batch(batch)
    return go_on(f"/jobs?batch={quote(batch)}", Flash(f"Cancelled {counted(len(ended.done))}."))


@signed_in("jobs:cancel")
async def delete(request: Request, backburner: Backburner) -> Response:
    """Delete a job that has ended, with its artifacts."""
    job = await backburner.get(request.path_params["job_id"])
    ended = await backburner.delete([job.id])
    if job.id in ended.not_done:
        raise NotNow(ended.not_done[job.id])
    return go_on("/", Flash(f"Deleted “{job.title or job.kind}”."))


def go_on(to: str, flash: Flash) -> Response:
    """The page to go on with, and what it says first."""
    response = RedirectResponse(to, 303)
    leave_flash(response, flash)
    return response


def back_to(to: str) -> str:
    """The page that a form came from; the shelf where that is none of ours."""
    is_path = to.startswith("/") and not to.startswith(("//", "/\\")) and to.isprintable()
    return to if is_path else "/"


def counted(number: int) -> str:
    """So many jobs, in words."""
    return "one job" if number == 1 else f"{number} jobs"
