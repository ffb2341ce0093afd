"""Asking for a job from the pages: what there is, and a form for each kind, made of its schema."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from agent_tools.app import Backburner
from agent_tools.jobs.errors import BadRequest, Conflict, KindUnavailable, Problem
from agent_tools.jobs.job import Worker
from agent_tools.jobs.kinds import Kind
from agent_tools.jobs.schedules import when
from agent_tools.jobs.why import unavailable
from agent_tools.requests import NewJob, subject_name
from agent_tools.schedules import checked_name
from web import fields
from web.actions import go_on
from web.fields import PREFIX, Field
from web.looks import Flash, page
from web.shelf import SCHEDULES
from web.signing import signed_in
from web.words import kind_name

_OWN = ("title", "subject")
"""What a person may say of any job."""
_REPEAT = "repeat/"
_ZONE = "UTC"
_ABOUT = {
    "name": "What to call the schedule.",
    "cron": "Minute, hour, day of month, month and day of week: 0 6 * * MON-FRI is at six on weekdays. Or @hourly, @daily, @weekly, @monthly.",
    "timezone": "Whose clock is meant, such as Europe/Berlin.",
}
_REPEATS = [
    Field(name, _REPEAT + name, "line", label, _ABOUT[name], False, _ZONE * (name == "timezone"))
    for name, label in (("name", "Name"), ("cron", "When"), ("timezone", "Time zone"))
]
"""What makes a schedule of it; where none of it is filled in, it is a job."""


@dataclass(frozen=True)
class Offer:
    """A kind as somebody chooses it; `why_not` says why it cannot be had now, None where it can."""

    name: str
    label: str
    about: str
    more: str
    usually: str
    why_not: str | None


@signed_in("jobs:create")
async def choose(request: Request, backburner: Backburner) -> Response:
    """What can be asked for; what cannot just now comes last, with the reason."""
    alive = await _alive(backburner)
    offers = [_offer(kind, alive) for kind in backburner.kinds.values() if kind.agent]
    return await page(request, backburner, "new.html", offers=sorted(offers, key=lambda each: each.why_not is not None))


@signed_in("jobs:create")
async def form(request: Request, backburner: Backburner) -> Response:
    """A kind's form."""
    kind = backburner.kinds.find(request.path_params["kind"])
    return await _form(request, backburner, kind, _fields(kind), dict.fromkeys(_OWN, ""))


@signed_in("jobs:create")
async def create(request: Request, backburner: Backburner) -> Response:
    """Create what was filled in, and go on to the job; or the form again, with what is to be mended."""
    kind = backburner.kinds.find(request.path_params["kind"])
    async with request.form(max_fields=2000) as sent:
        given = {name: value for name, value in sent.items() if isinstance(value, str)}
    asked = fields.filled(_fields(kind), given)
    args, problems = fields.values(asked)
    own = {name: given.get(name, "").strip() for name in _OWN}
    repeat = fields.filled(_REPEATS, given)
    repeats = {each.name: each.text.strip() for each in repeat}
    is_repeated = bool(repeats["name"] or repeats["cron"])
    problems += _wrong_repeats(repeats) if is_repeated else []
    try:
        if problems:
            raise BadRequest("", problems)
        if is_repeated:
            job = NewJob(kind.name, _said(args, kind), own["subject"], own["title"])
            made = await backburner.schedules.add(repeats["name"], repeats["cron"], job, timezone=repeats["timezone"])
            return go_on(SCHEDULES, Flash(f"“{made.name}” begins: {made.when.said}."))
        receipt = await backburner.create(kind.name, _said(args, kind), title=own["title"], subject=own["subject"])
    except (KindUnavailable, Conflict) as error:
        return await _form(request, backburner, kind, asked, own, repeat, said=str(error), status=409)
    except BadRequest as error:
        there = [each if each.field.startswith((PREFIX, _REPEAT)) else _placed(each) for each in error.problems]
        shown, repeat = fields.with_problems(asked, there), fields.with_problems(repeat, there)
        elsewhere = "" if any(each.error for each in (*shown, *repeat)) else str(error)
        return await _form(request, backburner, kind, shown, own, repeat, said=elsewhere, status=422)
    under = subject_name(own["subject"])
    said = "It is on the back burner." if receipt.created else "The same was asked for a moment ago: this is that job."
    return go_on(f"/jobs/{receipt.id}", Flash(f"{said} It will lie under {under}." if under else said))


async def _form(
    request: Request,
    backburner: Backburner,
    kind: Kind,
    shown: Sequence[Field],
    own: dict[str, str],
    repeat: Sequence[Field] = _REPEATS,
    *,
    said: str = "",
    status: int = 200,
) -> Response:
    alive, counts = await asyncio.gather(_alive(backburner), backburner.subjects())
    return await page(
        request,
        backburner,
        "new-form.html",
        status=status,
        offer=_offer(kind, alive),
        fields=sorted(shown, key=lambda each: not each.is_required),
        own=own,
        repeat=repeat,
        is_repeated=any(each.error or (each.text and each.text != _ZONE) for each in repeat),
        said=said,
        errors=sum(bool(each.error) for each in (*shown, *repeat)),
        subjects=sorted({count.name for count in counts if count.name}),
    )


def _fields(kind: Kind) -> list[Field]:
    return fields.fields(kind.schema)


def _said(args: dict[str, object], kind: Kind) -> dict[str, object]:
    """Without what was left as it is by default: an empty field says nothing."""
    optional = kind.schema.get("properties", {}).keys() - set(kind.schema.get("required", ()))
    return {name: value for name, value in args.items() if not (name in optional and value in ("", None))}


def _wrong_repeats(repeats: Mapping[str, str]) -> list[Problem]:
    problems: list[Problem] = []
    for refuse in (lambda: checked_name(repeats["name"]), lambda: when(repeats["cron"], repeats["timezone"])):
        try:
            refuse()
        except BadRequest as error:
            problems += [Problem(_REPEAT + each.field, each.message) for each in error.problems]
    return problems


def _placed(problem: Problem) -> Problem:
    return Problem(PREFIX + problem.field, problem.message)


def _offer(kind: Kind, alive: Sequence[Worker]) -> Offer:
    about, _, more = kind.description.partition("\n\n")
    return Offer(
        kind.name, kind_name(kind.name), " ".join(about.split()), more, kind.usually, unavailable(kind.name, alive)
    )


async def _alive(backburner: Backburner) -> list[Worker]:
    return [worker for worker in await backburner.workers() if worker.is_alive]
