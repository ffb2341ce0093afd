"""Presenton's replies, as its releases really give them: what one leaves out or calls otherwise is no error."""

import re
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ValidationError, field_validator

Format = Literal["pptx", "pdf"]
Tone = Literal["default", "casual", "professional", "funny", "educational", "sales_pitch"]

_STAGES = (("outline", 5.0), ("layout", 15.0), ("generating slides", 15.0), ("asset", 85.0), ("export", 92.0))
"""A word of the message, and how much of a deck is done when it is said."""
_SLIDES_FROM, _SLIDES_TO = 15.0, 85.0
_SERVED = re.compile(r"/(?:app_data|static)/.+")


class Numbers(BaseModel):
    """What a task says of the deck it makes; how much depends on the release."""

    created_slides: int | None = None
    remaining_slides: int | None = None
    presentation_id: str | None = None
    path: str | None = None
    edit_path: str | None = None


class Failure(BaseModel):
    """Why a task ended."""

    status_code: int = 500
    detail: Any = None


class Task(BaseModel):
    """A deck that is being made. Anything but completed and failed is still running."""

    id: str
    status: str
    message: str | None = None
    data: Numbers | None = None
    error: Failure | None = None
    created_at: str = ""
    updated_at: str | None = None

    @field_validator("error", mode="before")
    @classmethod
    def _as_failure(cls, error: Any) -> Any:
        return {"detail": error} if isinstance(error, str) else error

    @property
    def is_completed(self) -> bool:
        """Whether the deck is there."""
        return self.status == "completed"

    @property
    def is_failed(self) -> bool:
        """Whether it will never be."""
        return self.status in ("error", "failed")

    @property
    def numbers(self) -> Numbers:
        """What it says of the deck."""
        return self.data or Numbers()

    @property
    def percent(self) -> float:
        """About how much of it is done."""
        message = (self.message or "").lower()
        reached = next((share for word, share in reversed(_STAGES) if word in message), 0.0)
        made, left = self.numbers.created_slides or 0, self.numbers.remaining_slides or 0
        share = made / (made + left) if made > 0 else 0.0
        return max(reached, _SLIDES_FROM + share * (_SLIDES_TO - _SLIDES_FROM) if share else 0.0)

    @property
    def said(self) -> str:
        """Its message, with how many slides there are."""
        made, left = self.numbers.created_slides or 0, self.numbers.remaining_slides or 0
        message = (self.message or self.status).strip()
        return f"{message} ({made} of {made + left})" if made + left and "slides" in message.lower() else message


class Deck(BaseModel):
    """A presentation there. In a list it comes with its first slide only."""

    id: str
    content: str | None = None
    title: str | None = None
    n_slides: int | None = None
    slides: list[Any] | None = None

    @property
    def has_all_slides(self) -> bool:
        """Whether there is nothing left to be written."""
        many = len(self.slides or ())
        return many > 0 and many >= (self.n_slides or 1)


class Made(BaseModel):
    """A finished deck. Where `path` is missing it has to be exported first."""

    presentation_id: str
    path: str | None = None
    edit_path: str | None = None


def served(path: str) -> str | None:
    """Where a file of this path can be fetched: an address, or a path on the server. None: nowhere.

    The path is the server's own; outside its Docker image it begins with folders that nobody serves.
    """
    if re.match(r"https?://[^/]", path):
        return path
    found = _SERVED.search(path)
    return found[0] if found and ".." not in found[0].split("/") else None


def moment(created_at: str) -> datetime:
    """When a task was created, by Presenton's clock: it says no zone, and means UTC."""
    try:
        said = datetime.fromisoformat(created_at)
    except ValueError:
        return datetime.min.replace(tzinfo=UTC)
    return said if said.tzinfo else said.replace(tzinfo=UTC)


def complaint(body: Any) -> str:
    """What an error's `detail` says: a sentence, or a list of fields and what is wrong with each."""
    detail = body.get("detail", body) if isinstance(body, dict) else body
    if not isinstance(detail, list):
        return short(str(detail))
    return short("; ".join(map(_of_field, detail)))


def _of_field(problem: Any) -> str:
    if not isinstance(problem, dict):
        return str(problem)
    where = "/".join(str(part) for part in problem.get("loc", ()) if part != "body")
    return f"{where}: {problem.get('msg', 'is wrong')}"


def short(text: str) -> str:
    """What fits into a sentence."""
    line = " ".join(text.split())
    return line if len(line) <= 400 else f"{line[:400]}…"


def tasks_in(body: Any) -> list[Task]:
    """The tasks of a list; what is none is passed over, as templates have tasks of their own."""
    return [task for each in body if (task := _task(each))] if isinstance(body, list) else []


def templates_in(body: Any) -> list[str]:
    """The ids of a list of templates, each with the name that people see where that is another."""
    items = body.get("items") if isinstance(body, dict) else None
    named = [(str(each.get("id")), short(str(each.get("name")))) for each in items or () if isinstance(each, dict)]
    return [id_ if id_.lower() == name.lower() else f"{id_} ({name})" for id_, name in named]


def _task(each: Any) -> Task | None:
    try:
        return Task.model_validate(each)
    except ValidationError:
        return None
