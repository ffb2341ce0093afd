"""A source as a file to listen to: found here, or fetched."""

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict
from urllib.parse import unquote, urlsplit

from agent_tools import Artifact, GiveUp, JobContext, TryAgain
from agent_tools.fetch import NotFetched, NotTaken, Unreachable, fetch, save
from agent_tools.settings import Settings
from worker.kinds.episode import listing, source, visit
from worker.kinds.episode.listing import Found

WITHIN_S = 2 * 3600.0
MOST_FEED_BYTES = 8_000_000
_PLAYLIST = re.compile(r"mpegurl|dash\+xml", re.IGNORECASE)
_FEED = re.compile(r"\b(rss|atom|xml)\b", re.IGNORECASE)
_MEDIA = re.compile(r"(audio|video)/|application/(ogg|mp4|x-matroska|vnd\.apple\.mpegurl-?file)$", re.IGNORECASE)

Progress = Callable[[str, float, float | None], None]


class Fetched(TypedDict):
    """What was fetched: the media, and what its page says of it."""

    media: Artifact
    captions: Artifact | None
    title: str
    language: str


async def fetched(job: JobContext, url: str, quality: str, language: str | None) -> Fetched:
    """The recording at this address, or on the page that is there. Raises GiveUp and TryAgain."""
    path = job.folder / "fetched"

    def heard(done: int, of: int | None) -> None:
        job.progress("Fetching the recording", done, of)

    try:
        most = Settings.read().most_media_mb * 1_000_000
        with _endings():
            await save(url, path, most_bytes=most, within_s=WITHIN_S, takes=_is_media(url), heard=heard)
        return Fetched(media=_named(path, url), captions=None, title="", language="")
    except NotTaken as other:
        if _FEED.search(other.media_type) and "html" not in other.media_type:
            raise GiveUp(_many("a feed", url)) from None
        if not _is_page(other.media_type):
            raise GiveUp(f"{other} That is no recording.") from None
    return await _from_page(job, url, quality, language)


async def _from_page(job: JobContext, url: str, quality: str, language: str | None) -> Fetched:
    folder = job.folder / "visited"
    job.progress("Looking for a recording on the page")
    there = await visit.visit(url, folder, quality=quality, language=language, progress=job.progress)
    if there.entries:
        raise GiveUp(_many(f"a list of {len(there.entries)}", url))
    if there.media is None:
        raise GiveUp("There is no recording on this page that could be had.")
    captions = Artifact.file(folder / there.captions) if there.captions else None
    return Fetched(
        media=Artifact.file(folder / there.media),
        captions=captions,
        title=there.title,
        language=there.captions_language or there.language,
    )


async def discovered(job: JobContext, url: str, folder: Path) -> list[Found]:
    """What is at an address, without fetching it: a recording, the entries of a feed, or what a page has."""
    try:
        with _endings():
            await save(url, folder / "looked", most_bytes=1, within_s=60, takes=lambda _: False)
    except NotTaken as there:
        if _is_media(url)(there.media_type):
            return [
                Found(
                    source=url, title=listing.title_of(unquote(urlsplit(url).path)), media_type=there.media_type or None
                )
            ]
        if _FEED.search(there.media_type) and "html" not in there.media_type:
            return await _in_feed(url)
        if not _is_page(there.media_type):
            raise GiveUp(f"{there} That is no recording.") from None
    there_is = await visit.visit(
        url, folder / "visited", quality="audio", language=None, progress=job.progress, only_look=True
    )
    return there_is.entries or [
        Found(source=url, title=there_is.title or listing.title_of(url), duration_s=there_is.duration_s)
    ]


async def _in_feed(url: str) -> list[Found]:
    with _endings():
        came = await fetch(url, most_bytes=MOST_FEED_BYTES, within_s=60)
    return await asyncio.to_thread(listing.in_feed, came.data, url)


@contextmanager
def _endings() -> Iterator[None]:
    """What does not come ends the attempt, or the job; what is of another type is for whoever asked."""
    try:
        yield
    except NotTaken:
        raise
    except Unreachable as error:
        raise TryAgain(after="2m", because=str(error)) from None
    except NotFetched as error:
        raise GiveUp(str(error)) from None


def _is_media(url: str) -> Callable[[str], bool]:
    suffix = urlsplit(url).path.rpartition(".")[2].lower()

    def judge(media_type: str) -> bool:
        if _PLAYLIST.search(media_type):
            return False
        return bool(_MEDIA.match(media_type)) or (
            media_type in ("", "application/octet-stream", "binary/octet-stream") and suffix in source.SUFFIXES
        )

    return judge


def _is_page(media_type: str) -> bool:
    return media_type in ("text/html", "application/xhtml+xml") or bool(_PLAYLIST.search(media_type))


def _many(what: str, url: str) -> str:
    return (
        f"At {url[:200]} is {what} and no single recording. Call it with target_stage='discover' to have its recordings "
        "listed, then create an episode for each."
    )


def _named(path: Path, url: str) -> Artifact:
    return Artifact.file(path, name=unquote(urlsplit(url).path).rpartition("/")[2] or "recording")
