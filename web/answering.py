"""Answering from the pages: one question, or several alike. Only a form that is sent decides."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from agent_tools.answers import Said
from agent_tools.app import Backburner
from agent_tools.jobs.asks import Ask, needs_form, turns_down
from agent_tools.jobs.errors import BackburnerError, BadRequest, Conflict, NotNow, Problem
from web import asked, fields, waiting
from web.actions import back_to, go_on
from web.asked import Question, label
from web.looks import Flash, page
from web.shelf import INBOX
from web.signing import signed_in

_REASON = "Say why: whoever asked has only this to go on."
_FORM = 2 * waiting.MOST + 10


@signed_in("jobs:answer")
async def answer(request: Request, backburner: Backburner) -> Response:
    """Answer one question, and go on with the next."""
    ask = await waiting.ask_of(backburner, request.path_params["ask"])
    async with request.form(max_fields=2000) as form:
        given = _texts(form)
    shown_hash, decision, notes = given.get("shown_hash"), given.get("decision"), given.get("notes", "").strip()
    if not shown_hash:
        raise BadRequest("This answer does not say what it was given to. Open the question and answer it there.")
    question = await waiting.view(request, backburner, ask)
    filled = fields.filled(question.fields, given)
    if decision and not needs_form(ask.choices, decision):
        filled = fields.optional(filled)
    values, problems = fields.values(filled)
    if not notes and turns_down(decision):
        problems.append(Problem("notes", _REASON))
    if ask.choices and not decision:
        problems.append(Problem("decision", "Choose one of these."))
    if question.state == "open" and problems:
        return await _again(request, backburner, question, given, problems)

    rows = await backburner.asks.waiting(waiting.MOST)
    try:
        await backburner.asks.answer(
            ask.id,
            decision,
            values=values if ask.form is not None else None,
            notes=notes or None,
            edited=given["edited"].replace("\r\n", "\n") if ask.editable and "edited" in given else None,
            shown_hash=shown_hash,
            own=await backburner.people.may_answer_own(),
        )
    except BadRequest as error:
        return await _again(request, backburner, question, given, error.problems)
    except (Conflict, NotNow) as error:
        return await _too_late(request, backburner, ask.id, given, error)

    left = [each for each in rows if each.id != ask.id]
    said = f"{label(decision) if decision else 'Sent'}: “{question.title}”. {_left(sum(each.is_mine for each in left))}"
    to = back_to(given["return_to"]) if "return_to" in given else waiting.next_href(rows, ask.id) or INBOX
    return go_on(to, Flash(said))


async def _again(
    request: Request, backburner: Backburner, question: Question, given: dict[str, str], problems: Sequence[Problem]
) -> Response:
    """The question once more, with what was typed, and beside each field what is wrong with it."""
    rows = await backburner.asks.waiting(waiting.MOST)
    return await waiting.shown(request, backburner, rows, asked.sent(question, given, problems), status=422)


async def _too_late(
    request: Request, backburner: Backburner, number: int, given: dict[str, str], error: BackburnerError
) -> Response:
    """The question as it is now: who was first, when and with what; or what it shows instead."""
    ask, rows = await asyncio.gather(waiting.ask_of(backburner, number), backburner.asks.waiting(waiting.MOST))
    question = await waiting.view(request, backburner, ask)
    if question.newer:
        question = await waiting.view(request, backburner, await waiting.ask_of(backburner, question.newer))
    said = f"{error} This is how it is now." if question.state == "open" else ""
    return await waiting.shown(request, backburner, rows, asked.sent(question, given, said=said), status=409)


# ---------------------------------------------------------------------------------------------------- several alike


@dataclass(frozen=True)
class Meant:
    """A question that was ticked, and what was shown of it."""

    id: int
    shown_hash: str


@dataclass(frozen=True)
class Outcome:
    """What became of one of several; `why` it was not answered, empty where it was."""

    id: int
    title: str
    why: str = ""


@signed_in("jobs:answer")
async def together(request: Request, backburner: Backburner) -> Response:
    """Without a decision: what is about to be answered alike. With one: what was done, and what not and why."""
    async with request.form(max_fields=_FORM) as form:
        meant, given = _meant(form.getlist("ask")), _texts(form)
    if not meant:
        raise BadRequest("Nothing is selected. Tick the questions to answer first.")
    asks = {ask.id: ask for ask in await backburner.asks.numbered([each.id for each in meant])}
    alike, apart = _alike(meant, asks, await waiting.put_to_others(backburner, asks.values()))
    decision, notes = given.get("decision"), given.get("notes", "").strip()
    is_missing = bool(decision) and turns_down(decision) and not notes
    if not decision or is_missing or not alike:
        return await page(
            request,
            backburner,
            "together.html",
            status=422 if is_missing else 200,
            alike=[Outcome(each.id, _title(asks[each.id])) for each in alike],
            apart=apart,
            tokens=" ".join(f"{each.id}:{each.shown_hash}" for each in alike),
            choices=asked.choices(asks[alike[0].id].choices, _leads([asks[each.id] for each in alike]))
            if alike
            else [],
            notes=given.get("notes", ""),
            notes_error=_REASON if is_missing else "",
        )
    done = await _done(backburner, alike, asks, decision, notes)
    rows = await backburner.asks.waiting(waiting.MOST)
    return await page(
        request,
        backburner,
        "answered.html",
        decision=label(decision),
        done=[each for each in done if not each.why],
        not_done=[*(each for each in done if each.why), *apart],
        left=sum(each.is_mine for each in rows),
    )


async def _done(
    backburner: Backburner, alike: Sequence[Meant], asks: Mapping[int, Ask], decision: str, notes: str
) -> list[Outcome]:
    """What became of each, all answered in one go."""
    given = [
        (each.id, Said(decision, {} if asks[each.id].form is not None else None, notes or None, None, each.shown_hash))
        for each in alike
    ]
    became = await backburner.asks.answer_all(given, own=await backburner.people.may_answer_own())
    refused = [each.id for each, one in zip(alike, became, strict=True) if isinstance(one, BackburnerError)]
    # The same form sent twice answers once, and says so twice.
    ours = {
        ask.id
        for ask in (await backburner.asks.numbered(refused) if refused else ())
        if ask.answered_by == backburner.who.name and (ask.answer or {}).get("decision") == decision
    }
    return [
        Outcome(each.id, _title(asks[each.id]), str(one) if each.id in refused and each.id not in ours else "")
        for each, one in zip(alike, became, strict=True)
    ]


def _alike(
    meant: Sequence[Meant], asks: Mapping[int, Ask], theirs: Mapping[int, str]
) -> tuple[list[Meant], list[Outcome]]:
    """Those that can be answered alike: with the choices that most of them have, nothing that must be filled in, and put to
    nobody else (`theirs`: to whom others are).
    """
    fit = [
        each
        for each in meant
        if each.id in asks and each.id not in theirs and not _needs_form(asks[each.id]) and asks[each.id].choices
    ]
    counted = [tuple(asks[each.id].choices) for each in fit]
    usual = max(counted, key=counted.count, default=())
    alike = [each for each in fit if tuple(asks[each.id].choices) == usual]
    ids = {each.id for each in alike}
    return alike, [_apart(each, asks, theirs) for each in meant if each.id not in ids]


def _apart(meant: Meant, asks: Mapping[int, Ask], theirs: Mapping[int, str]) -> Outcome:
    if meant.id not in asks:
        return Outcome(meant.id, "A question", "It is no longer here.")
    ask = asks[meant.id]
    if ask.id in theirs:
        return Outcome(ask.id, _title(ask), f"It is put to {theirs[ask.id]}.")
    if _needs_form(ask):
        return Outcome(ask.id, _title(ask), "It has a form to fill in.")
    choices = ", ".join(map(label, ask.choices))
    return Outcome(
        ask.id, _title(ask), f"It has other choices: {choices}." if choices else "It has a form and no choices."
    )


def _needs_form(ask: Ask) -> bool:
    return bool((ask.form or {}).get("required"))


def _leads(asks: Sequence[Ask]) -> dict[str, str]:
    """What the choices lead to, where that is the same for all."""
    said = [(ask.shown or {}).get("leads_to") or {} for ask in asks]
    return said[0] if all(each == said[0] for each in said) else {}


def _title(ask: Ask) -> str:
    return ask.title or ask.question.strip().splitlines()[0]


def _meant(sent: Iterable[object]) -> list[Meant]:
    """`17:ab… 18:cd…`, as boxes of one question and of a whole batch say it; each question once."""
    found: dict[int, Meant] = {}
    for token in " ".join(map(str, sent)).split():
        number, _, shown_hash = token.partition(":")
        if not (number.isascii() and number.isdecimal() and len(number) < 19 and shown_hash):
            raise BadRequest("That is no selection of questions. Go back and tick them again.")
        found.setdefault(int(number), Meant(int(number), shown_hash))
    if len(found) > waiting.MOST:
        raise BadRequest(f"These are too many at once; at most {waiting.MOST} can be answered together.")
    return list(found.values())


def _texts(form: FormData) -> dict[str, str]:
    return {name: value for name, value in form.items() if isinstance(value, str)}


def _left(number: int) -> str:
    return {0: "Nothing else waits for you.", 1: "One more waits."}.get(number, f"{number} more wait.")
