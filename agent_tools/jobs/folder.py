"""A folder of this machine, or one that several machines see, as the place of files."""

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from agent_tools.jobs.artifacts import Artifact, blocks_in, blocks_of, digest_of
from agent_tools.jobs.places import Facts, Written

_WRITABLE = 0o222


class Folder:
    """A file is on the disk, its name too, before anything says that it is kept.

    No file in it is ever written to again, so that one which lies here already is linked and not copied.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, folder: str, files: Sequence[tuple[str, Artifact]]) -> list[Written]:
        """Keep these under their names in one folder. Raises FileExistsError."""
        if not files:
            return []
        target = self.root / folder
        target.mkdir(parents=True, exist_ok=True)
        written = [self.write_one(artifact, target / name) for name, artifact in files]
        self.sync(target)
        return written

    def begin(self, folder: str, near: Path | None = None) -> "ArrivingInFolder":
        """Make room for a file, among those of its folder."""
        target = self.root / folder
        target.mkdir(parents=True, exist_ok=True)
        return ArrivingInFolder(self, target)

    def facts(self, key: str) -> Facts:
        """What is known of a file. Raises FileNotFoundError."""
        known = self._path(key).stat()
        return Facts(known.st_size, datetime.fromtimestamp(known.st_mtime, UTC))

    def blocks(self, key: str, start: int = 0) -> Iterator[bytes]:
        """What is in a file, from there on. Raises FileNotFoundError."""
        return blocks_of(self._path(key), start)

    def beginnings(self, keys: Sequence[str], most: int) -> list[bytes]:
        """At most so many bytes of each; nothing of those that are gone."""
        return [self._beginning(key, most) for key in keys]

    def local(self, key: str, near: Path) -> Path:
        """Where the file is. Raises FileNotFoundError."""
        path = self._path(key)
        path.stat()
        return path

    def remove(self, folder: str) -> None:
        """Delete everything in the folder. What is not there is fine."""
        shutil.rmtree(self.root / folder, ignore_errors=True)

    def left(self, under: str, older_than_s: float) -> Iterator[tuple[str, str, str]]:
        """All folders three levels deep that nobody has written to for so long."""
        limit = time.time() - older_than_s
        for folder in self.root.glob(f"{under}/*/*" if under else "*/*/*"):
            with suppress(OSError):  # it is just going
                if folder.is_dir() and folder.stat().st_mtime < limit:
                    first, second, third = folder.parts[-3:]
                    yield first, second, third

    def free(self) -> int:
        """How many bytes the disk has room for."""
        nearest = next(each for each in (self.root, *self.root.parents) if each.exists())
        return shutil.disk_usage(nearest).free

    def address(self, key: str) -> str:
        """The file's path."""
        return str(self._path(key))

    def test(self) -> None:
        """Write a file, read it and delete it. Raises OSError."""
        self.root.mkdir(parents=True, exist_ok=True)
        file = self.root / f".{secrets.token_hex(8)}"
        try:
            file.write_bytes(b"test")
            file.read_bytes()
        finally:
            file.unlink(missing_ok=True)

    def write_one(self, artifact: Artifact, target: Path) -> Written:
        """Write or link a file, whose name is not on the disk before `sync`."""
        if artifact.path and self._holds(artifact.path.resolve()) and _link(artifact.path.resolve(), target):
            return Written(target.stat().st_size, digest_of(artifact))
        return _copy(artifact, target)

    def sync(self, folder: Path) -> None:
        """See the names of what is in this folder on the disk, and its own in those above."""
        for each in (folder, *folder.relative_to(self.root).parents):
            _sync(self.root / each)

    def _path(self, key: str) -> Path:
        return self.root / key

    def _holds(self, path: Path) -> bool:
        return path.is_relative_to(self.root.resolve()) and not path.stat().st_mode & _WRITABLE

    def _beginning(self, key: str, most: int) -> bytes:
        try:
            with self._path(key).open("rb") as file:
                return file.read(most)
        except OSError:
            return b""


class ArrivingInFolder:
    """A file that is called `.…` while it arrives, as none is that was kept."""

    def __init__(self, place: Folder, folder: Path) -> None:
        self._place, self._folder = place, folder
        self._part = folder / f".part-{secrets.token_hex(8)}"
        self._digest = hashlib.sha256()
        self._file: BinaryIO | None = None
        self._taken: Written | None = None
        self.size = 0

    def write(self, data: bytes) -> None:
        """Take some more of it. Raises OSError."""
        self._file = self._file or self._part.open("xb")
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)
        os.utime(self._folder)  # whoever looks for what was left sees that this goes on

    def take(self, artifact: Artifact) -> None:
        """Take all of it at once, by a link where it lies here already. Raises OSError."""
        self._taken = self._place.write_one(artifact, self._part)
        self.size = self._taken.bytes

    def written(self) -> Written:
        """What has come, when it is all there."""
        return self._taken or Written(self.size, self._digest.hexdigest())

    def finish(self, key: str) -> None:
        """See it on the disk under its key, to be read only, unless it lies there already. Raises OSError."""
        if self._file:
            self._file.flush()
            self._part.chmod(self._part.stat().st_mode & ~_WRITABLE)
            os.fsync(self._file.fileno())
            self._file.close()
        target = self._place.root / key
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            self._part.replace(target)
        self._part.unlink(missing_ok=True)
        self._place.sync(target.parent)

    def give_up(self) -> None:
        """Leave nothing of it behind."""
        # What is still buffered may not fit on the disk: closing says so, and closes all the same.
        with suppress(OSError):
            if self._file:
                self._file.close()
        self._part.unlink(missing_ok=True)
        with suppress(OSError):  # others arrive there, too
            self._folder.rmdir()


def _link(source: Path, target: Path) -> bool:
    try:
        target.hardlink_to(source)
    except OSError:  # not every filesystem can
        return False
    return True


def _copy(artifact: Artifact, target: Path) -> Written:
    digest, size = hashlib.sha256(), 0
    with target.open("xb") as file:
        for block in blocks_in(artifact):
            digest.update(block)
            size += file.write(block)
        file.flush()
        target.chmod(target.stat().st_mode & ~_WRITABLE)
        os.fsync(file.fileno())
    return Written(size, digest.hexdigest())


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
