"""Where artifacts lie: a folder, under tenant/job/fence/name, never overwritten; what steps made under tenant/job/steps."""

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from agent_tools.jobs.artifacts import Artifact
from agent_tools.jobs.job import StoredArtifact

_CHUNK = 1 << 20
_STEPS = "steps"
_WRITABLE = 0o222


class Attempt(NamedTuple):
    """The files of one attempt of a job."""

    tenant: int
    job: str
    fence: int


class StepFile(NamedTuple):
    """A file that a step of a job made. It lies under tenant/job/steps/sha256/name."""

    job: str
    name: str
    title: str
    media_type: str
    bytes: int
    sha256: str


class Left(NamedTuple):
    """Files found in the store: of an attempt, or (`fence` None) of all steps of a job."""

    tenant: int
    job: str
    fence: int | None


class ArtifactStore:
    """Blocking: call it in a thread. Only an attempt that settled has its files named in the book.

    No file in it is ever written to again, so that one which lies here already is linked and not copied.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, attempt: Attempt, artifacts: Iterable[Artifact]) -> list[StoredArtifact]:
        """Write the files and see them on the disk before anything names them. Raises OSError.

        Two artifacts of one name become `name` and `name-2`.
        """
        target, taken, stored = self._folder(attempt), set[str](), list[StoredArtifact]()
        for artifact in artifacts:
            if not taken:
                target.mkdir(parents=True, exist_ok=True)
            name = _free_name(artifact.name, taken)
            taken.add(name)
            size, digest = self._write(artifact, target / name)
            stored.append(StoredArtifact(name, artifact.title, artifact.media_type, size, digest, attempt.fence))
        if taken:
            self._sync(target)
        return stored

    def keep_step(self, attempt: Attempt, artifact: Artifact) -> StepFile:
        """Keep what a step made for as long as the job is kept, and see it on the disk. Raises OSError."""
        # First among the files of the attempt: if this breaks off, it is swept with them.
        part = self._folder(attempt) / f".{secrets.token_hex(8)}"
        part.parent.mkdir(parents=True, exist_ok=True)
        size, digest = self._write(artifact, part)
        file = StepFile(attempt.job, artifact.name, artifact.title, artifact.media_type, size, digest)
        target = self.step_path(attempt.tenant, file)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            part.replace(target)
        part.unlink(missing_ok=True)
        self._sync(target.parent)
        return file

    def step_path(self, tenant: int, file: StepFile) -> Path:
        """Where the file is, or was."""
        return self.folder / str(tenant) / file.job / _STEPS / file.sha256 / file.name

    def path(self, tenant: int, job: str, artifact: StoredArtifact) -> Path:
        """Where the file is."""
        return self._folder(Attempt(tenant, job, artifact.fence)) / artifact.name

    def remove(self, tenant: int, job: str, fence: int | None = None) -> None:
        """Delete the files of an attempt, or of the whole job. What is not there is fine."""
        folder = self.folder / str(tenant) / job
        shutil.rmtree(folder if fence is None else folder / str(fence), ignore_errors=True)

    def left(self, older_than_s: float) -> Iterator[Left]:
        """What was left here longer ago than this, by attempts and by steps; what does not look like ours is passed over."""
        limit = time.time() - older_than_s
        for folder in self.folder.glob("*/*/*"):
            tenant, job, of = folder.parts[-3:]
            is_ours = tenant.isdecimal() and (of.isdecimal() or of == _STEPS)
            if is_ours and folder.is_dir() and folder.stat().st_mtime < limit:
                yield Left(int(tenant), job, int(of) if of != _STEPS else None)

    def _folder(self, attempt: Attempt) -> Path:
        return self.folder / str(attempt.tenant) / attempt.job / str(attempt.fence)

    def _write(self, artifact: Artifact, target: Path) -> tuple[int, str]:
        if artifact.path and self._holds(artifact.path.resolve()) and _link(artifact.path.resolve(), target):
            return target.stat().st_size, digest_of(artifact)
        return _copy(artifact, target)

    def _holds(self, path: Path) -> bool:
        return path.is_relative_to(self.folder.resolve()) and not path.stat().st_mode & _WRITABLE

    def _sync(self, folder: Path) -> None:
        """See the names of what is in this folder on the disk, and its own in those above."""
        for each in (folder, *folder.relative_to(self.folder).parents):
            _sync(self.folder / each)


def _free_name(name: str, taken: set[str]) -> str:
    free, number = name, 2
    while free in taken:
        free, number = f"{Path(name).stem}-{number}{Path(name).suffix}", number + 1
    return free


def digest_of(artifact: Artifact) -> str:
    """SHA-256 of what is in the file, in hex. Raises OSError."""
    digest = hashlib.sha256()
    for chunk in _chunks(artifact):
        digest.update(chunk)
    return digest.hexdigest()


def _link(source: Path, target: Path) -> bool:
    try:
        target.hardlink_to(source)
    except OSError:  # not every filesystem can
        return False
    return True


def _copy(artifact: Artifact, target: Path) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with target.open("xb") as file:
        for chunk in _chunks(artifact):
            digest.update(chunk)
            size += file.write(chunk)
        file.flush()
        target.chmod(target.stat().st_mode & ~_WRITABLE)
        os.fsync(file.fileno())
    return size, digest.hexdigest()


def _chunks(artifact: Artifact) -> Iterator[bytes]:
    if artifact.path is None:
        yield artifact.data or b""
        return
    with artifact.path.open("rb") as source:
        while chunk := source.read(_CHUNK):
            yield chunk


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
