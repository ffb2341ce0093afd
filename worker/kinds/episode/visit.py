"""A page with a recording on it: looked at by yt-dlp, in a process of its own that reaches nothing but public addresses."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel

from agent_tools import GiveUp, TryAgain
from agent_tools.settings import Settings
from worker.kinds.episode import child
from worker.kinds.episode.listing import Found

WITHIN_S = 3600.0
LOOK_WITHIN_S = 120.0


class Visited(BaseModel):
    """What a page has. `media` and `captions` are names of files in the folder that was given."""

    title: str = ""
    language: str = ""
    duration_s: float | None = None
    media: str | None = None
    captions: str | None = None
    captions_language: str = ""
    entries: list[Found] = []


async def visit(
    url: str,
    folder: Path,
    *,
    quality: str,
    language: str | None,
    progress: Callable[[str, float, float | None], None],
    only_look: bool = False,
) -> Visited:
    """What the page at this address has; its media and captions are put into the folder. Raises GiveUp and TryAgain."""
    settings = Settings.read()
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    visited, wrong = Visited(), list[str]()

    def hear(word: child.Word) -> None:
        nonlocal visited
        match word:
            case {"wrong": str(said)}:
                wrong.append(said)
            case {"done": done, "of": of}:
                progress("Fetching the recording", done, of)
            case _:
                visited = Visited.model_validate(word)

    given = {
        "url": url, "folder": str(folder), "most_bytes": settings.most_media_mb * 1_000_000, "quality": quality, "language": language,
        "loopback": settings.allow_loopback, "only_look": only_look,
    }  # fmt: skip
    within_s = LOOK_WITHIN_S if only_look else WITHIN_S
    try:
        await child.run("worker.kinds.episode.visitor", given, hear, log=folder / "visit.log", within_s=within_s)
    except TimeoutError:
        raise TryAgain(after="5m", because=f"The page took longer than {within_s / 60:.0f} minutes.") from None
    except child.Ended as error:
        raise TryAgain(after="1m", because=f"What visits pages was ended ({error}).") from error
    if wrong:
        raise GiveUp(
            f"No recording can be had from this page. {wrong[0]} Give the address of the recording itself, or upload it."
        )
    return visited
