"""The person at the other end of a call: a job's question is put to them there, where the client can show a form."""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp.types import CallToolRequestParams, ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from agent_tools.app import Backburner
from agent_tools.jobs.asks import Ask, needs_form
from agent_tools.jobs.errors import BackburnerError
from agent_tools.jobs.job import Job
from agent_tools.server.replies import clean
from agent_tools.view import Addresses

MOST_SHOWN = 2000
"""Characters of what a question shows that go into a chat; the page has all of it."""
_KEY = re.compile(r"ask-(\d{1,18})-([0-9a-f]{64})")
_FLAT = ("string", "number", "integer", "boolean")
_SAID = ("type", "title", "description", "enum", "minimum", "maximum", "minLength", "maxLength", "default")
_FORMATS = ("email", "uri", "date", "date-time")

Declined = set[tuple[int, str]]
"""Who has said that they will not answer what in a chat: they are not asked there again."""


class InputNeeded(Exception):
    """The call cannot go on before the person has seen this form: the client is to show it, and to call again."""

    def __init__(self, key: str, form: ElicitRequestFormParams) -> None:
        super().__init__(key)
        self.result = InputRequiredResult(input_requests={key: ElicitRequest(params=form)})


@dataclass(frozen=True)
class Chat:
    """One call of a client that can show forms. What it says its person answered is taken for that person's word."""

    context: ServerRequestContext[Any]
    params: CallToolRequestParams
    declined: Declined

    @classmethod
    def of(cls, context: ServerRequestContext[Any], params: CallToolRequestParams, declined: Declined) -> "Chat | None":
        """None where the client cannot show forms, or cannot be asked by the way it is connected."""
        if not shows_forms(context):
            return None
        chat = cls(context, params, declined)
        return chat if chat.calls_again or context.session.can_send_request else None

    @property
    def calls_again(self) -> bool:
        """Whether the client answers by calling again (since 2026-07-28), and not while the call goes on."""
        return self.context.protocol_version in MODERN_PROTOCOL_VERSIONS

    def came_along(self) -> Iterator[tuple[str, ElicitResult]]:
        """What the person said to forms of the call before."""
        for key, said in (self.params.input_responses or {}).items():
            if isinstance(said, ElicitResult):
                yield key, said

    async def put(self, key: str, form: ElicitRequestFormParams, within_s: float) -> ElicitResult | None:
        """What the person says; None where they say nothing in time. Raises InputNeeded."""
        if self.calls_again:
            raise InputNeeded(key, form)
        with suppress(TimeoutError, MCPError, ValidationError):
            async with asyncio.timeout(within_s):
                return await self.context.session.elicit_form(
                    form.message, form.requested_schema, related_request_id=self.context.request_id
                )
        return None


def shows_forms(context: ServerRequestContext[Any]) -> bool:
    """Whether the client says that it can put a form to its person."""
    capabilities = context.session.client_capabilities
    can = capabilities.elicitation if capabilities else None
    return can is not None and (can.form is not None or can.url is None)


async def wait_with_person(
    chat: Chat,
    backburner: Backburner,
    addresses: Addresses,
    look: Callable[[float], Awaitable[Sequence[Job]]],
    seconds: float,
) -> tuple[Sequence[Job], list[str]]:
    """What `look` gives within so many seconds, and a sentence on each question that was put to the person meanwhile.

    The answer is the person's whose agent calls. A question that they do not answer stays open. Raises InputNeeded.
    """
    ends, person, rest_s, tried = time.monotonic() + seconds, await backburner.as_person(), 0.0, set[str]()
    told = []
    for key, said in chat.came_along():
        tried.add(key)
        told += [await take(person, key, said, chat.declined)]
    while True:
        jobs = await look(rest_s)
        left_s = ends - time.monotonic()
        ask = await _next(chat, person, jobs, tried)
        if ask and (left_s > 0 or chat.calls_again):
            tried.add(_key(ask))
            said_now = await chat.put(_key(ask), _form(ask, addresses), left_s)
            if said_now is None:
                return jobs, told
            told += [await take(person, _key(ask), said_now, chat.declined)]
            rest_s = 0
        elif rest_s > 0 or left_s <= 0:
            return jobs, told
        else:
            rest_s = left_s


async def _next(chat: Chat, person: Backburner, jobs: Sequence[Job], tried: set[str]) -> Ask | None:
    """A question that is this person's to answer, fits into a form, and was not put to them yet."""
    asks = await person.open_asks(jobs)
    for ask in (ask for job in jobs for ask in asks.get(job.id, ())):
        if _key(ask) not in tried and _can_be_put(ask, person, chat.declined):
            return ask
    return None


