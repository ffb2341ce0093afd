"""The inbox: what waits for a person, one question in front and the others in a list."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from agent_tools.app import Backburner
from agent_tools.jobs.asks import Ask, Known, Waiting
from agent_tools.jobs.errors import AskNotFound
from agent_tools.jobs.job import StoredArtifact
from web import asked, words
from web.asked import Question
from web.looks import page
from web.reading import beginnings
from web.shelf import INBOX
from web.signing import signed_in
from web.site import Site

MOST = 200
"""How many questions the list shows at once."""
_OF_JOB = 50
_TEXT = 64_000


@signed_in("jobs:read")
async def inbox(request: Request, backburner: Backburner) -> Response:
    """The first question that waits."""
    live = Site.of(request).tail.place
    rows = await backburner.asks.waiting(MOST)
    first = await ask_of(backburner, rows[0].id) if rows else None
    return await shown(request, backburner, rows, await view(request, backburner, first) if first else None, live=live)


@signed_in("jobs:read")
async def ask_page(request: Request, backburner: Backburner) -> Response:
    """One question, open or not."""
    live = Site.of(request).tail.place
    ask = await ask_of(backburner, request.path_params["ask"])
    rows, question = await asyncio.gather(backburner.asks.waiting(MOST), view(request, backburner, ask))
    return await shown(request, backburner, rows, question, live=live)


@signed_in("jobs:read")
async def nothing_together(request: Request, backburner: Backburner) -> Response:
    """Whoever comes back to the address of a bulk answer begins anew: only a form says which questions were meant."""
    return RedirectResponse(INBOX, 303)


async def shown(
    request: Request,
    backburner: Backburner,
    rows: Sequence[Waiting],
    question: Question | None,
    *,
    live: str | None = None,
    status: int = 200,
) -> Response:
    """The inbox with this question in front. What is in front stays there when news come, whatever becomes of it."""
    now = await backburner.now()
    here = question.id if question else None
    ids = [each.id for each in rows]
    return await page(
        request,
        backburner,
        "waiting.html",
        status=status,
        question=question,
        batches=asked.batches(rows, now, here),
        count=sum(each.is_mine for each in rows),
        place=ids.index(here) + 1 if here in ids else None,
        next=next_href(rows, here),
        is_cut=len(rows) >= MOST,
        can_answer=may_answer(backburner),
        again=f"{INBOX}/{here}" if here else "",
        **({"live": live} if live else {}),
    )


async def ask_of(backburner: Backburner, number: int) -> Ask:
    """The question of this number. Raises AskNotFound."""
    found = await backburner.asks.numbered([number])
    if not found:
        raise AskNotFound("There is no such question here, or it is not yours to see.")
    return found[0]


async def view(request: Request, backburner: Backburner, ask: Ask, now: datetime | None = None) -> Question:
    """The question as this person sees it."""
    known, text, newer = await asyncio.gather(
        backburner.people.all(), asyncio.to_thread(_file_text, backburner, ask), _newer(backburner, ask)
    )
    return asked.question(
        ask,
        now or await backburner.now(),
        myself(backburner),
        known,
        may_own=await backburner.people.may_answer_own(),
        may_all=may_answer_all(backburner),
        file_text=text,
        newer=newer,
    )


async def of_job(request: Request, backburner: Backburner, job: str) -> tuple[list[Question], list[Question]]:
    """What a job asks, and what it asked before, newest first."""
    asks = (await backburner.asks.page(job=job, open_only=False, limit=_OF_JOB)).asks
    now = await backburner.now() if asks else None
    questions = [await view(request, backburner, ask, now) for ask in asks]
    return [each for each in questions if each.state == "open"], [
        each for each in reversed(questions) if each.state != "open"
    ]


async def put_to_others(backburner: Backburner, asks: Iterable[Ask]) -> dict[int, str]:
    """Question → whom it is put to, for those that only somebody else who is here may answer."""
    known, me = await backburner.people.all(), myself(backburner)
    found = {ask.id: asked.put_to(ask, me, known, may_all=may_answer_all(backburner)) for ask in asks}
    return {number: name for number, name in found.items() if name}


def may_answer_all(backburner: Backburner) -> bool:
    """Whether this person may answer what is put to others, too."""
    return "admin" in backburner.who.scopes


def may_answer(backburner: Backburner) -> bool:
    """Whether this person may answer at all."""
    return bool({"jobs:answer", "admin"} & set(backburner.who.scopes))


def myself(backburner: Backburner) -> Known:
    """Whoever reads the page."""
    return Known(backburner.who.principal, backburner.who.name, True, None)


def next_href(rows: Sequence[Waiting], after: int | None) -> str:
    """The question after this one, the first one where that was the last; empty where no other waits."""
    ids = [each.id for each in rows]
    others = [each for each in ids if each != after]
    if not others:
        return ""
    later = ids[ids.index(after) + 1 :] if after in ids else []
    return f"{INBOX}/{(later or others)[0]}"


async def _newer(backburner: Backburner, ask: Ask) -> int | None:
    """The open question that stands in place of one that was withdrawn."""
    if ask.withdrawn_at is None:
        return None
    found = (await backburner.asks.page(job=ask.job)).asks
    return next((each.id for each in found if each.name == ask.name and each.id != ask.id), None)


def _file_text(backburner: Backburner, ask: Ask) -> str:
    file = (ask.shown or {}).get("file")
    if not file:
        return ""
    stored = StoredArtifact(file["name"], file["title"], file["media_type"], file["bytes"], file["sha256"], 0)
    return beginnings([backburner.asks.shown_file(ask)], _TEXT)[0] if words.sort_of(stored) == "text" else ""
