"""A question → what a page shows of it: what is asked, of whom, what can be answered, and what became of it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from agent_tools.edits import of_form, of_text
from agent_tools.jobs.asks import Ask, Known, Waiting, turns_down
from agent_tools.jobs.errors import Problem
from agent_tools.jobs.why import duration
from web import fields
from web.fields import Field
from web.job_view import pretty
from web.things import Thing, things
from web.words import Moment, kind_name, moment

_MOST_EDITS = 20_000
"""Characters of what somebody changed that a page shows."""


@dataclass(frozen=True)
class Choice:
    """A button. `leads`: what it leads to, where the question says so."""

    word: str
    label: str
    leads: str
    is_first: bool
    needs_reason: bool


@dataclass(frozen=True)
class Line:
    """Something that was answered, in a word and in full."""

    label: str
    text: str


@dataclass(frozen=True)
class Question:
    """A question on a page. `state`: open, answered, changed, expired or over; `said` tells what became of it, or why not."""

    id: int
    job: str
    title: str
    kind: str
    heading: str
    rest: str
    things: Sequence[Thing]
    since: Moment
    asked_by: str
    may_answer: str
    still: str
    choices: Sequence[Choice]
    fields: Sequence[Field]
    shown_hash: str
    state: str
    said: str = ""
    notes: str = ""
    notes_error: str = ""
    choice_error: str = ""
    answered: Sequence[Line] = ()
    when: Moment | None = None
    newer: int | None = None
    is_refused: bool = False
    text: str = ""
    """What whoever answers may change; empty where there is nothing."""
    is_edited: bool = False
    edits: str = ""
    """What whoever answered did change of it."""
    edits_error: str = ""

    @property
    def wants_reason(self) -> bool:
        """Whether any choice needs one."""
        return any(choice.needs_reason for choice in self.choices)

    @property
    def leads(self) -> bool:
        """Whether the question says what any choice leads to."""
        return any(choice.leads for choice in self.choices)

    @property
    def errors(self) -> int:
        """How many things are to be mended."""
        wrong = [*(each.error for each in self.fields), self.notes_error, self.choice_error, self.edits_error]
        return sum(map(bool, wrong))


@dataclass(frozen=True)
class Row:
    """A question in the list. `token` names it with what it shows."""

    id: int
    title: str
    kind: str
    line: str
    since: Moment
    token: str
    is_here: bool


@dataclass(frozen=True)
class Batch:
    """Questions of one batch, or those of none (`key` empty)."""

    key: str
    rows: Sequence[Row]
    is_others: bool

    @property
    def tokens(self) -> str:
        """All of them, as one value of a form."""
        return " ".join(row.token for row in self.rows)


def choices(words: Sequence[str], leads: Mapping[str, Any] | None = None) -> list[Choice]:
    """The buttons of a question."""
    said = leads or {}
    return [
        Choice(word, label(word), str(said.get(word, "")), number == 0, turns_down(word))
        for number, word in enumerate(words)
    ]


def label(word: str) -> str:
    """`send_back` → `Send back`."""
    plain = word.replace("_", " ").strip()
    return plain[:1].upper() + plain[1:]


def question(
    ask: Ask,
    now: datetime,
    me: Known,
    known: Sequence[Known],
    *,
    may_own: bool,
    may_all: bool = False,
    file_text: str = "",
    newer: int | None = None,
) -> Question:
    """The question as `me` sees it. `may_own`, `may_all`: whether `me` may answer what they asked, and what is put to others.

    `file_text` is the beginning of a shown file that is text.
    """
    heading, _, rest = ask.question.strip().partition("\n")
    shown = ask.shown or {}
    is_own = ask.principal == me.id and not may_own
    theirs = put_to(ask, me, known, may_all=may_all)
    state = _state(ask, now, newer)
    left = (ask.deadline_at - now).total_seconds() if ask.deadline_at else 0
    return Question(
        id=ask.id,
        job=ask.job,
        title=ask.title or kind_name(ask.kind),
        kind=kind_name(ask.kind),
        heading=heading,
        rest=rest.strip(),
        things=things(ask, file_text),
        since=moment(ask.asked_at, now),
        asked_by=_asker(ask.principal, me, known),
        may_answer=f"Put to {theirs}, and nobody else answers it." if theirs else _may_answer(ask, me, known, is_own),
        still=f"Open for {duration(left)} more" if state == "open" and ask.deadline_at else "",
        choices=choices(ask.choices, shown.get("leads_to")),
        fields=fields.fields(ask.form),
        shown_hash=ask.shown_hash,
        state=state,
        said=_became(ask, now, me, state),
        answered=_lines(ask),
        when=moment(ask.answered_at, now) if ask.answered_at else None,
        newer=newer if state == "changed" else None,
        is_refused=is_own or bool(theirs),
        text=ask.editable or "",
        edits=of_text(ask.editable or "", edited, _MOST_EDITS) if (edited := (ask.answer or {}).get("edited")) else "",
    )


def sent(asked: Question, form: Mapping[str, str], problems: Sequence[Problem] = (), said: str = "") -> Question:
    """The question as somebody filled it in, with what is wrong beside each field, or `said` where it came too late."""
    wrong = {problem.field: problem.message for problem in problems}
    text = form.get("edited", asked.text).replace("\r\n", "\n") if asked.text else ""
    return replace(
        asked,
        fields=fields.with_problems(fields.filled(asked.fields, form), problems),
        notes=form.get("notes", "").replace("\r\n", "\n"),
        notes_error=wrong.get("notes", ""),
        choice_error=wrong.get("decision", "") or wrong.get("values", ""),
        text=text,
        is_edited=text != asked.text,
        edits_error=wrong.get("edited", ""),
        said=said or asked.said,
    )


def batches(waiting: Sequence[Waiting], now: datetime, here: int | None) -> list[Batch]:
    """The list: one's own first; what came together stands together, where the first of it stands."""
    found: dict[tuple[bool, str], list[Row]] = {}
    sizes: dict[tuple[bool, str | None], int] = {}
    for each in waiting:
        sizes[each.is_mine, each.batch_id] = sizes.get((each.is_mine, each.batch_id), 0) + 1
    for each in waiting:
        key = (each.batch_id or "") if sizes[each.is_mine, each.batch_id] > 1 else ""
        found.setdefault((not each.is_mine, key), []).append(row(each, now, here))
    return [
        Batch(key, rows, is_others) for (is_others, key), rows in sorted(found.items(), key=lambda item: item[0][0])
    ]


