"""What jobs ask people: listed, answered; and what is outside, telling a job to look."""

import re

from starlette.responses import Response

from agent_tools import view
from agent_tools.jobs.errors import AskNotFound, BackburnerError, BookUnavailable
from agent_tools.jobs.job import job_id
from web.api import asked, replies
from web.api.jobs import in_full
from web.api.operation import Caller
from web.api.reading import read_bytes
from web.api.replies import answer

MOST_OF_A_CALLBACK = 1_000_000
_NUMBER = re.compile(r"[0-9]{1,18}")


async def list_asks(caller: Caller, query: asked.AsksQuery) -> Response:
    """List open questions, the oldest first."""
    page = await caller.backburner.asks(
        job=query.job_id, batch_id=query.batch_id, limit=query.limit, cursor=query.cursor
    )
    shown = [view.asked(ask, caller.addresses) for ask in page.asks]
    return answer(replies.Asks.model_validate({"asks": shown, "next_cursor": page.next_cursor}))


async def answer_ask(caller: Caller, job: str, ask: str, body: asked.AskAnswer) -> Response:
    """Answer a question of a job; gives the job as it is now.

    The first answer counts: to any other, 409 says who was first, when, and with what. An answer with `shown_hash` counts
    only for what that stands for. Programs may not answer what they asked themselves, unless the operator lets them.
    """
    backburner = caller.backburner
    meant = await backburner.ask(int(ask)) if _NUMBER.fullmatch(ask) else None
    if meant is None or meant.job != job_id(job):
        raise AskNotFound(f"{job_id(job)} has no question '{ask[:40]}'.")
    await backburner.answer(meant.id, **body.model_dump(), own=await backburner.may_answer_own())
    return await in_full(caller, await backburner.get(meant.job))


async def answer_asks(caller: Caller, body: asked.AskAnswers) -> Response:
    """Answer many questions, each for itself: one that is refused takes no other along."""
    own = await caller.backburner.may_answer_own()
    return answer(replies.AnsweredAll(answers=[await _answered(caller, each, own=own) for each in body.answers]))


async def _answered(caller: Caller, given: asked.AskAnswerTo, *, own: bool) -> replies.Answered:
    try:
        ask = await caller.backburner.answer(given.ask, **given.model_dump(exclude={"ask"}), own=own)
    except BookUnavailable:
        raise
    except BackburnerError as error:
        return replies.Answered(ask=given.ask, answered=False, code=error.code, detail=str(error))
    return replies.Answered(ask=given.ask, job_id=ask.job, answered=True)


async def call_back(caller: Caller, job: str, proof: str, query: asked.AnyQuery) -> Response:
    """Have a job look at once at what it waits for outside. Nothing that is sent along means anything.

    This is the address that a job hands to a service. Where it waits for nothing (any longer), nothing happens.
    """
    keys = caller.site.keys
    await keys.check_callback(job, proof)
    await read_bytes(caller.request, MOST_OF_A_CALLBACK)
    await keys.call_back(job)
    return Response(status_code=202, headers={"Cache-Control": "no-store"})
