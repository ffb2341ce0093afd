"""Where uploads lie: beside the artifacts, under uploads/tenant/id/name, never overwritten."""

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_PART = ".part"
"""What a file is called while it arrives; no name of an upload begins with a dot."""
_READ_ONLY = 0o444


class Kept(NamedTuple):
    """What is known of a file once it is all there."""

    name: str
    bytes: int
    sha256: str


class UploadStore:
    """Blocking: call it in a thread. A file is all there, and on the disk, before the book names it."""

    def __init__(self, artifacts: Path) -> None:
        self.folder = artifacts / "uploads"

    def path(self, tenant: int, upload: str, name: str) -> Path:
        """Where the file is."""
        return self._folder(tenant, upload) / name

    def begin(self, tenant: int, upload: str) -> "Arriving":
        """Make room for a file. Raises OSError."""
        folder = self._folder(tenant, upload)
        folder.mkdir(parents=True)
        return Arriving(folder)

    def free(self) -> int:
        """How many bytes the disk has room for."""
        nearest = next(each for each in (self.folder, *self.folder.parents) if each.exists())
        return shutil.disk_usage(nearest).free

    def remove(self, tenant: int, upload: str) -> None:
        """Delete an upload. What is not there is fine."""
        shutil.rmtree(self._folder(tenant, upload), ignore_errors=True)

    def left(self, older_than_s: float) -> Iterator[tuple[int, str]]:
        """(tenant, id) of what nobody has written to for this long, whole or not."""
        limit = time.time() - older_than_s
        for folder in self.folder.glob("*/*"):
            if folder.parent.name.isdecimal() and _last_written(folder) < limit:
                yield int(folder.parent.name), folder.name

    def _folder(self, tenant: int, upload: str) -> Path:
        return self.folder / str(tenant) / upload


class Arriving:
    """A file of which more comes, until `finish` or `give_up`."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._part = folder, folder / _PART
        self._digest = hashlib.sha256()
        self._file = self._part.open("xb")
        self.bytes = 0

    def write(self, data: bytes) -> None:
        """Take some more of it. Raises OSError."""
        self._file.write(data)
        self._digest.update(data)
        self.bytes += len(data)

    def finish(self, name: str) -> Kept:
        """See it on the disk under its name, to be read only. Raises OSError."""
        self._file.flush()
        self._part.chmod(_READ_ONLY)
        os.fsync(self._file.fileno())
        self._file.close()
        self._part.rename(self._folder / name)
        for folder in (self._folder, self._folder.parent, self._folder.parent.parent):
            _sync(folder)
        return Kept(name, self.bytes, self._digest.hexdigest())

    def give_up(self) -> None:
        """Leave nothing of it behind."""
        # What is still buffered may not fit on the disk: closing says so, and closes all the same.
        with suppress(OSError):
            self._file.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def _last_written(folder: Path) -> float:
    try:
        return max(each.stat().st_mtime for each in (folder, *folder.iterdir()))
    except OSError:  # it is just going, or no folder
        return time.time()


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