async def forms(
    person: Backburner, job: Job, addresses: Addresses, declined: Declined
) -> dict[str, ElicitRequestFormParams]:
    """What the job asks now that can be put to this person in a chat: key → form."""
    asks = (await person.open_asks([job])).get(job.id, ())
    return {_key(ask): _form(ask, addresses) for ask in asks if _can_be_put(ask, person, declined)}


def _can_be_put(ask: Ask, person: Backburner, declined: Declined) -> bool:
    """Whether it is this person's to answer, fits into a form, and they have not said that they will not."""
    is_theirs = ask.for_person is None or ask.for_person.casefold() == person.who.name.casefold()
    return is_theirs and (person.who.principal, _key(ask)) not in declined and _fields(ask.form) is not None


async def take(person: Backburner, key: str, said: ElicitResult, declined: Declined) -> str:
    """Answer with what the person said, and say what became of it."""
    match = _KEY.fullmatch(key)
    if not match:
        return "The client answered a question that was not asked here."
    if said.action == "decline":
        declined.add((person.who.principal, key))
        return "The user would rather not answer in the chat: the question stays open on its page. End your turn."
    if said.action == "cancel" or said.content is None:
        return "The user closed the question without an answer: it stays open. End your turn."
    content = {name: value for name, value in said.content.items() if value is not None}
    chosen, notes = content.pop("decision", None), content.pop("notes", None)
    decision = str(chosen) if chosen else None
    try:
        ask = await person.asks.get(int(match[1]))
        required = (ask.form or {}).get("required", ()) if needs_form(ask.choices, decision) else ()
        values = {name: value for name, value in content.items() if value != "" or name in required}
        await person.asks.answer(
            ask.id,
            decision,
            values=values or ({} if ask.form else None),
            notes=str(notes) if notes else None,
            shown_hash=match[2],
        )
    except BackburnerError as error:
        return f"The user's answer in the chat was not taken. {error}"
    return f"The user answered in the chat: {decision or 'with the form'}."


def _key(ask: Ask) -> str:
    """Stands for the question and exactly what it shows."""
    return f"ask-{ask.id}-{ask.shown_hash}"


def _form(ask: Ask, addresses: Addresses) -> ElicitRequestFormParams:
    fields = dict(_fields(ask.form) or {})
    # One form for every decision: where one of them needs no fields, those that another needs are asked for at the door.
    always = all(needs_form(ask.choices, choice) for choice in ask.choices)
    required = [name for name in (ask.form or {}).get("required", ()) if name in fields and always]
    if ask.choices:
        decision = {"type": "string", "title": "Decision", "enum": list(ask.choices)}
        fields, required = {"decision": decision, **fields}, ["decision", *required]
    fields["notes"] = {"type": "string", "title": "Notes", "description": "A reason, or what should be different."}
    schema = {"type": "object", "properties": fields, "required": required}
    return ElicitRequestFormParams(message=_message(ask, addresses), requested_schema=schema)


def _message(ask: Ask, addresses: Addresses) -> str:
    """What the person reads. Where that is not all that is shown, it says where the rest is."""
    shown = ask.shown or {}
    text = shown.get("text") or ""
    if "data" in shown:
        text = json.dumps(shown["data"], indent=1, ensure_ascii=False)
    if "file" in shown:
        text = f"About the file {shown['file']['title']}."
    page = addresses.page(ask.job)
    is_whole = len(text) <= MOST_SHOWN and "file" not in shown
    where = f"{'Also' if is_whole else 'All of it is'} at {page}" if page else ""
    parts = [ask.question, text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…", where]
    return clean("\n\n".join(part for part in parts if part))


def _fields(form: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The form's fields as a chat's form can have them; None where one that is required is none of these."""
    if form is None:
        return {}
    flat: dict[str, Any] = {}
    for name, field in form.get("properties", {}).items():
        simple = _flat(field, form.get("$defs", {})) if name not in ("decision", "notes") else None
        if simple is not None:
            flat[name] = simple
        elif name in form.get("required", ()) or name in ("decision", "notes"):
            return None
    return flat


def _flat(field: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any] | None:
    either = [each for each in field.get("anyOf", ()) if each != {"type": "null"}]
    if len(either) == 1:
        field = {**field, **either[0]}
    if "$ref" in field:
        field = {**definitions.get(str(field["$ref"]).rpartition("/")[2], {}), **field}
    if "const" in field:
        field = {**field, "enum": [field["const"]]}
    kind: Literal["string", "number", "integer", "boolean"] | None = field.get("type")
    if kind not in _FLAT or ("enum" in field and kind != "string"):
        return None
    simple = {says: field[says] for says in _SAID if field.get(says) is not None}
    return simple | ({"format": field["format"]} if field.get("format") in _FORMATS else {})
