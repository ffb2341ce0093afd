"""Where artifacts lie: a folder, under tenant/job/fence/name, never shared and never overwritten."""

import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from agent_tools.jobs.artifacts import Artifact
from agent_tools.jobs.job import StoredArtifact

_CHUNK = 1 << 20


class Attempt(NamedTuple):
    """The files of one attempt of a job."""

    tenant: int
    job: str
    fence: int


class ArtifactStore:
    """Blocking: call it in a thread. Only an attempt that settled has its files named in the book."""

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
            size, digest = _write(artifact, target / name)
            stored.append(StoredArtifact(name, artifact.title, artifact.media_type, size, digest, attempt.fence))
        if taken:
            for folder in (target, target.parent, target.parent.parent, self.folder):
                _sync(folder)
        return stored

    def path(self, tenant: int, job: str, artifact: StoredArtifact) -> Path:
        """Where the file is."""
        return self._folder(Attempt(tenant, job, artifact.fence)) / artifact.name

    def remove(self, tenant: int, job: str, fence: int | None = None) -> None:
        """Delete the files of an attempt, or of the whole job. What is not there is fine."""
        folder = self.folder / str(tenant) / job
        shutil.rmtree(folder if fence is None else folder / str(fence), ignore_errors=True)

    def attempts(self, older_than_s: float) -> Iterator[Attempt]:
        """Every attempt that left files longer ago than this; what does not look like ours is passed over."""
        limit = time.time() - older_than_s
        for folder in self.folder.glob("*/*/*"):
            tenant, job, fence = folder.parts[-3:]
            if tenant.isdecimal() and fence.isdecimal() and folder.is_dir() and folder.stat().st_mtime < limit:
                yield Attempt(int(tenant), job, int(fence))

    def _folder(self, attempt: Attempt) -> Path:
        return self.folder / str(attempt.tenant) / attempt.job / str(attempt.fence)


def _free_name(name: str, taken: set[str]) -> str:
    free, number = name, 2
    while free in taken:
        free, number = f"{Path(name).stem}-{number}{Path(name).suffix}", number + 1
    return free


def _write(artifact: Artifact, target: Path) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with target.open("xb") as file:
        for chunk in _chunks(artifact):
            digest.update(chunk)
            size += file.write(chunk)
        file.flush()
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
