"""Questions to people, and their answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What a person said to a question.

    `values` is the form as it was filled in (its model, or a mapping where the form is a JSON schema), None where there was none. Where the time for an answer ran out, `expired` is
    True and everything else None.
    """

    decision: str | None = None
    values: Any = None
    notes: str | None = None
    by: str | None = None
    at: datetime | None = None
    expired: bool = False


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
    """`text`, `data` or `file` (a StepFile): what the question is about; `leads_to`: what each choice leads to, where that is said."""
    shown_hash: str
    asked_at: datetime
    for_person: str | None
    deadline_at: datetime | None
    answer: Mapping[str, Any] | None
    """`decision`, `values` and `notes`; None: not answered."""
    answered_at: datetime | None
    answered_by: str | None
    withdrawn_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether it waits for an answer."""
        return self.answered_at is None and self.withdrawn_at is None


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
