"""What somebody asks for, checked at the door and made ready to be kept."""

import base64
import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from graphlib import CycleError, TopologicalSorter
from typing import Any, Literal, NamedTuple

from agent_tools.jobs.asks import Ask
from agent_tools.jobs.context import seconds
from agent_tools.jobs.errors import BadRequest, JobNotFound, Problem
from agent_tools.jobs.files import UploadedFile
from agent_tools.jobs.job import Job, job_id
from agent_tools.jobs.kinds import Kind, Kinds, refuse_unstorable
from agent_tools.jobs.schedules import LABEL, When, title_at
from sql.door import Filter

MAX_AFTER = 1000
MAX_BATCH = 1000
MOST_OF_AN_ADDRESS = 2000
PRIORITIES = {"low": -1, "normal": 0, "high": 1}
UNORGANISED = frozenset({"unorganised", "unorganized", "default", "none", "null", ""})
"""Words for no subject; none of them can be the name of one."""


@dataclass(frozen=True)
class NewJob:
    """What somebody asks for."""

    kind: str
    args: Mapping[str, Any] = field(default_factory=dict)
    subject: str | None = None
    title: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    again: bool = False
    priority: Literal["low", "normal", "high"] = "normal"
    run_after: datetime | None = None
    after: Sequence[str | int] = ()
    """Jobs that must end first: ids, or places in the same batch, from 0."""
    if_parent_fails: Literal["cancel", "run"] = "cancel"
    """What becomes of it where one of those fails, is cancelled or deleted."""
    webhook_url: str | None = None
    """Told of its end."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "after", tuple(self.after))


class Parsed(NamedTuple):
    """A job that may be kept: its kind, and the row as create_jobs reads it."""

    kind: Kind
    row: dict[str, Any]


def parse_all(jobs: Sequence[NewJob], kinds: Kinds) -> list[Parsed]:
    """All of a batch. Raises BadRequest naming every bad item (`jobs/3/theme`)."""
    parsed, problems, sentences = list[Parsed](), list[Problem](), list[str]()
    for number, job in enumerate(jobs):
        try:
            parsed.append(parse(job, kinds))
        except BadRequest as error:
            found = error.problems or (Problem("", str(error)),)
            problems += [Problem(f"jobs/{number}/{problem.field}".rstrip("/"), problem.message) for problem in found]
            sentences.append(f"jobs/{number}: {error}")
    if problems:
        more = f" And {len(sentences) - 5} more bad jobs." if len(sentences) > 5 else ""
        raise BadRequest(f"Nothing was created. {' '.join(sentences[:5])}{more}", problems)
    return _in_order(parsed)


def _in_order(parsed: Sequence[Parsed]) -> list[Parsed]:
    """The same, where each that comes after others of the batch is only the same job as an earlier one if those are.

    Raises BadRequest for places that are not in the batch, and for circles.
    """
    rows = [row for _, row in parsed]
    for number, row in enumerate(rows):
        for place in _places(row):
            if not 0 <= place < len(rows):
                raise _bad_after(number, f"there is no jobs/{place} in this batch")
    try:
        order = list(TopologicalSorter({number: _places(row) for number, row in enumerate(rows)}).static_order())
    except CycleError as error:
        circle = list(error.args[1])
        raise _bad_after(
            circle[0], f"{' waits for '.join(f'jobs/{each}' for each in reversed(circle))}, which never ends"
        ) from None
    for number in order:
        row = rows[number]
        if row["after"]:
            parents = [rows[each]["args_hash"] if isinstance(each, int) else each for each in row["after"]]
            row["args_hash"] = hash_of([row["args_hash"], sorted(parents), row["if_parent_fails"]])
            row["again"] = row["again"] or any(rows[place]["again"] for place in _places(row))
    return list(parsed)


def _places(row: Mapping[str, Any]) -> list[int]:
    return [each for each in row["after"] or () if isinstance(each, int)]


def _bad_after(number: int, problem: str) -> BadRequest:
    return BadRequest(
        f"Nothing was created. jobs/{number}/after: {problem}.", [Problem(f"jobs/{number}/after", problem)]
    )


def parse_one(job: NewJob, kinds: Kinds) -> Parsed:
    """A job that is created by itself. Raises BadRequest, naming each bad field."""
    parsed = parse(job, kinds)
    if _places(parsed.row):
        raise refused("after", "needs ids; places are for jobs that are created together")
    return _in_order([parsed])[0]


def parse(job: NewJob, kinds: Kinds) -> Parsed:
    """One job, whatever it comes after. Raises BadRequest, naming each bad field."""
    kind = kinds.find(job.kind)
    refuse_unstorable({"subject": job.subject, "title": job.title, "labels": dict(job.labels)})
    if job.priority not in PRIORITIES:
        raise refused("priority", f"'{job.priority}' is not one of low, normal, high")
    if job.if_parent_fails not in ("cancel", "run"):
        raise refused("if_parent_fails", f"'{job.if_parent_fails}' is not one of cancel, run")
    if job.webhook_url is not None:
        refuse_unaskable_address("webhook_url", job.webhook_url)
    args, subject = kind.parse(job.args), subject_name(job.subject)
    row = {
        "kind": kind.name,
        "queue": kind.queue,
        "title": checked_title(job.title),
        "args": args,
        "args_hash": hash_of([kind.name, args]),
        "subject": subject,
        "subject_folded": folded(subject) if subject else None,
        "labels": checked_labels({**job.labels, **kind.labels_of(args)}),
        "priority": PRIORITIES[job.priority],
        "run_after": job.run_after.isoformat() if job.run_after else None,
        "again": job.again,
        "anew": kind.anew,
        "after": checked_after(job.after),
        "if_parent_fails": job.if_parent_fails,
    }
    return Parsed(kind, row)


def scheduled(name: str, when: When, job: Mapping[str, Any], due_at: datetime) -> NewJob:
    """The job that the schedule of this name creates for this time: labelled with the name, and always a new one."""
    labels = {**job.get("labels", {}), LABEL: name}
    return NewJob(**{**job, "title": title_at(job.get("title"), when, due_at), "labels": labels, "again": True})


def refused(name: str, problem: str) -> BadRequest:
    """The error for one bad field."""
    return BadRequest(f"{name}: {problem}.", [Problem(name, problem)])


def refuse_unaskable_address(name: str, url: str) -> None:
    """Raise BadRequest for an address that is never asked, as far as that can be told without looking it up."""
    from agent_tools import fetch  # noqa: PLC0415  # slow to load, and seldom needed

    if len(url) > MOST_OF_AN_ADDRESS:
        raise refused(name, f"{len(url)} characters are too many; at most {MOST_OF_AN_ADDRESS}")
    refuse_unstorable({name: url})
    try:
        fetch.refuse_unaskable(url)
    except fetch.NotFetched as error:
        raise refused(name, str(error).rstrip(".")) from None


def job_filter(*, subject: str | None = None, **wanted: Any) -> Filter:
    """Which jobs to list; a subject as somebody typed it, a word for none means the unorganised ones."""
    if subject is None:
        return Filter(**wanted)
    name = subject_name(subject)
    return Filter(**wanted, subject=folded(name)) if name else Filter(**wanted, unorganised=True)


def moment(text: str) -> datetime:
    """`7d` is seven days ago; else as `in_utc`. Raises ValueError."""
    try:
        return datetime.now(UTC) - timedelta(seconds=seconds(str(text)))
    except (ValueError, OverflowError):
        pass
    try:
        return in_utc(text)
    except ValueError:
        raise ValueError("is neither ISO 8601 (2026-11-21T10:00Z) nor an age such as 7d, 12h, 30m.") from None


def in_utc(text: str) -> datetime:
    """A moment as ISO 8601 says it, UTC where it does not say. Raises ValueError, also for one that UTC cannot express."""
    try:
        given = datetime.fromisoformat(text)
        return (given if given.tzinfo else given.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("is not ISO 8601, such as 2026-11-21T10:00:00Z.") from None


def cursor_after(job: Job) -> str:
    """Where a page ended, as something to send back and not to read."""
    return _cursor(job.created_at, job.id)


def place(cursor: str) -> tuple[datetime, str]:
    """What cursor_after made. Raises BadRequest."""
    try:
        at, _, job = _read(cursor).partition(" ")
        return datetime.fromisoformat(at), job_id(job)
    except (ValueError, JobNotFound) as error:
        raise _bad_cursor() from error


def file_cursor_after(file: UploadedFile) -> str:
    """As cursor_after, for a page of uploads; `place` reads it."""
    return _cursor(file.created_at, file.id)


def ask_cursor_after(ask: Ask) -> str:
    """As cursor_after, for a page of questions."""
    return _cursor(ask.asked_at, ask.id)


def ask_place(cursor: str) -> tuple[datetime, int]:
    """What ask_cursor_after made. Raises BadRequest."""
    try:
        at, _, ask = _read(cursor).partition(" ")
        return datetime.fromisoformat(at), int(ask)
    except ValueError as error:
        raise _bad_cursor() from error


def episode_cursor_after(at: datetime, source: str) -> str:
    """As cursor_after, for a page of episodes."""
    return _cursor(at, source)


def episode_place(cursor: str) -> tuple[datetime, str]:
    """What episode_cursor_after made. Raises BadRequest."""
    try:
        at, _, source = _read(cursor).partition(" ")
        return datetime.fromisoformat(at), source
    except ValueError as error:
        raise _bad_cursor() from error


def _cursor(at: datetime, last: object) -> str:
    return base64.urlsafe_b64encode(f"{at.isoformat()} {last}".encode()).decode().rstrip("=")


def _read(cursor: str) -> str:
    return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()


def _bad_cursor() -> BadRequest:
    return refused("cursor", "was not made here; take it from next_cursor of the page before")


def subject_name(name: str | None) -> str | None:
    """The subject's name, tidied; None where it means no subject. Raises BadRequest when it is too long."""
    tidy = " ".join((name or "").split())
    if folded(tidy) in UNORGANISED:
        return None
    if len(tidy) > 120:
        raise BadRequest(
            f"subject: {len(tidy)} characters are too many; at most 120.",
            [Problem("subject", "at most 120 characters")],
        )
    return tidy


