"""What people and programs upload for jobs to work on: taken in, found again, missed at the door."""

import asyncio
import errno
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from agent_tools.jobs.artifacts import guess_media_type, safe_name
from agent_tools.jobs.errors import BadRequest, FileNotKept, NoRoom, NotNow, Problem, TooLarge
from agent_tools.jobs.files import HOW_TO_UPLOAD, JobFile, Upload, UploadedFile, named, new_id
from agent_tools.jobs.job import Job, JobStatus, artifact_named
from agent_tools.jobs.upload_store import ArrivingUpload, Kept, UploadStore
from sql.door import DoorStore, Filter
from sql.hands import Principal

MOST_BYTES = 2_000_000_000
KEEP_DAYS = 7.0
_LOT = 1 << 20
"""So much is written at once."""
_SPARE_BYTES = 200_000_000
"""So much of the disk is left to the database and to what jobs make."""
_SAYS_NOTHING = frozenset({"", "application/octet-stream", "application/x-www-form-urlencoded", "binary/octet-stream"})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_BEGINNINGS: Mapping[bytes, str] = {
    b"%PDF-": "application/pdf", b"\x89PNG\r\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif",
    b"ID3": "audio/mpeg", b"\xff\xfb": "audio/mpeg", b"\xff\xf3": "audio/mpeg", b"OggS": "audio/ogg", b"fLaC": "audio/flac",
    b"\x1aE\xdf\xa3": "video/webm", b"PK\x03\x04": "application/zip", b"\x1f\x8b": "application/gzip",
}  # fmt: skip
"""How files begin whose names say nothing."""


class Sent(NamedTuple):
    """A file as somebody sends it: what they call it, what they say it is, and how large where they say that."""

    name: str
    chunks: AsyncIterator[bytes]
    media_type: str = ""
    bytes: int = 0


class Wanted(NamedTuple):
    """A file that an argument names: where in what was sent, of a job that comes after these."""

    field: str
    file: Upload | JobFile
    after: Collection[str | int]


class Files:
    """The uploads of an installation, each tenant's for itself."""

    def __init__(
        self, store: DoorStore, folder: UploadStore, *, most_bytes: int = MOST_BYTES, keep_days: float = KEEP_DAYS
    ) -> None:
        self._store, self._folder, self._most_bytes, self._keep_days = store, folder, most_bytes, keep_days

    async def keep(self, who: Principal, sent: Sent) -> UploadedFile:
        """Take a file in as it arrives.

        Raises TooLarge, NoRoom, BadRequest for an empty one, StoreUnavailable, and what `chunks` raises.
        """
        self._refuse_too_large(sent.bytes)
        upload = new_id()
        with _as_ours():
            if sent.bytes > await asyncio.to_thread(self._folder.free) - _SPARE_BYTES:
                raise NoRoom(_FULL_DISK)
            arriving = await asyncio.to_thread(self._folder.begin, who.tenant, upload)
            try:
                beginning = await self._take(arriving, sent.chunks)
                kept = await asyncio.to_thread(arriving.finish, safe_name(_base(sent.name)))
            except BaseException:
                await asyncio.to_thread(arriving.give_up)
                raise
        # Where this fails the file stays: its row may be there all the same. What has none is swept.
        media_type = _media_type(sent.media_type, kept, beginning)
        return await self._store.add_file(who.tenant, who.principal, upload, kept, media_type, self._keep_days)

    async def page(self, who: Principal, limit: int, older_than: tuple[datetime, str] | None) -> list[UploadedFile]:
        """The tenant's uploads, the newest first."""
        return await self._store.files(who.tenant, limit=limit, older_than=older_than)

    async def get(self, who: Principal, upload: str) -> UploadedFile:
        """One upload, by its id or as arguments name it. Raises FileNotKept."""
        found = await self._store.files(who.tenant, ids=[_id(upload)])
        if not found:
            raise FileNotKept(f"There is no upload {upload[:40]} here (any longer).")
        return found[0]

    async def delete(self, who: Principal, upload: str) -> None:
        """Delete an upload with its file. Raises FileNotKept, NotNow while a job needs it."""
        file = await self.get(who, upload)
        is_gone, needed_by, scheduled_by = await self._store.delete_file(who.tenant, file.id)
        if needed_by:
            raise NotNow(f"The job {needed_by} needs this file and has not ended. Cancel it first, or delete it later.")
        if scheduled_by:
            raise NotNow(f"The schedule '{scheduled_by}' needs this file. Change or delete that first.")
        if is_gone:
            await asyncio.to_thread(self._folder.remove, who.tenant, file.id)

    async def refuse_missing(self, who: Principal, wanted: Sequence[Wanted]) -> None:
        """Raise BadRequest naming each argument whose file is not there; the others are kept for some time again."""
        if not wanted:
            return
        uploads = {each.file.id for each in wanted if isinstance(each.file, Upload)}
        jobs = {each.file.job for each in wanted if isinstance(each.file, JobFile)}
        here = await self._store.renew_files(who.tenant, uploads, self._keep_days) if uploads else set()
        found = await self._store.jobs(who.tenant, Filter(ids=list(jobs)), limit=len(jobs)) if jobs else []
        makers = {job.id: job for job in found}
        problems = [
            Problem(each.field, why)
            for each in wanted
            if (
                why := _not_uploaded(each.file, here)
                if isinstance(each.file, Upload)
                else _not_made(each.file, makers.get(each.file.job), each.after)
            )
        ]
        if problems:
            listed = " ".join(f"{problem.field}: {problem.message}" for problem in problems[:5])
            raise BadRequest(f"Nothing was created. {listed}", problems)

    async def _take(self, arriving: ArrivingUpload, chunks: AsyncIterator[bytes]) -> bytes:
        """Write what arrives; gives its first bytes."""
        lot, beginning = bytearray(), b""
        async for chunk in chunks:
            lot += chunk
            self._refuse_too_large(arriving.size + len(lot))
            if len(lot) >= _LOT:
                beginning = beginning or bytes(lot[:16])
                await asyncio.to_thread(arriving.write, bytes(lot))
                lot.clear()
        await asyncio.to_thread(arriving.write, bytes(lot))
        if not arriving.size:
            raise BadRequest("The file is empty. Send its content as the body, or as the file of a form.")
        return beginning or bytes(lot[:16])

    def _refuse_too_large(self, size: int) -> None:
        if size > self._most_bytes:
            raise TooLarge(
                f"The file is larger than {self._most_bytes / 1e6:,.0f} MB, the most that is taken here. "
                "Send a smaller one; an operator raises the limit by BACKBURNER_UPLOAD_MB."
            )


