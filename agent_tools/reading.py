"""Reading what a job made: its text in pages, its pictures as pictures."""

import asyncio
import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent_tools.app import Backburner
from agent_tools.jobs.errors import BadRequest, NotNow
from agent_tools.jobs.job import Job, StoredArtifact, artifact_named
from agent_tools.jobs.places import KeptFile

MOST_TEXT_BYTES = 20_000_000
MOST_PICTURE_BYTES = 1_500_000
_TEXT = ("text/", "application/json", "application/xml", "application/x-subrip")
_PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_DROPPED = re.compile(r"<(script|style|head|svg)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_BREAKS = re.compile(r"</(p|div|li|h[1-6]|tr|table|section|article|pre|blockquote)>|<br\s*/?>", re.IGNORECASE)
_TAGS = re.compile(r"<[^>]+>")


@dataclass(frozen=True)
class Picture:
    """An image that a model should see."""

    artifact: StoredArtifact
    data: bytes


@dataclass(frozen=True)
class Reading:
    """A page of an artifact. `text` is None where it is no text; `next_offset` None: it ends here.

    `picture` is the artifact itself, or what gives an overview beside the first page of the text.
    """

    job: Job
    artifact: StoredArtifact | None
    text: str | None
    offset: int = 0
    next_offset: int | None = None
    total: int = 0
    picture: Picture | None = None


async def read(
    backburner: Backburner,
    job_id: str,
    name: str | None = None,
    *,
    offset: int = 0,
    limit: int = 8000,
    find: str | None = None,
) -> Reading:
    """One artifact of a completed job, by its name, its title or its name without the suffix.

    Without a name it is what tells most: its text, with the picture called `overview` if there is one, else that or its
    first picture, else its result. With `find`, the page begins a little before that text's next occurrence from `offset` on. Raises JobNotFound, NotNow
    before the job has completed, BadRequest for an artifact or a text that is not there.
    """
    job = await backburner.get(job_id)
    if job.status != "completed":
        raise NotNow(f"{job.id} has made nothing to read: it is {job.status}. {await backburner.why(job.id)}")
    artifact = _named(job, name) if name else _telling(job.artifacts)
    if artifact is None:
        return _page(
            job, None, json.dumps(job.result, indent=1, ensure_ascii=False) if job.result else "", offset, limit
        )
    if not is_text(artifact) or artifact.bytes > MOST_TEXT_BYTES:
        return Reading(job, artifact, None, picture=await _picture(backburner, job, artifact))
    text = await asyncio.to_thread(_text_of, backburner.artifact_file(job, artifact), artifact)
    page = _page(job, artifact, text, _found(text, find, offset) if find else offset, limit)
    if name or offset or find:
        return page
    return replace(page, picture=await _picture(backburner, job, _overview(job.artifacts)))


async def _picture(backburner: Backburner, job: Job, artifact: StoredArtifact | None) -> Picture | None:
    if artifact is None or not _is_picture(artifact) or artifact.bytes > MOST_PICTURE_BYTES:
        return None
    return Picture(artifact, await asyncio.to_thread(_bytes_of, backburner.artifact_file(job, artifact), artifact))


def _named(job: Job, name: str) -> StoredArtifact:
    try:
        return artifact_named(job.id, job.artifacts, name)
    except LookupError as error:
        raise BadRequest(str(error)) from None


def _telling(artifacts: Sequence[StoredArtifact]) -> StoredArtifact | None:
    # A page is for looking at: where its words lie beside it as text, those are read.
    texts = sorted(filter(is_text, artifacts), key=lambda each: each.media_type.startswith("text/html"))
    pictures = filter(_is_picture, artifacts)
    return next(iter(texts), None) or _overview(artifacts) or next(pictures, None) or next(iter(artifacts), None)


def _overview(artifacts: Sequence[StoredArtifact]) -> StoredArtifact | None:
    return next((each for each in artifacts if _is_picture(each) and Path(each.name).stem == "overview"), None)


def is_text(artifact: StoredArtifact) -> bool:
    """Whether it is text, to be read."""
    return artifact.media_type.startswith(_TEXT)


def _is_picture(artifact: StoredArtifact) -> bool:
    return artifact.media_type in _PICTURES


def _bytes_of(file: KeptFile, artifact: StoredArtifact) -> bytes:
    try:
        return file.read()
    except OSError:
        raise BadRequest(f"The file '{artifact.name}' is no longer where it was kept.") from None


def _text_of(file: KeptFile, artifact: StoredArtifact) -> str:
    text = _bytes_of(file, artifact).decode("utf-8", "replace")
    if not artifact.media_type.startswith("text/html"):
        return text
    # For reading, not for showing: what is left is data to a model, and never becomes a page again.
    text = _TAGS.sub("", _BREAKS.sub("\n", _DROPPED.sub("", text)))
    return re.sub(r"\n\s*\n+", "\n\n", html.unescape(text)).strip()


def _found(text: str, find: str, offset: int) -> int:
    at = text.casefold().find(find.casefold(), offset)
    if at < 0:
        where = "after that place" if offset else "in it"
        raise BadRequest(f"'{find[:60]}' does not occur {where}.")
    return max(at - 200, 0)


def _page(job: Job, artifact: StoredArtifact | None, text: str, offset: int, limit: int) -> Reading:
    if offset and offset >= len(text):
        raise BadRequest(f"offset: {offset} is beyond the end; there are {len(text)} characters.")
    end = offset + limit
    return Reading(job, artifact, text[offset:end], offset, end if end < len(text) else None, len(text))
