"""Jobs → what the pages show of them. Pure: templates loop over these values and print them."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

from agent_tools.jobs.eta import Eta
from agent_tools.jobs.job import COMPLETED, FAILED, Job, JobStatus, StoredArtifact
from agent_tools.jobs.why import percent
from sql.door import SubjectCount
from sql.operations import MOST_GOING, Going
from web.words import STATUS_WORDS, Moment, artifact_href, day, kind_name, moment, sort_of, type_icon, type_word

UNORGANISED = "Unorganised"
WAITING = "Waiting for you"
INBOX = "/waiting"
NEW = "/new"
SCHEDULES = "/schedules"
OPEN = ("queued", "running", "waiting")
SOON = timedelta(days=7)
_HUES = 6


@dataclass(frozen=True)
class Preview:
    """What a card shows of a job's first artifact. `sort`: picture, page, text, or icon where there is nothing to see."""

    sort: str
    src: str = ""
    text: str = ""
    word: str = ""
    icon: str = "file"


@dataclass(frozen=True)
class Card:
    """A job in a list."""

    id: str
    version: int
    title: str
    kind: str
    hue: int
    status: str
    status_word: str
    line: str
    subject: str | None
    subject_href: str
    when: Moment
    preview: Preview
    is_new: bool
    is_open: bool
    versions: int
    percent: int | None
    why: str
    goes: str
    """On which day, where that is within a week and a subject would keep it."""


@dataclass(frozen=True)
class Group:
    """The cards of one subject. `more` leads to the rest."""

    name: str
    href: str
    is_tray: bool
    count: int
    cards: Sequence[Card]
    newest: Moment | None = None

    @property
    def key(self) -> str:
        """A name for the group that any page may use as an id."""
        return hashlib.sha256(self.name.encode()).hexdigest()[:10]

    @property
    def width(self) -> int:
        """How many cards it needs beside each other, up to three; the tray takes all there is."""
        return 3 if self.is_tray else min(len(self.cards), 3)

    @property
    def has_more(self) -> bool:
        """Whether the subject holds more than these cards."""
        return self.count > len(self.cards)


@dataclass(frozen=True)
class Place:
    """A line of the rail. `subject` is where jobs dropped on it go; None: they cannot be dropped there."""

    name: str
    href: str
    count: int
    icon: str
    is_here: bool
    subject: str | None = None


@dataclass(frozen=True)
class Rail:
    """Where one can go: the lasting places, then the subjects."""

    places: Sequence[Place]
    subjects: Sequence[Place]

    @property
    def names(self) -> list[str]:
        """Every subject, to be offered where jobs are moved."""
        return sorted((each.name for each in self.subjects), key=str.casefold)


def card(
    job: Job,
    now: datetime,
    why: str = "",
    eta: Eta | None = None,
    *,
    versions: Mapping[str, int] | None = None,
    excerpt: str = "",
) -> Card:
    """A job as a card; `why` and `eta` for jobs that have not ended, `excerpt` where its first artifact is text."""
    return Card(
        id=job.id,
        version=job.version,
        title=title(job),
        kind=kind_name(job.kind),
        hue=sum(job.kind.encode()) % _HUES,
        status=str(job.status),
        status_word=STATUS_WORDS[job.status],
        line=_line(job, why),
        subject=job.subject,
        subject_href=subject_href(job.subject),
        when=moment(job.finished_at or job.created_at, now),
        preview=preview(job, excerpt),
        is_new=job.status in (COMPLETED, FAILED) and job.seen_at is None,
        is_open=not job.status.is_final,
        versions=(versions or {}).get(job.id, 1),
        percent=percent(job, eta),
        why=why,
        goes=day(job.keep_until) if job.goes_unless_filed and job.keep_until and job.keep_until - now < SOON else "",
    )


def title(job: Job) -> str:
    """What a job is called, also where nobody gave it a title."""
    return job.title or (job.artifacts[0].title if job.artifacts else "") or job.result_line or kind_name(job.kind)


def _line(job: Job, why: str) -> str:
    if job.status == COMPLETED:
        # Kinds write their line for where no title stands above it.
        return (job.result_line or "").removesuffix(f": {title(job)}").removeprefix(f"{title(job)}: ")
    if job.status == FAILED:
        return job.error.message if job.error else "It failed without a reason."
    return why


def preview(job: Job, excerpt: str = "") -> Preview:
    """A picture where the job made one (of a deck that is its first slide), else the page or text itself, else its type."""
    first = preview_of(job)
    if first is None:
        return Preview("icon", word=kind_name(job.kind), icon=_status_icon(job))
    head = job.artifacts[0]
    word, icon = type_word(head), type_icon(head)
    match sort_of(first):
        case "picture":
            return Preview("picture", src=artifact_href(job.id, first.name), word=word, icon=icon)
        case "page":
            return Preview("page", src=artifact_href(job.id, first.name), word=word, icon=icon)
        case "text" if excerpt.strip():
            return Preview("text", text=excerpt, word=word, icon=icon)
    return Preview("icon", word=word, icon=icon)


