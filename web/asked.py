"""A question → what a page shows of it: the thing itself, what is asked, what can be answered. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote

from markupsafe import Markup

from agent_tools.articles import read
from agent_tools.jobs.artifact_store import StepFile
from agent_tools.jobs.asks import Ask, Known, Waiting
from agent_tools.jobs.errors import Problem
from agent_tools.jobs.job import StoredArtifact
from agent_tools.jobs.why import duration
from web import fields
from web.fields import Field
from web.job_view import pretty
from web.words import Moment, artifact_href, kind_name, moment, size, sort_of, type_word

_REFUSALS = frozenset({"reject", "refuse", "decline", "deny", "disapprove", "veto", "no"})
_SENDING_BACK = ("send back", "return", "request changes")
_OURS = re.compile(
    r"(?:job://(?P<a>\w{13})/artifacts/|artifact:/*(?P<b>\w{13})/|/artifacts/(?P<c>\w{13})/)(?P<name>[^/?#]+)", re.ASCII
)
_OUR_JOB = re.compile(r"(?:job://|/jobs/)(?P<job>[0-9a-z]{13})/?")
_ELSEWHERE = re.compile(r"https?://\S+", re.IGNORECASE)
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".svg")
_SHORT = 80
_MANY = 60


@dataclass(frozen=True)
class Thing:
    """Something shown. `sort`: article, picture, pictures, page, text, audio, video, file, link, word, or data."""

    sort: str
    label: str = ""
    html: Markup | str = ""
    text: str = ""
    href: str = ""
    size: str = ""
    word: str = ""
    is_cut: bool = False
    pictures: Sequence[str] = ()


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
        return sum(bool(each.error) for each in self.fields) + bool(self.notes_error) + bool(self.choice_error)


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
        Choice(word, label(word), str(said.get(word, "")), number == 0, needs_reason(word))
        for number, word in enumerate(words)
    ]


def label(word: str) -> str:
    """`send_back` → `Send back`."""
    plain = word.replace("_", " ").strip()
    return plain[:1].upper() + plain[1:]


def needs_reason(word: str | None) -> bool:
    """Whether somebody who is told only this would ask why."""
    plain = " ".join((word or "").casefold().replace("_", " ").replace("-", " ").split())
    return plain.split(" ")[0].strip(".,:!") in _REFUSALS or plain.startswith(_SENDING_BACK)


def question(
    ask: Ask,
    now: datetime,
    me: Known,
    known: Sequence[Known],
    *,
    may_own: bool,
    file_text: str = "",
    newer: int | None = None,
) -> Question:
    """The question as `me` sees it. `file_text` is the beginning of a shown file that is text."""
    heading, _, rest = ask.question.strip().partition("\n")
    shown = ask.shown or {}
    is_own = ask.principal == me.id and not may_own
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
        may_answer=_may_answer(ask, me, known, is_own),
        still=f"Open for {duration(left)} more" if state == "open" and ask.deadline_at else "",
        choices=choices(ask.choices, shown.get("leads_to")),
        fields=fields.fields(ask.form),
        shown_hash=ask.shown_hash,
        state=state,
        said=_became(ask, now, me, state),
        answered=_lines(ask),
        when=moment(ask.answered_at, now) if ask.answered_at else None,
        newer=newer if state == "changed" else None,
        is_refused=is_own,
    )


def sent(asked: Question, form: Mapping[str, str], problems: Sequence[Problem] = (), said: str = "") -> Question:
    """The question as somebody filled it in, with what is wrong beside each field, or `said` where it came too late."""
    wrong = {problem.field: problem.message for problem in problems}
    return replace(
        asked,
        fields=fields.with_problems(fields.filled(asked.fields, form), problems),
        notes=form.get("notes", "").replace("\r\n", "\n"),
        notes_error=wrong.get("notes", ""),
        choice_error=wrong.get("decision", "") or wrong.get("values", ""),
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


# -------------------------------------------------------------------------------------------------- the thing itself


def things(ask: Ask, file_text: str = "") -> list[Thing]:
    """What the question is about."""
    shown = ask.shown or {}
    found: list[Thing] = []
    if isinstance(text := shown.get("text"), str):
        found.append(article(text))
    if isinstance(file := shown.get("file"), Mapping):
        found.append(_file(ask.id, StepFile(**file), file_text))
    if isinstance(data := shown.get("data"), Mapping):
        found += [replace(_value(data[name]), label=_name(name)) for name in fields.in_order(data, shown.get("order"))]
    return found


def article(text: str) -> Thing:
    """Markdown as the kind `page` shows it: nothing in it acts, nothing is fetched from elsewhere."""
    return Thing("article", html=Markup(read(text, top=3, ours=_ours).html))  # noqa: S704 - nh3 has cleaned it


def file_href(ask: int, name: str) -> str:
    """Where the file that a question shows is served."""
    return f"/waiting/{ask}/files/{quote(name, safe='')}"


def _file(ask: int, file: StepFile, text: str) -> Thing:
    stored = StoredArtifact(file.name, file.title, file.media_type, file.bytes, file.sha256, 0)
    sort = sort_of(stored)
    about = Thing(
        sort, file.title, href=file_href(ask, file.name), size=size(file.bytes), word=type_word(stored), text=text
    )
    if sort == "text" and file.media_type.startswith("text/markdown"):
        return replace(about, sort="article", html=article(text).html)
    return about


def _value(value: Any) -> Thing:
    match value:
        case bool():
            return Thing("word", text="Yes" if value else "No")
        case None | "":
            return Thing("word", text="–")
        case int() | float():
            return Thing("word", text=f"{value:,}")
        case str():
            return _text(value)
        case [str(), *_] if all(isinstance(each, str) for each in value):
            if all(_is_picture(each) for each in value):
                return Thing("pictures", pictures=[str(_ours("src", each)) for each in value[:_MANY]])
            if all(len(each) <= _SHORT for each in value):
                return Thing("word", text=", ".join(value))
    return Thing("data", text=pretty(value))


def _text(value: str) -> Thing:
    if _is_picture(value):
        return Thing("pictures", pictures=[str(_ours("src", value))])
    href = _ours("href", value) or (value if _ELSEWHERE.fullmatch(value) else None)
    if href:
        return Thing("link", text=value, href=href)
    return Thing("word", text=value) if "\n" not in value and len(value) <= _SHORT else article(value)


def _ours(attribute: str, address: str) -> str | None:
    """An address of one of our files, or (as a link) of one of our jobs, however it is written."""
    if found := _OURS.fullmatch(address):
        return artifact_href((found["a"] or found["b"] or found["c"]).lower(), unquote(found["name"]))
    if attribute == "href" and (job := _OUR_JOB.fullmatch(address)):
        return f"/jobs/{job['job']}"
    return None


def _is_picture(value: str) -> bool:
    return value.lower().endswith(_PICTURES) and _ours("src", value) is not None


def _name(name: str) -> str:
    return kind_name(name) if name.islower() else name


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
        [Line("Because" if needs_reason(answer.get("decision")) else "Note", answer["notes"])]
        if answer.get("notes")
        else []
    )
    labels = {each.name: each.label for each in fields.fields(ask.form)}
    for name, value in (answer.get("values") or {}).items():
        lines.append(Line(labels.get(name, name), value if isinstance(value, str) else pretty(value)))
    return lines


def _asker(principal: int, me: Known, known: Sequence[Known]) -> str:
    if principal == me.id:
        return "you"
    who = next((each for each in known if each.id == principal), None)
    if who is None or who.person is None:
        return who.name if who else "somebody"
    whose = "your agent" if who.person == me.name else f"{who.person}’s agent"
    return whose if who.name == "agent" else f"{who.name}, {whose}"


def _may_answer(ask: Ask, me: Known, known: Sequence[Known], is_own: bool) -> str:
    asker = {ask.principal} if is_own else set()
    others = [each.name for each in known if each.is_person and each.id not in {me.id, *asker}]
    if is_own:
        return f"You asked for this job yourself, so somebody else answers: {_or(others)}."
    wanted = (ask.for_person or "").casefold()
    if wanted and wanted == me.name.casefold():
        return f"Put to you{f'; {_or(others)} may answer, too' if others else ''}."
    if wanted and any(wanted == name.casefold() for name in others):
        return f"Put to {ask.for_person}; you may answer, too."
    unknown = f"Put to {ask.for_person}, who is not here. " if wanted else ""
    return f"{unknown}{f'You may answer, or {_or(others)}' if others else 'You are the one to answer'}."


def _or(names: Sequence[str]) -> str:
    if len(names) < 2:
        return "".join(names) or "nobody is here yet who could"
    shown = [*names[:3], f"{len(names) - 3} more"] if len(names) > 4 else list(names)
    return f"{', '.join(shown[:-1])} or {shown[-1]}"
