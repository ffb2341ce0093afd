"""What is created by the clock: a page that lists it, and what people do there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from agent_tools.app import Backburner
from agent_tools.jobs.job import JobStatus
from agent_tools.jobs.schedules import Schedule
from web.actions import go_on
from web.looks import Flash, page
from web.shelf import SCHEDULES, subject_href
from web.signing import signed_in
from web.words import STATUS_WORDS, Moment, coming, kind_name, moment


@dataclass(frozen=True)
class Row:
    """A schedule as it is listed."""

    id: int
    name: str
    kind: str
    title: str
    subject: str
    subject_href: str
    when: str
    state: str
    next: Moment
    later: Sequence[str]
    """The times after that, as the clocks show them there."""
    last_job: str
    last_status: str
    last_word: str
    error: str
    since: Moment | None
    notes: Sequence[str]


@signed_in("jobs:read")
async def schedules_page(request: Request, backburner: Backburner) -> Response:
    """All schedules: what they create, when, and how it went last."""
    found, now = await backburner.schedules.all(), await backburner.now()
    return await page(
        request,
        backburner,
        "schedules.html",
        schedules=[_row(each, now) for each in found],
        may_change=bool({"jobs:create", "admin"} & set(backburner.who.scopes)),
    )


@signed_in("jobs:create")
async def run(request: Request, backburner: Backburner) -> Response:
    """Create its job now, and go on to that."""
    job = await backburner.schedules.run(_number(request))
    return go_on(f"/jobs/{job}", Flash("It is on the back burner. The next time stays as it is."))


@signed_in("jobs:create")
async def pause(request: Request, backburner: Backburner) -> Response:
    """Create nothing more for now."""
    found = await backburner.schedules.pause(_number(request))
    return go_on(SCHEDULES, Flash(f"“{found.name}” is paused."))


@signed_in("jobs:create")
async def resume(request: Request, backburner: Backburner) -> Response:
    """Go on with the next time."""
    found = await backburner.schedules.resume(_number(request))
    return go_on(SCHEDULES, Flash(f"“{found.name}” goes on."))


@signed_in("jobs:create")
async def delete(request: Request, backburner: Backburner) -> Response:
    """Create nothing more. Its jobs stay."""
    found = await backburner.schedules.get(_number(request))
    await backburner.schedules.delete(_number(request))
    return go_on(SCHEDULES, Flash(f"“{found.name}” is deleted. Its jobs stay."))


def _number(request: Request) -> str:
    return str(request.path_params["schedule"])


def _row(schedule: Schedule, now: datetime) -> Row:
    subject = schedule.job.get("subject")
    notes = [
        f"{_times(number)} {said}, last {moment(at, now).ago}"
        for number, at, said in (
            (schedule.skipped, schedule.skipped_at, "skipped, because the job before had not ended"),
            (schedule.missed, schedule.missed_at, "missed, because no worker was there"),
        )
        if at
    ]
    return Row(
        id=schedule.id,
        name=schedule.name,
        kind=kind_name(schedule.kind),
        title=schedule.job.get("title") or "",
        subject=subject or "",
        subject_href=subject_href(subject),
        when=schedule.when.said,
        state=schedule.state,
        next=coming(schedule.next_at, now),
        later=[f"{schedule.when.local(each):%a %-d %B, %H:%M}" for each in schedule.next_times(now)],
        last_job=schedule.last_job or "",
        last_status=schedule.last_status or "",
        last_word=STATUS_WORDS[JobStatus(schedule.last_status)] if schedule.last_status else "",
        error=schedule.last_error or "",
        since=moment(schedule.error_since, now) if schedule.error_since else None,
        notes=notes,
    )


def _times(number: int) -> str:
    return "Once" if number == 1 else f"{number:,} times"
