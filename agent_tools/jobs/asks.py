"""Questions to people, and their answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

_REFUSALS = frozenset({"reject", "refuse", "decline", "deny", "disapprove", "veto", "no"})
_SENDING_BACK = ("send back", "return", "request changes")


@dataclass(frozen=True)
class Answer:
    """What a person said to a question.

    `values` is the form as it was filled in (its model, or a mapping where the form is a JSON schema), None where there was
    none, or where it was not filled in because the thing was turned down. `edited` is the text that was shown as the person
    changed it, None where they left it. Where the time for an answer ran out, `expired` is True and everything else None.
    """

    decision: str | None = None
    values: Any = None
    notes: str | None = None
    by: str | None = None
    at: datetime | None = None
    expired: bool = False
    edited: str | None = None


@dataclass(frozen=True)
class Ask:
    """A question as it is kept. `shown_hash` (hex) stands for exactly what was shown, and an answer is bound to it."""

    id: int
    job: str
    kind: str
    title: str
    principal: int
    """Who asked for the job."""
    name: str
    question: str
    choices: Sequence[str]
    form: Mapping[str, Any] | None
    """JSON schema of what is to be filled in."""
    shown: Mapping[str, Any] | None
    """`text`, `data` or `file` (a StepFile): what the question is about; `leads_to`: what each choice leads to, where that is
    said; `may_edit`: whether the text may be changed by whoever answers."""
    shown_hash: str
    asked_at: datetime
    for_person: str | None
    deadline_at: datetime | None
    answer: Mapping[str, Any] | None
    """`decision`, `values`, `notes` and, where the text was changed, `edited`; None: not answered."""
    answered_at: datetime | None
    answered_by: str | None
    withdrawn_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether it waits for an answer."""
        return self.answered_at is None and self.withdrawn_at is None

    @property
    def editable(self) -> str | None:
        """The text that whoever answers may change; None where there is none."""
        shown = self.shown or {}
        return shown.get("text") if shown.get("may_edit") else None


@dataclass(frozen=True)
class Waiting:
    """An open question in the inbox of somebody, without what it shows. `is_mine`: it is put to them, or to nobody who is here."""

    id: int
    job: str
    kind: str
    title: str
    principal: int
    batch_id: str | None
    question: str
    choices: Sequence[str]
    has_form: bool
    needs_form: bool
    """Whether something has to be filled in."""
    shown_hash: str
    asked_at: datetime
    for_person: str | None
    is_mine: bool


@dataclass(frozen=True)
class Known:
    """Somebody in the tenant: a person, or an agent and whose it is."""

    id: int
    name: str
    is_person: bool
    person: str | None


@dataclass(frozen=True)
class Parent:
    """A job that another comes after. `status` None: it is gone."""

    id: str
    kind: str | None
    title: str | None
    status: str | None


def turns_down(word: str | None) -> bool:
    """Whether this choice refuses or sends back: whoever is told only this would ask why."""
    plain = " ".join((word or "").casefold().replace("_", " ").replace("-", " ").split())
    return plain.split(" ")[0].strip(".,:!") in _REFUSALS or plain.startswith(_SENDING_BACK)


def needs_form(choices: Sequence[str], decision: str | None) -> bool:
    """Whether what a form requires must be filled in: for the first choice, and for every other that does not turn down."""
    return decision is None or list(choices[:1]) == [decision] or not turns_down(decision)
