"""One job → what its page shows of it: its artifacts, its versions, what happened. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agent_tools.jobs.job import COMPLETED, Event, Job, StoredArtifact
from web.files import own_script
from web.shelf import UNORGANISED, title
from web.words import STATUS_WORDS, Moment, artifact_href, day, moment, size, sort_of, type_word

_INSTEAD_OF_SLIDES = frozenset({"overview.png", "outline.md"})
"""Of a deck, for who does not look at its slides; the page shows those."""
_WAITS = {
    "person": "Asked, and waits for an answer",
    "outside": "Waits for what is outside",
    "jobs": "Waits for other jobs",
}
_SORT_WORDS = {"page": "Page", "text": "Text", "audio": "Sound", "video": "Film"}


@dataclass(frozen=True)
class Shown:
    """An artifact on its job's page. `sort`: picture, page, text, audio, video, or file where it is only offered."""

    sort: str
    title: str
    heading: str
    name: str
    href: str
    size: str
    word: str
    text: str = ""
    is_cut: bool = False
    runs: bool = False
    """A page that carries a script of ours."""


@dataclass(frozen=True)
class Version:
    """One of the versions of a job."""

    number: int
    href: str
    status_word: str
    when: Moment
    is_here: bool


@dataclass(frozen=True)
class Happening:
    """A line of the timeline."""

    what: str
    tone: str
    when: Moment
    detail: str = ""


def kept(job: Job) -> str:
    """Until when what completed is kept, where that is not for ever."""
    if job.keep_until is None or job.status != COMPLETED:
        return ""
    if job.goes_unless_filed:
        return (
            f"Kept until {day(job.keep_until)}. File it under a subject, and it is kept for as long as it lies there."
        )
    return f"Kept until {day(job.keep_until)}, as all jobs of its kind are for a while."


def is_deck(job: Job) -> bool:
    """Whether the job's pictures are slides."""
    return any("presentation" in each.media_type or "pdf" in each.media_type for each in job.artifacts)


def shown(job: Job, texts: Mapping[str, tuple[str, bool]]) -> list[Shown]:
    """The artifacts in order; `texts` has the beginning of those that are text, and whether that is not all."""
    only_files = {each.name for each in job.artifacts if _is_shown_elsewhere(job, each)}
    return [_shown(job, each, "file" if each.name in only_files else sort_of(each), texts) for each in job.artifacts]


def _is_shown_elsewhere(job: Job, artifact: StoredArtifact) -> bool:
    """Whether what it says is on the page already: on slides, or on a page that plays and shows it all."""
    if is_deck(job):
        return artifact.name in _INSTEAD_OF_SLIDES
    return any(own_script(each.media_type) for each in job.artifacts) and not own_script(artifact.media_type)


def _shown(job: Job, artifact: StoredArtifact, sort: str, texts: Mapping[str, tuple[str, bool]]) -> Shown:
    text, is_cut = texts.get(artifact.name, ("", False))
    return Shown(
        sort="file" if sort == "text" and artifact.name not in texts else sort,
        title=artifact.title,
        heading=_SORT_WORDS.get(sort, artifact.title) if artifact.title == title(job) else artifact.title,
        name=artifact.name,
        href=artifact_href(job.id, artifact.name),
        size=size(artifact.bytes),
        word=type_word(artifact),
        text=text,
        is_cut=is_cut,
        runs=bool(own_script(artifact.media_type)),
    )


def edit_url(job: Job) -> str:
    """Where what the job made can be changed by hand, if its kind said so; else empty."""
    said = job.result.get("edit_url") if isinstance(job.result, Mapping) else None
    return said if isinstance(said, str) and said.startswith(("https://", "http://")) else ""


def versions(family: Sequence[Job], here: Job, now: datetime) -> list[Version]:
    """A job's versions, newest first; none where it is the only one."""
    if len(family) < 2:
        return []
    return [
        Version(number, f"/jobs/{job.id}", STATUS_WORDS[job.status], moment(job.created_at, now), job.id == here.id)
        for number, job in reversed(list(enumerate(family, 1)))
    ]


def newer_than(here: Job, family: Sequence[Job]) -> str:
    """The id of the newest completed version, where that is newer than this one; else empty."""
    ids = [job.id for job in family]
    done = [job.id for job in family[ids.index(here.id) + 1 :] if job.status == COMPLETED] if here.id in ids else []
    return done[-1] if done else ""


def timeline(events: Sequence[Event], now: datetime, me: int, names: Mapping[int, str]) -> list[Happening]:
    """What happened to a job, newest first, in words; `names` are those of everybody here."""
    return [
        _happening(event, now, "you" if event.principal == me else names.get(event.principal or 0, ""))
        for event in reversed(events)
    ]


def _happening(event: Event, now: datetime, who: str) -> Happening:
    data, by = event.data, f" by {who}" if who else ""
    error = (data.get("error") or {}).get("message", "")
    when = moment(event.at, now)
    match event.type:
        case "created":
            return Happening(f"Asked for{by}", "", when)
        case "started":
            return Happening(f"Begun, attempt {data.get('attempt', 1)}", "", when)
        case "completed":
            return Happening("Completed", "good", when)
        case "failed":
            return Happening("Failed", "bad", when, error)
        case "retrying":
            return Happening(f"Attempt {data.get('attempt', '')} failed, to be tried again", "bad", when, error)
        case "crashed":
            return Happening("Its worker died; another one takes over", "bad", when)
        case "waiting":
            return Happening(_WAITS.get(data.get("for", ""), "Waits"), "", when, data.get("on") or "")
        case "answered":
            return Happening(f"Answered{by}: {data.get('decision') or 'the form was filled in'}", "", when)
        case "cancelled":
            return Happening(f"Cancelled{by}", "", when, data.get("reason", ""))
        case "scheduled":
            due_at = data.get("due_at")
            said = f"For {moment(datetime.fromisoformat(due_at), now).exact}" if due_at else f"Run now{by}"
            return Happening(f"By the schedule “{data.get('schedule', '')}”", "", when, said)
        case "organised":
            return Happening(_organised(data) + by, "", when)
    return Happening(event.type.replace("_", " ").capitalize() + by, "", when)


def schedule_of(events: Sequence[Event]) -> str:
    """The name of the schedule that a job came of; empty where it came of none."""
    return next((str(event.data.get("schedule", "")) for event in events if event.type == "scheduled"), "")


def _organised(data: Mapping[str, Any]) -> str:
    if "undo" in data:
        return "Moved back"
    to = data.get("to") or {}
    if "subject" in to:
        return f"Moved to {to['subject'] or UNORGANISED}"
    if "title" in to:
        return f"Renamed to “{to['title']}”"
    return "Labelled"


def pretty(value: Any) -> str:
    """JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False)
