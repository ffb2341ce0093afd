"""What a folder or a feed holds: sources, each to become an episode of its own."""

import json
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urljoin

from pydantic import BaseModel

from agent_tools import GiveUp
from worker.kinds.episode.source import SUFFIXES

MOST = 200
MOST_BYTES = 60_000
_MEDIA = ("audio/", "video/")


class Found(BaseModel):
    """A source, and what is known of it before anybody listened."""

    source: str
    title: str
    media_type: str | None = None
    bytes: int | None = None
    duration_s: float | None = None
    published: str | None = None


def in_folder(folder: Path, source: str) -> list[Found]:
    """The recordings in the folder and those below it, by name."""
    named = PurePosixPath(source.removeprefix("file:").lstrip("/"))
    return [
        Found(
            source=f"file:{named / path.relative_to(folder).as_posix()}",
            title=title_of(path.name),
            bytes=path.stat().st_size,
        )
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower().lstrip(".") in SUFFIXES and path.is_file() and path.resolve().is_relative_to(folder)
    ]


def in_feed(data: bytes, address: str) -> list[Found]:
    """The recordings that a feed encloses, in its order. Raises GiveUp where it is no feed."""
    try:
        import feedparser  # noqa: PLC0415 - loaded only where feeds are read
    except ImportError:
        raise GiveUp("Feeds cannot be read here: pip install 'backburner[scrape]'.") from None
    read: Any = feedparser.parse(data, sanitize_html=False)
    if not read.get("version"):
        raise GiveUp("At this address is neither a recording nor a feed of some.")
    found: dict[str, Found] = {}
    for entry in read.entries:
        enclosed = next((each for each in entry.get("enclosures", ()) if _is_media(each)), None)
        if enclosed is None:
            continue
        source = urljoin(address, enclosed["href"])
        found.setdefault(
            source,
            Found(
                source=source,
                title=_plain(entry.get("title", "")) or title_of(source),
                media_type=enclosed.get("type") or None,
                bytes=int(enclosed["length"])
                if str(enclosed.get("length", "")).isdecimal() and int(enclosed["length"])
                else None,
                duration_s=_seconds(entry.get("itunes_duration", "")),
                published=entry.get("published") or None,
            ),
        )
    return list(found.values())


def told(found: Sequence[Found]) -> list[dict[str, Any]]:
    """The first of them, as many as a result has room for."""
    sources = [each.model_dump(exclude_none=True) for each in found[:MOST]]
    while len(json.dumps(sources, ensure_ascii=False).encode()) > MOST_BYTES:
        sources.pop()
    return sources


def title_of(name: str) -> str:
    """`the_long-night.mp3` → `The long night`."""
    stem = re.sub(r"\.\w{1,5}$", "", name.partition("?")[0].rstrip("/").rpartition("/")[2])
    words = re.sub(r"[_\s]+|(?<=\w)-(?=\w)", " ", stem).strip()
    return (words[:1].upper() + words[1:])[:200] or "Recording"


def _is_media(enclosed: Any) -> bool:
    href = str(enclosed.get("href", ""))
    suffix = href.partition("?")[0].rpartition(".")[2].lower()
    return bool(href) and (str(enclosed.get("type", "")).startswith(_MEDIA) or suffix in SUFFIXES)


def _plain(text: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", "", text).split())[:200]


def _seconds(written: str) -> float | None:
    """`3723`, `62:03`, `1:02:03`."""
    parts = str(written).strip().split(":")
    if not all(part.isdecimal() for part in parts) or len(parts) > 3:
        return None
    total = 0
    for part in parts:
        total = total * 60 + int(part)
    return float(total) or None