def preview_of(job: Job) -> StoredArtifact | None:
    """The artifact that stands for the job: its first picture, else its first artifact; None before there is one."""
    pictures = (each for each in job.artifacts if sort_of(each) == "picture")
    return next(pictures, job.artifacts[0] if job.artifacts else None)


def _status_icon(job: Job) -> str:
    return {"failed": "alert", "cancelled": "stop", "completed": "check"}.get(job.status, "pot")


def groups(
    cards: Sequence[Card], counts: Sequence[SubjectCount], superseded: Mapping[str | None, int], now: datetime
) -> list[Group]:
    """The shelf: the unorganised tray first, then the subjects, the one with the newest job first."""
    held = ready(counts, superseded)
    newest = {count.name: count.newest for count in counts if count.status == COMPLETED}
    by_subject: dict[str | None, list[Card]] = {name: [] for name in held}
    for each in cards:
        by_subject.setdefault(each.subject, []).append(each)
    order = sorted((name for name in by_subject if name), key=lambda name: newest.get(name, now), reverse=True)
    return [
        Group(
            name or UNORGANISED,
            subject_href(name),
            name is None,
            max(held.get(name, 0), len(by_subject[name])),
            by_subject[name],
            moment(newest[name], now) if name in newest else None,
        )
        for name in ([None] if None in by_subject else []) + order
    ]


@dataclass(frozen=True)
class Goes:
    """What the tray says of those in it that go soon, and where they are listed."""

    said: str
    href: str


def going(found: Going) -> Goes | None:
    """What is said of those that go soon; None where none does."""
    said = _going(found)
    return Goes(said, f"{subject_href(None)}?goes=1") if said else None


def _going(found: Going) -> str:
    if found.first is None:
        return ""
    one, many = found.jobs == 1, f"{found.jobs:,} jobs{' or more' if found.jobs >= MOST_GOING else ''}"
    first = day(found.first)
    if found.with_the_first == found.jobs:
        return f"{'One job goes' if one else f'{many} go'} on {first}, unless {'it is' if one else 'they are'} filed under a subject."
    return f"{many} go within a week, unless they are filed under a subject; the first {found.with_the_first:,} on {first}."


def ready(counts: Sequence[SubjectCount], superseded: Mapping[str | None, int]) -> dict[str | None, int]:
    """Subject → how many completed jobs it shows, each only in its newest version."""
    held = {count.name: count.jobs - superseded.get(count.name, 0) for count in counts if count.status == COMPLETED}
    return {name: number for name, number in held.items() if number > 0}


def total(counts: Iterable[SubjectCount], *statuses: str) -> int:
    """How many jobs have one of these statuses, in all subjects."""
    return sum(count.jobs for count in counts if count.status in statuses)


def rail(counts: Sequence[SubjectCount], superseded: Mapping[str | None, int], here: str, waiting: int = 0) -> Rail:
    """The way around; `here` is the address of the page that shows it, `waiting` how many questions are the reader's."""
    held = ready(counts, superseded)
    newest: dict[str, datetime] = {}
    for count in counts:
        if count.name:
            newest[count.name] = max(count.newest, newest.get(count.name, count.newest))
    places = [
        ("Shelf", "/", sum(held.values()), "shelf", None),
        (WAITING, INBOX, waiting, "hand", None),
        (UNORGANISED, subject_href(None), held.get(None, 0), "tray", ""),
        ("Running", "/jobs?status=open", total(counts, *OPEN), "pot", None),
        ("Failed", "/jobs?status=failed", total(counts, "failed"), "alert", None),
        ("Everything", "/jobs", total(counts, *JobStatus) - sum(superseded.values()), "all", None),
        ("Schedules", SCHEDULES, 0, "clock", None),
        ("New", NEW, 0, "new", None),
    ]
    return Rail(
        [
            Place(name, href, count, icon, href == here or (href in (INBOX, NEW) and here.startswith(href)), subject)
            for name, href, count, icon, subject in places
        ],
        [
            Place(name, subject_href(name), held.get(name, 0), "folder", subject_href(name) == here, name)
            for name in sorted(newest, key=lambda name: newest[name], reverse=True)
        ],
    )


def subject_href(name: str | None) -> str:
    """Where a subject's jobs are listed."""
    if name is None:
        return "/subjects/unorganised"
    # A browser takes a path of dots for a way upward.
    return f"/jobs?subject={quote(name, safe='')}" if set(name) <= {"."} else f"/subjects/{quote(name, safe='')}"
