"""What jobs ask people: listed, answered; and what is outside, telling a job to look."""

import re

from starlette.responses import Response

from agent_tools import view
from agent_tools.answers import Said
from agent_tools.jobs.asks import Ask
from agent_tools.jobs.errors import AskNotFound, BackburnerError, BadRequest
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
    page = await caller.backburner.asks.page(
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
    meant = await backburner.asks.get(int(ask)) if _NUMBER.fullmatch(ask) else None
    if meant is None or meant.job != job_id(job):
        raise AskNotFound(f"{job_id(job)} has no question '{ask[:40]}'.")
    await backburner.asks.answer(meant.id, **body.model_dump(), own=await backburner.people.may_answer_own())
    return await in_full(caller, await backburner.get(meant.job))


async def answer_asks(caller: Caller, body: asked.AskAnswers) -> Response:
    """Answer many questions, each for itself: one that is refused takes no other along.

    Either `answers`, or with `alike` the same for all that the jobs of a batch ask now.
    """
    if (body.answers is None) == (body.alike is None):
        raise BadRequest("Say what is answered: either answers or alike.")
    backburner = caller.backburner
    own = await backburner.people.may_answer_own()
    if body.alike is not None:
        said = Said(**body.alike.model_dump(exclude={"batch_id"}))
        became = [*(await backburner.asks.answer_batch(body.alike.batch_id, said, own=own)).items()]
    else:
        given = [(each.ask, Said(**each.model_dump(exclude={"ask"}))) for each in body.answers or ()]
        numbers = [ask for ask, _ in given]
        became = [*zip(numbers, await backburner.asks.answer_all(given, own=own), strict=True)]
    return answer(replies.AnsweredAll(answers=[_answered(ask, each) for ask, each in became]))


def _answered(ask: int, became: Ask | BackburnerError) -> replies.Answered:
    if isinstance(became, BackburnerError):
        return replies.Answered(ask=ask, answered=False, code=became.code, detail=str(became))
    return replies.Answered(ask=ask, job_id=became.job, answered=True)


async def call_back(caller: Caller, job: str, proof: str, query: asked.AnyQuery) -> Response:
    """Have a job look at once at what it waits for outside. Nothing that is sent along means anything.

    This is the address that a job hands to a service. Where it waits for nothing (any longer), nothing happens.
    """
    keys = caller.site.keys
    await keys.check_callback(job, proof)
    await read_bytes(caller.request, MOST_OF_A_CALLBACK)
    await caller.backburner.ring(await keys.call_back(job))
    return Response(status_code=202, headers={"Cache-Control": "no-store"})
