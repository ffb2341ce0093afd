"""Notices: where somebody is told of things, and of which. The address is typed, kept, and never shown again in full."""

from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from agent_tools.app import Backburner
from agent_tools.jobs.errors import BadRequest, NotNow
from agent_tools.jobs.notices import WANTS, Notices
from agent_tools.postman import masked
from web.actions import go_on
from web.looks import Flash, page
from web.signing import signed_in
from web.words import Moment, moment

HERE = "/notices"
_WORDS = {
    "needs_me": ("Something needs me", "a question is open that I may answer"),
    "failed": ("Something failed", "of what I or my agents asked for"),
    "done": ("Something is done", "of what I or my agents asked for"),
}


@dataclass(frozen=True)
class Kept:
    """An address as it may be shown, and how it fares."""

    masked: str
    told: Moment | None
    refused: str
    is_stopped: bool
    again: str


@signed_in("jobs:read")
async def notices_page(request: Request, backburner: Backburner) -> Response:
    """Where this person is told, and how that goes."""
    return await _shown(request, backburner)


@signed_in("jobs:read")
async def change(request: Request, backburner: Backburner) -> Response:
    """Tell this person elsewhere, or of other things."""
    async with request.form() as form:
        address, wants = str(form.get("address", "")).strip(), [str(each) for each in form.getlist("wants")]
    try:
        await backburner.notices.set(address or None, wants)
    except BadRequest as error:
        return await _shown(request, backburner, error=str(error), wants=wants, status=422)
    return go_on(HERE, Flash("Kept. Send yourself a test to see that it arrives." if address else "Kept."))


@signed_in("jobs:read")
async def test(request: Request, backburner: Backburner) -> Response:
    """Send a test, and say how that went."""
    try:
        await backburner.notices.test()
    except NotNow as error:
        return await _shown(request, backburner, said=str(error), status=409)
    return go_on(HERE, Flash("The test was taken. It should be there now."))


@signed_in("jobs:read")
async def off(request: Request, backburner: Backburner) -> Response:
    """Forget the address."""
    await backburner.notices.stop()
    return go_on(HERE, Flash("The address is forgotten. You are told nowhere but here."))


async def _shown(
    request: Request,
    backburner: Backburner,
    *,
    error: str = "",
    said: str = "",
    wants: list[str] | None = None,
    status: int = 200,
) -> Response:
    notices, now = await backburner.notices.get(), await backburner.now()
    wanted = wants if wants is not None else notices.wants if notices else WANTS
    return await page(
        request,
        backburner,
        "notices.html",
        status=status,
        again=HERE,
        kept=_kept(notices, now) if notices else None,
        choices=[(name, label, about, name in wanted) for name, (label, about) in _WORDS.items()],
        error=error,
        said=said,
        has_mail=bool(backburner.postman.mail),
        services=", ".join(backburner.postman.services),
    )


def _kept(notices: Notices, now: datetime) -> Kept:
    return Kept(
        masked(notices.address),
        moment(notices.told_at, now) if notices.told_at else None,
        notices.refused or "",
        notices.stopped_at is not None,
        f"{notices.next_at:%H:%M} UTC" if notices.refused and notices.next_at > now else "",
    )
