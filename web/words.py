"""Times, types and sizes in the words that pages use."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from agent_tools.jobs.job import StoredArtifact
from agent_tools.jobs.why import duration

_TEXTS = ("application/json", "application/x-subrip", "application/yaml", "application/toml")
STATUS_WORDS = {
    "queued": "Queued", "running": "Running", "waiting": "Waiting", "completed": "Ready", "failed": "Failed", "cancelled": "Cancelled",
}  # fmt: skip


@dataclass(frozen=True)
class Moment:
    """A time as people say it, and exactly."""

    ago: str
    iso: str
    exact: str


def moment(at: datetime, now: datetime) -> Moment:
    """A time as a page shows it."""
    seconds = (now - at).total_seconds()
    ago = "just now" if seconds < 5 else f"{duration(seconds)} ago"
    return Moment(ago, at.strftime("%Y-%m-%dT%H:%M:%SZ"), at.strftime("%-d %B %Y, %H:%M UTC"))


def coming(at: datetime, now: datetime) -> Moment:
    """A time that is to come, as a page shows it."""
    there = moment(at, now)
    return Moment(f"in {duration((at - now).total_seconds())}", there.iso, there.exact) if at > now else there


def day(at: datetime) -> str:
    """`3 December 2026`."""
    return at.strftime("%-d %B %Y")


def kind_name(kind: str) -> str:
    """`opus_run` → `Opus run`."""
    return kind.replace("_", " ").capitalize()


def artifact_href(job_id: str, name: str) -> str:
    """Where an artifact's file is served."""
    return f"/artifacts/{job_id}/{quote(name, safe='')}"


def sort_of(artifact: StoredArtifact) -> str:
    """How an artifact can be shown: picture, page, text, audio, video, or only as a file."""
    media = artifact.media_type.partition(";")[0].strip().lower()
    kind = media.partition("/")[0]
    if media == "text/html":
        return "page"
    if media in _TEXTS or kind == "text":
        return "text"
    return {"image": "picture", "audio": "audio", "video": "video"}.get(kind, "file")


def type_word(artifact: StoredArtifact) -> str:
    """`PPTX`: the type in a word."""
    _, dot, suffix = artifact.name.rpartition(".")
    return suffix.upper() if dot and 0 < len(suffix) <= 5 else "File"


def type_icon(artifact: StoredArtifact) -> str:
    """The name of the icon for this type."""
    media = artifact.media_type.lower()
    if "presentation" in media:
        return "slides"
    if "pdf" in media or media.startswith("text/"):
        return "text"
    return {"image": "picture", "audio": "audio", "video": "video"}.get(media.partition("/")[0], "file")


def size(number: int) -> str:
    """`340 kB`."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= factor:
            return f"{number / factor:.1f} {unit}" if number < 10 * factor else f"{number / factor:.0f} {unit}"
    return f"{number} bytes"