_FULL_DISK = "The disk of this installation has no room for this file. Nothing was kept; an operator has to make room."


@contextmanager
def _as_ours() -> Iterator[None]:
    """A full disk is the installation's trouble, and said so."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise NoRoom(_FULL_DISK) from error
        raise


def _base(name: str) -> str:
    """Without the folders that some senders put in front."""
    return name.replace("\\", "/").rstrip("/").rpartition("/")[2]


def _media_type(said: str, kept: Kept, beginning: bytes) -> str:
    """What its sender says, else what its name promises, else what its first bytes are."""
    said = said.partition(";")[0].strip().lower()
    if said not in _SAYS_NOTHING and "/" in said and said.isascii() and said.isprintable() and len(said) <= 100:
        return said
    guessed = guess_media_type(kept.name)
    if guessed != "application/octet-stream":
        return guessed
    if beginning[4:8] == b"ftyp":
        return "video/mp4"
    if beginning[:4] == b"RIFF":
        return {b"WAVE": "audio/wav", b"WEBP": "image/webp"}.get(beginning[8:12], guessed)
    return next((kind for start, kind in _BEGINNINGS.items() if beginning.startswith(start)), guessed)


def _id(upload: str) -> str:
    file = named(upload)
    return file.id if isinstance(file, Upload) else upload.strip().lower()


def _not_uploaded(file: Upload, here: Collection[str]) -> str | None:
    return None if file.id in here else f"there is no upload {file.id} here (any longer). {HOW_TO_UPLOAD}"


def _not_made(file: JobFile, maker: Job | None, after: Collection[str | int]) -> str | None:
    if maker is None:
        return f"there is no job {file.job}. List the jobs to see yours."
    if not maker.status.is_final:
        return None if file.job in after else f"the job {file.job} has not ended yet: say after=[{file.job!r}], too."
    if maker.status != JobStatus.COMPLETED:
        return f"the job {file.job} is {maker.status} and made no files."
    try:
        artifact_named(maker.id, maker.artifacts, file.name)
    except LookupError as error:
        return str(error)
    return None
