"""Jobs that are created by the clock."""

from starlette.responses import Response

from agent_tools import view
from agent_tools.jobs.schedules import OF_ITS_JOB, Schedule
from agent_tools.requests import NewJob, refused
from web.api import asked, replies
from web.api.jobs import in_full
from web.api.operation import PREFIX, Caller
from web.api.replies import answer

_MAY_BE_NULL = ("subject", "title", "webhook_url")


async def add_schedule(caller: Caller, body: asked.NewSchedule) -> Response:
    """Have a job created again and again.

    Once for each time that comes. The job is checked now as it would be when it is created; what does not fit later is said in
    `last_error`, and tried again every minute.
    """
    job = NewJob(**{name: getattr(body, name) for name in OF_ITS_JOB})
    made = await caller.backburner.schedules.add(
        body.name, body.cron, job, timezone=body.timezone, overlap=body.overlap, catch_up=body.catch_up
    )
    return await _shown(caller, made, 201, Location=f"{PREFIX}/schedules/{made.id}")


async def list_schedules(caller: Caller) -> Response:
    """List what is created by the clock, when it comes next, and how it went last."""
    now = await caller.backburner.now()
    shown = [view.schedule(each, now) for each in await caller.backburner.schedules.all()]
    return answer(replies.Schedules.model_validate({"schedules": shown}))


async def get_schedule(caller: Caller, schedule: str) -> Response:
    """Read one, by its number or its name."""
    return await _shown(caller, await caller.backburner.schedules.get(schedule))


async def change_schedule(caller: Caller, schedule: str, body: asked.ScheduleChanges) -> Response:
    """Change its times or its job. Whoever changes the job has it created as themselves from then on."""
    changes = body.model_dump(exclude_unset=True)
    if empty := [name for name, value in changes.items() if value is None and name not in _MAY_BE_NULL]:
        raise refused(empty[0], "cannot be null; leave it out to have it stay")
    return await _shown(caller, await caller.backburner.schedules.change(schedule, **changes))


async def delete_schedule(caller: Caller, schedule: str) -> Response:
    """Create nothing more, and forget it. Its jobs stay."""
    await caller.backburner.schedules.delete(schedule)
    return Response(status_code=204)


async def pause_schedule(caller: Caller, schedule: str) -> Response:
    """Create nothing more until it is resumed."""
    return await _shown(caller, await caller.backburner.schedules.pause(schedule))


async def resume_schedule(caller: Caller, schedule: str) -> Response:
    """Go on with the next time from now; what passed meanwhile was not missed."""
    return await _shown(caller, await caller.backburner.schedules.resume(schedule))


async def run_schedule(caller: Caller, schedule: str) -> Response:
    """Create its job now, as the caller; the next time stays as it is."""
    job = await caller.backburner.get(await caller.backburner.schedules.run(schedule))
    return await in_full(caller, job, 202, created=True)


async def _shown(caller: Caller, schedule: Schedule, status_code: int = 200, **headers: str) -> Response:
    shown = view.schedule(schedule, await caller.backburner.now())
    return answer(replies.Schedule.model_validate(shown), status_code, **headers)
