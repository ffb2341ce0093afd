"""What `source` names: a file here, an upload, what another job made, or an address."""

import asyncio
import hashlib
from pathlib import Path
from urllib.parse import unquote

from agent_tools import GiveUp, JobContext
from agent_tools.settings import Settings

SUFFIXES = frozenset({
    "mp3", "m4a", "m4b", "aac", "ogg", "oga", "opus", "flac", "wav", "aif", "aiff", "wma", "amr",
    "mp4", "m4v", "mov", "mkv", "webm", "avi", "mpg", "mpeg", "ts", "3gp", "wmv",
})  # fmt: skip
"""Of files that a folder's list shows, and that an address without a type is taken for."""


async def local(job: JobContext, source: str) -> Path | None:
    """The file or folder that a source is; None where it is an address. Raises GiveUp."""
    scheme, _, name = source.partition(":")
    match scheme.lower():
        case "file":
            return await asyncio.to_thread(_below_files, name)
        case "upload" | "job":
            return await _given(job, source)
    return None


async def _given(job: JobContext, source: str) -> Path:
    """The file of an upload or of another job, to be read only."""
    try:
        return await job.file(source)
    except LookupError as error:
        raise GiveUp(str(error.args[0])) from None


def _below_files(written: str) -> Path:
    """What lies below the folder that the settings name, wherever links lead."""
    named = Settings.read().files
    if not named:
        raise GiveUp(
            f"file:{written[:80]} may not be read. Whoever runs this can allow it: BACKBURNER_FILES names the folder of such files."
        )
    folder = Path(named).resolve()
    for name in dict.fromkeys((written, unquote(written))):
        try:
            path = (folder / name.removeprefix("//localhost").lstrip("/")).resolve()
        except (ValueError, RuntimeError, OSError):  # a NUL in it, links that lead in a circle, a name too long
            raise GiveUp(f"file:{written[:80]} is no file's name.") from None
        if not path.is_relative_to(folder):
            raise GiveUp(f"file:{written[:80]} is not below the folder that BACKBURNER_FILES names.")
        if path.exists():
            return path
    raise GiveUp(f"There is no file:{written[:80]} below the folder that BACKBURNER_FILES names.")


async def digest(path: Path) -> str:
    """SHA-256 of what is in the file, in hex."""
    return await asyncio.to_thread(_digest, path)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
