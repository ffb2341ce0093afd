"""What `source` names: a file here, an upload, what another job made, or an address."""

import asyncio
import hashlib
from pathlib import Path

from agent_tools import GiveUp, JobContext
from agent_tools.local_files import NotAllowed, local_path

SUFFIXES = frozenset({
    "mp3", "m4a", "m4b", "aac", "ogg", "oga", "opus", "flac", "wav", "aif", "aiff", "wma", "amr",
    "mp4", "m4v", "mov", "mkv", "webm", "avi", "mpg", "mpeg", "ts", "3gp", "wmv",
})  # fmt: skip
"""Of files that a folder's list shows, and that an address without a type is taken for."""


async def local(job: JobContext, source: str) -> Path | None:
    """The file or folder that a source is; None where it is an address. Raises GiveUp."""
    match source.partition(":")[0].lower():
        case "file":
            return await asyncio.to_thread(_here, source)
        case "upload" | "job":
            return await _given(job, source)
    return None


async def _given(job: JobContext, source: str) -> Path:
    """The file of an upload or of another job, to be read only."""
    try:
        return await job.file(source)
    except LookupError as error:
        raise GiveUp(str(error.args[0])) from None


def _here(address: str) -> Path:
    shown = address[:85]
    try:
        path = local_path(address)
    except NotAllowed as error:
        raise GiveUp(f"{shown} {error.what}. {error.more}".rstrip()) from None
    if not path.exists():
        raise GiveUp(
            f"There is no {shown} below the folder that BACKBURNER_FILES names. source='file:.' with target_stage='discover' "
            "lists what is there."
        )
    return path


async def digest(path: Path) -> str:
    """SHA-256 of what is in the file, in hex."""
    return await asyncio.to_thread(_digest, path)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
