"""Where files lie under keys such as `1/0c3k9x2mq7f4w/7/deck.pptx`: a folder, or a bucket of an object store."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol

from agent_tools.jobs.artifacts import Artifact
from agent_tools.jobs.errors import Misconfigured

BUCKETS = ("s3://", "gs://", "az://")


class Written(NamedTuple):
    """What is known of a file once it is all there."""

    bytes: int
    sha256: str


class Facts(NamedTuple):
    """What a place knows of a file that lies in it."""

    bytes: int
    modified: datetime


class Arriving(Protocol):
    """A file of which more comes, until `finish` or `give_up`."""

    @property
    def size(self) -> int:
        """How much has come."""

    def write(self, data: bytes) -> None:
        """Take some more of it. Raises OSError."""

    def take(self, artifact: Artifact) -> None:
        """Take all of it at once. Raises OSError."""

    def written(self) -> Written:
        """What has come, when it is all there."""

    def finish(self, key: str) -> None:
        """See it kept under its key, unless it lies there already."""

    def give_up(self) -> None:
        """Leave nothing of it behind."""


class Place(Protocol):
    """Blocking: call it in a thread. What was written stays, and is never written to again.

    A file that is not there is a FileNotFoundError. A bucket raises StoreUnavailable, a folder OSError.
    """

    def write(self, folder: str, files: Sequence[tuple[str, Artifact]]) -> list[Written]:
        """Keep these under their names in one folder; once this returns, whoever looks finds them. Raises FileExistsError.

        It may be called again with the same files where it broke off.
        """

    def begin(self, folder: str, near: Path | None = None) -> Arriving:
        """Make room for a file whose key is not known yet. What breaks off is found in `folder`, where it is found at all.

        `near` is as in `local`.
        """

    def facts(self, key: str) -> Facts:
        """What is known of a file. Raises FileNotFoundError."""

    def blocks(self, key: str, start: int = 0) -> Iterator[bytes]:
        """What is in a file, from there on. Raises FileNotFoundError."""

    def beginnings(self, keys: Sequence[str], most: int) -> list[bytes]:
        """At most so many bytes of each; nothing of those that cannot be had soon."""

    def local(self, key: str, near: Path) -> Path:
        """A path to read the file from: its own on this machine, else that of a copy below `near`. Raises FileNotFoundError."""

    def remove(self, folder: str) -> None:
        """Delete everything in the folder. What is not there is fine, what cannot be deleted now is found by `left`."""

    def left(self, under: str, older_than_s: float) -> Iterator[tuple[str, str, str]]:
        """Folders three levels deep, and below `under`, that nobody has written to for so long: not always all of them."""

    def free(self) -> int:
        """How many more bytes of a file that arrives there is room for."""

    def address(self, key: str) -> str:
        """Where the file is, for people: a path or an address."""

    def test(self) -> None:
        """Write a file, read it and delete it. Raises what hinders that."""


@dataclass(frozen=True)
class KeptFile:
    """A file that was kept, wherever that is. Blocking: call it in a thread."""

    place: Place
    key: str

    @property
    def address(self) -> str:
        """Where it is, for people: a path or an address."""
        return self.place.address(self.key)

    @property
    def path(self) -> Path:
        """Where it is on this machine. Raises Misconfigured where that is not a folder."""
        if "://" in self.address:
            raise Misconfigured(f"{self.address} is no file of this machine. Download it from its job's page.")
        return Path(self.address)

    def facts(self) -> Facts:
        """What is known of it. Raises FileNotFoundError, StoreUnavailable."""
        return self.place.facts(self.key)

    def blocks(self, start: int = 0) -> Iterator[bytes]:
        """What is in it, from there on. Raises FileNotFoundError, StoreUnavailable."""
        return self.place.blocks(self.key, start)

    def read(self) -> bytes:
        """All that is in it. Raises FileNotFoundError, StoreUnavailable."""
        return b"".join(self.blocks())

    def local(self, near: Path) -> Path:
        """A path to read it from, where need be of a copy below `near`. Raises FileNotFoundError, StoreUnavailable."""
        return self.place.local(self.key, near)


def place_of(url: str, spool: Path) -> Place:
    """The place of an address as BACKBURNER_ARTIFACTS_URL says it. `spool` takes what is on its way into a bucket."""
    if url.startswith(BUCKETS):
        from agent_tools.jobs.bucket import Bucket  # noqa: PLC0415  # brings a client that folders do not need

        return Bucket(url, spool)
    from agent_tools.jobs.folder import Folder  # noqa: PLC0415  # it knows this module

    return Folder(Path(url.removeprefix("file://")))