def row(each: Waiting, now: datetime, here: int | None = None) -> Row:
    """A question in the list."""
    line = next(iter(each.question.strip().splitlines()), "")
    token = f"{each.id}:{each.shown_hash}"
    return Row(
        each.id,
        each.title or kind_name(each.kind),
        kind_name(each.kind),
        line,
        moment(each.asked_at, now),
        token,
        each.id == here,
    )


# --------------------------------------------------------------------------------------------- who, and what became


def _state(ask: Ask, now: datetime, newer: int | None) -> str:
    if ask.answered_at is not None:
        return "answered"
    if ask.deadline_at is not None and ask.deadline_at <= now:
        return "expired"
    if ask.withdrawn_at is not None:
        return "changed" if newer else "over"
    return "open"


def _became(ask: Ask, now: datetime, me: Known, state: str) -> str:
    match state:
        case "answered":
            who = "You" if ask.answered_by == me.name else ask.answered_by
            return f"{who} answered this {moment(ask.answered_at or now, now).ago}: {decision(ask)}."
        case "changed":
            return "What this question shows has changed since. Nothing was answered."
        case "expired":
            return f"This question was open until {moment(ask.deadline_at or now, now).exact}; the job went on without an answer."
        case "over":
            return "Nobody asks this any longer: the job went on without it, or has ended."
    return ""


def decision(ask: Ask) -> str:
    """What was answered, in a word."""
    return (ask.answer or {}).get("decision") or "the form was filled in"


def _lines(ask: Ask) -> list[Line]:
    answer = ask.answer or {}
    lines = (
        [Line("Because" if turns_down(answer.get("decision")) else "Note", answer["notes"])]
        if answer.get("notes")
        else []
    )
    labels = {each.name: each.label for each in fields.fields(ask.form)}
    changed = of_form(ask.form, answer.get("values"))
    for name, value in (answer.get("values") or {}).items():
        was = f" (before: {_plain(changed[name]['was'])})" if name in changed else ""
        lines.append(Line(labels.get(name, name), _plain(value) + was))
    return lines


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else pretty(value)


def _asker(principal: int, me: Known, known: Sequence[Known]) -> str:
    if principal == me.id:
        return "you"
    who = next((each for each in known if each.id == principal), None)
    if who is None or who.person is None:
        return who.name if who else "somebody"
    whose = "your agent" if who.person == me.name else f"{who.person}’s agent"
    return whose if who.name == "agent" else f"{who.name}, {whose}"


def put_to(ask: Ask, me: Known, known: Sequence[Known], *, may_all: bool) -> str:
    """The one person here who answers this; empty where `me` may, too."""
    wanted = (ask.for_person or "").casefold()
    if not wanted or may_all or wanted == me.name.casefold():
        return ""
    return next((each.name for each in known if each.is_person and each.name.casefold() == wanted), "")


def _may_answer(ask: Ask, me: Known, known: Sequence[Known], is_own: bool) -> str:
    asker = {ask.principal} if is_own else set()
    others = [each.name for each in known if each.is_person and each.id not in {me.id, *asker}]
    if is_own:
        return f"You asked for this job yourself, so somebody else answers: {_or(others)}."
    wanted = (ask.for_person or "").casefold()
    if wanted and wanted == me.name.casefold():
        return "Put to you; nobody else answers it." if others else "Put to you."
    if wanted and any(wanted == name.casefold() for name in others):
        return f"Put to {ask.for_person}; as an operator you may answer, too."
    unknown = f"Put to {ask.for_person}, who is not here. " if wanted else ""
    return f"{unknown}{f'You may answer, or {_or(others)}' if others else 'You are the one to answer'}."


def _or(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names) or "nobody is here yet who could"
    shown = [*names[:3], f"{len(names) - 3} more"] if len(names) > 4 else list(names)
    return f"{', '.join(shown[:-1])} or {shown[-1]}"