def folded(name: str) -> str:
    """A subject as it is compared: without regard to case, width and spaces."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def hash_of(value: Any) -> str:
    """SHA-256 of the value as canonical JSON, in hex."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def hash_of_secret(secret: str) -> bytes:
    """What the book keeps of a secret: 256 random bits need no slow hash."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def as_sent(job: NewJob) -> dict[str, Any]:
    """The request without its defaults, so that one that changes, or comes to be, makes no false conflict."""
    unsaid = vars(NewJob(job.kind))
    sent = {name: value for name, value in vars(job).items() if value != unsaid[name]}
    return {"kind": job.kind} | {
        name: value.isoformat() if isinstance(value, datetime) else dict(value) if isinstance(value, Mapping) else value
        for name, value in sent.items()
    }


def checked_after(after: Sequence[str | int]) -> list[str | int] | None:
    """Ids and places, each once; None where there are none. Raises BadRequest for what can be neither."""
    if len(after) > MAX_AFTER:
        raise refused("after", f"{len(after)} jobs are too many; at most {MAX_AFTER}")
    tidy: list[str | int] = []
    for each in after:
        place = int(each) if isinstance(each, str) and re.fullmatch(r"\d{1,4}", each.strip()) else each
        try:
            tidy.append(place if isinstance(place, int) else job_id(place))
        except JobNotFound as error:
            raise refused("after", str(error).rstrip(".")) from None
    return list(dict.fromkeys(tidy)) or None


def checked_key(key: str | None) -> str | None:
    """The idempotency key. Raises BadRequest when it is empty, too long or unprintable."""
    if key is not None and not (0 < len(key) <= 255 and key.isprintable()):
        raise refused("idempotency_key", "must be 1 to 255 printable characters")
    return key


def checked_title(title: str | None) -> str:
    """The title, tidied; empty when there is none. Raises BadRequest when it is too long."""
    tidy = " ".join((title or "").split())
    if len(tidy) > 200:
        raise refused("title", f"{len(tidy)} characters are too many; at most 200")
    return tidy


def checked_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels. Raises BadRequest when they are too many or too long."""
    is_good = len(labels) <= 20 and all(
        isinstance(name, str) and isinstance(value, str) and 0 < len(name) <= 60 and len(value) <= 200
        for name, value in labels.items()
    )
    if not is_good:
        raise refused("labels", "at most 20 names of up to 60 characters, each with a text of up to 200")
    return dict(labels)
