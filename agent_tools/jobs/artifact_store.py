"""Where artifacts lie: under tenant/job/fence/name, never overwritten; what steps made under tenant/job/steps."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from agent_tools.jobs.artifacts import Artifact
from agent_tools.jobs.folder import Folder
from agent_tools.jobs.job import StoredArtifact
from agent_tools.jobs.places import KeptFile, Place

_STEPS = "steps"


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
    """Blocking: call it in a thread. Only an attempt that settled has its files named in the book."""

    def __init__(self, place: Place) -> None:
        self.place = place

    @property
    def folder(self) -> Path | None:
        """The folder in which they lie; None: they lie in a bucket."""
        return self.place.root if isinstance(self.place, Folder) else None

    def keep(self, attempt: Attempt, artifacts: Iterable[Artifact]) -> list[StoredArtifact]:
        """Write the files and see them kept before anything names them. Raises OSError, StoreUnavailable.

        Two artifacts of one name become `name` and `name-2`. May be called again where the store was away.
        """
        named = _named(artifacts)
        written = self.place.write(_folder(attempt), named)
        return [
            StoredArtifact(name, artifact.title, artifact.media_type, size, digest, attempt.fence)
            for (name, artifact), (size, digest) in zip(named, written, strict=True)
        ]

    def keep_step(self, attempt: Attempt, artifact: Artifact, near: Path) -> StepFile:
        """Keep what a step made for as long as the job is kept. Raises OSError, StoreUnavailable.

        `near` is a folder for what a bucket's files are read from; a copy of this one may lie there afterwards.
        """
        # First among the files of the attempt: if this breaks off, it is swept with them.
        arriving = self.place.begin(_folder(attempt), near)
        try:
            arriving.take(artifact)
            size, digest = arriving.written()
            file = StepFile(attempt.job, artifact.name, artifact.title, artifact.media_type, size, digest)
            arriving.finish(_step_key(attempt.tenant, file))
        except BaseException:
            arriving.give_up()
            raise
        return file

    def step_file(self, tenant: int, file: StepFile) -> KeptFile:
        """The file, or where it was."""
        return KeptFile(self.place, _step_key(tenant, file))

    def file(self, tenant: int, job: str, artifact: StoredArtifact) -> KeptFile:
        """The file, or where it was."""
        return KeptFile(self.place, f"{_folder(Attempt(tenant, job, artifact.fence))}/{artifact.name}")

    def remove(self, tenant: int, job: str, fence: int | None = None) -> None:
        """Delete the files of an attempt, or of the whole job. What is not there is fine."""
        self.place.remove(f"{tenant}/{job}" if fence is None else _folder(Attempt(tenant, job, fence)))

    def left(self, older_than_s: float) -> Iterator[Left]:
        """What was left here longer ago than this, by attempts and by steps; what does not look like ours is passed over."""
        for tenant, job, of in self.place.left("", older_than_s):
            if tenant.isdecimal() and (of.isdecimal() or of == _STEPS):
                yield Left(int(tenant), job, int(of) if of != _STEPS else None)


def _folder(attempt: Attempt) -> str:
    return f"{attempt.tenant}/{attempt.job}/{attempt.fence}"


def _step_key(tenant: int, file: StepFile) -> str:
    return f"{tenant}/{file.job}/{_STEPS}/{file.sha256}/{file.name}"


def _named(artifacts: Iterable[Artifact]) -> list[tuple[str, Artifact]]:
    named = dict[str, Artifact]()
    for artifact in artifacts:
        name, number = artifact.name, 2
        while name in named:
            name, number = f"{Path(artifact.name).stem}-{number}{Path(artifact.name).suffix}", number + 1
        named[name] = artifact
    return list(named.items())
