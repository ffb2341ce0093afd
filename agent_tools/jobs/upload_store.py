"""Where uploads lie: beside the artifacts, under uploads/tenant/id/name, never overwritten."""

from collections.abc import Iterator
from typing import NamedTuple

from agent_tools.jobs.places import Arriving, KeptFile, Place

_UPLOADS = "uploads"


class Kept(NamedTuple):
    """What is known of a file once it is all there."""

    name: str
    bytes: int
    sha256: str


class UploadStore:
    """Blocking: call it in a thread. A file is all there, for good, before the book names it."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def file(self, tenant: int, upload: str, name: str) -> KeptFile:
        """The file, or where it was."""
        return KeptFile(self.place, f"{_folder(tenant, upload)}/{name}")

    def begin(self, tenant: int, upload: str) -> "ArrivingUpload":
        """Make room for a file. Raises OSError."""
        folder = _folder(tenant, upload)
        return ArrivingUpload(self.place.begin(folder), folder)

    def free(self) -> int:
        """How many bytes there is room for."""
        return self.place.free()

    def remove(self, tenant: int, upload: str) -> None:
        """Delete an upload. What is not there is fine."""
        self.place.remove(_folder(tenant, upload))

    def left(self, older_than_s: float) -> Iterator[tuple[int, str]]:
        """(tenant, id) of what nobody has written to for this long, whole or not."""
        for _, tenant, upload in self.place.left(_UPLOADS, older_than_s):
            if tenant.isdecimal():
                yield int(tenant), upload


class ArrivingUpload:
    """An upload of which more comes, until `finish` or `give_up`."""

    def __init__(self, arriving: Arriving, folder: str) -> None:
        self._arriving, self._folder = arriving, folder

    @property
    def size(self) -> int:
        """How much has come."""
        return self._arriving.size

    def write(self, data: bytes) -> None:
        """Take some more of it. Raises OSError."""
        self._arriving.write(data)

    def finish(self, name: str) -> Kept:
        """See it kept under its name. Raises OSError, StoreUnavailable."""
        self._arriving.finish(f"{self._folder}/{name}")
        return Kept(name, *self._arriving.written())

    def give_up(self) -> None:
        """Leave nothing of it behind."""
        self._arriving.give_up()


def _folder(tenant: int, upload: str) -> str:
    return f"{_UPLOADS}/{tenant}/{upload}"
