"""What Presenton is to read: addresses, files of other jobs and of this machine, brought together on disk."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from agent_tools import GiveUp, JobContext
from agent_tools.fetch import NotFetched, fetch
from agent_tools.jobs.artifacts import safe_name
from agent_tools.local_files import local_path
from worker.kinds.presentation.presenton.options import ARTIFACT

MOST_BYTES = 100_000_000
"""How large a file Presenton takes."""
WITHIN_S = 120.0
TAKEN = frozenset(
    [
        "pdf",
        "txt",
        "md",
        "doc",
        "docx",
        "docm",
        "odt",
        "rtf",
        "ppt",
        "pptx",
        "pptm",
        "odp",
        "xls",
        "xlsx",
        "xlsm",
        "ods",
        "csv",
        "tsv",
        "jpg",
        "jpeg",
        "png",
        "gif",
        "bmp",
        "tiff",
        "webp",
    ]
)
_BY_TYPE = {
    "application/pdf": ".pdf", "text/plain": ".txt", "text/markdown": ".md", "text/csv": ".csv",
    "image/jpeg": ".jpg", "image/png": ".png", "image/gif": ".gif", "image/webp": ".webp",
}  # fmt: skip


async def gathered(job: JobContext, addresses: Sequence[str], texts: Sequence[str]) -> list[tuple[str, Path]]:
    """The files with the names to send them under. Raises GiveUp for one that is not to be had, or of no use there."""
    found = [await _found(job, address, number) for number, address in enumerate(addresses, 1)]
    for number, text in enumerate(texts, 1):
        path = job.folder / f"source-{number}.txt"
        await asyncio.to_thread(path.write_text, text, encoding="utf-8")
        found.append((path.name, path))
    for address, (name, path) in zip(addresses, found, strict=False):
        if Path(name).suffix.lower().lstrip(".") not in TAKEN:
            raise GiveUp(f"presenton.files: Presenton reads no '{address[:80]}'. It takes {', '.join(sorted(TAKEN))}.")
        if (await asyncio.to_thread(path.stat)).st_size > MOST_BYTES:
            raise GiveUp(f"presenton.files: '{address[:80]}' has more than {MOST_BYTES // 1_000_000} MB.")
    return found


async def _found(job: JobContext, address: str, number: int) -> tuple[str, Path]:
    try:
        if artifact := ARTIFACT.fullmatch(address):
            path = await job.artifact(artifact["job"], unquote(artifact["name"]))
            return path.name, path
        if address.lower().startswith("file:"):
            path = await asyncio.to_thread(_here, address)
            return path.name, path
        got = await fetch(address, most_bytes=MOST_BYTES, within_s=WITHIN_S)
    except (LookupError, NotFetched) as error:
        raise GiveUp(f"presenton.files: '{address[:80]}' is not to be had. {error.args[0]}") from error
    name = safe_name(Path(unquote(urlsplit(address).path)).name)
    if Path(name).suffix.lower().lstrip(".") not in TAKEN:
        name += _BY_TYPE.get(got.media_type, "")
    path = job.folder / f"{number}-{name}"
    await asyncio.to_thread(path.write_bytes, got.data)
    return name, path


def _here(address: str) -> Path:
    path = local_path(address)
    if not path.is_file():
        raise LookupError("There is no such file.")
    return path
