"""A bucket of an object store (S3 and what speaks like it, GCS, Azure) as the place of files."""

import errno
import hashlib
import logging
import os
import re
import secrets
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from http import HTTPStatus
from pathlib import Path
from threading import Lock

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import ObjectStore, from_url

from agent_tools.jobs.artifacts import Artifact, blocks_in
from agent_tools.jobs.errors import StoreRefused, StoreUnavailable
from agent_tools.jobs.places import Facts, Written

log = logging.getLogger("backburner.store")

PART = 8 << 20
"""What is larger is sent in parts of this size."""
_AT_ONCE = 4
_BLOCKS = (256 << 10, 1 << 20, 4 << 20)
"""How much is read at a time: little at first, for whoever wants no more. A request never lasts as long as its reader."""
LOOKED_AT = 20_000
"""How many files `left` looks at before it goes on another time."""
_SOON_S = 2.0
_REMEMBERED_BYTES = 32_000_000
_RETRIES = {
    "max_retries": 3,
    "retry_timeout": timedelta(seconds=20),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2), "base": 2},
}
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT", "AZURE_STORAGE_ENDPOINT")
_STATUS = re.compile(r"status(?: code)?:? (\d{3})")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_BUSY = (408, 409, 425, 429)


class Bucket:
    """Credentials and endpoint come from the environment, as obstore reads it. Nothing is asked before it is needed."""

    def __init__(self, url: str, spool: Path) -> None:
        self.url, self.spool = url.rstrip("/"), spool
        self._knows_conditions = True
        self._after: dict[str, str | None] = {}
        self._remembered: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._remembered_bytes = 0
        self._lock = Lock()

    def write(self, folder: str, files: Sequence[tuple[str, Artifact]]) -> list[Written]:
        """Keep these under their names in one folder. Raises FileExistsError where another file has such a name."""
        if not files:
            return []
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(lambda each: self._write(f"{folder}/{each[0]}", each[1]), files))

    def begin(self, folder: str, near: Path | None = None) -> "ArrivingInBucket":
        """Make room for a file on this machine: it is sent when it is all there."""
        return ArrivingInBucket(self, near)

    def facts(self, key: str) -> Facts:
        """What is known of a file. Raises FileNotFoundError."""
        with self._asking(key):
            found = obstore.head(self._store, key)
        return Facts(found["size"], found["last_modified"])

    def blocks(self, key: str, start: int = 0) -> Iterator[bytes]:
        """What is in a file, from there on. Raises FileNotFoundError."""
        size, sizes = self.facts(key).bytes, iter(_BLOCKS)
        length = _BLOCKS[0]
        while start < size:
            length = next(sizes, length)
            with self._asking(key):
                block = bytes(obstore.get_range(self._store, key, start=start, end=min(start + length, size)))
            start += len(block)
            yield block

    def beginnings(self, keys: Sequence[str], most: int) -> list[bytes]:
        """At most so many bytes of each; nothing of those that do not come within two seconds. They are remembered."""
        unknown = [key for key in dict.fromkeys(keys) if (key, most) not in self._remembered]
        if unknown:
            pool = ThreadPoolExecutor(min(len(unknown), 16))
            wait([pool.submit(self._remember, key, most) for key in unknown], timeout=_SOON_S)
            pool.shutdown(wait=False, cancel_futures=True)
        return [self._remembered.get((key, most), b"") for key in keys]

    def local(self, key: str, near: Path) -> Path:
        """The path of a copy below `near`. Raises FileNotFoundError."""
        path = near / key
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f".{secrets.token_hex(8)}")
            try:
                with part.open("xb") as file:
                    file.writelines(self.blocks(key))
                part.chmod(0o400)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
        return path

    def remove(self, folder: str) -> None:
        """Delete everything in the folder. What is not there is fine, what cannot be deleted now is found by `left`."""
        try:
            with self._asking(), suppress(FileNotFoundError):
                for lot in obstore.list(self._store, folder, chunk_size=1000):
                    obstore.delete(self._store, [each["path"] for each in lot])
        except StoreUnavailable as error:
            log.warning("%s is to be deleted later: %s", self.address(folder), error)

    def left(self, under: str, older_than_s: float) -> Iterator[tuple[str, str, str]]:
        """Some folders that nobody has written to for so long; the next time, those that come after them."""
        limit = datetime.now(UTC) - timedelta(seconds=older_than_s)
        newest: dict[tuple[str, ...], datetime] = {}
        looked_at, last = 0, None
        with self._asking():
            for lot in obstore.list(
                self._store, under or None, offset=self._after.get(under), chunk_size=min(LOOKED_AT, 1000)
            ):
                for found in lot:
                    folder = tuple(found["path"].split("/")[:-1])[:3]
                    newest[folder] = max(newest.get(folder, found["last_modified"]), found["last_modified"])
                looked_at += len(lot)
                if looked_at >= LOOKED_AT:
                    last = lot[-1]["path"]
                    break
        self._after[under] = last
        for folder, modified in newest.items():
            if len(folder) == 3 and modified < limit:
                yield folder[0], folder[1], folder[2]

    def free(self) -> int:
        """How many bytes the disk has room for on which files arrive."""
        nearest = next(each for each in (self.spool, *self.spool.parents) if each.exists())
        return shutil.disk_usage(nearest).free

    def address(self, key: str) -> str:
        """The file's address in the store."""
        return f"{self.url}/{key}"

    def test(self) -> None:
        """Write a file, read it and delete it. Raises StoreUnavailable, StoreRefused."""
        key = f".test-{secrets.token_hex(8)}"
        self.put(key, lambda: iter((b"test",)), 4)
        with self._asking():
            obstore.get(self._store, key).bytes()
            obstore.delete(self._store, key)

    def put(self, key: str, source: Callable[[], Iterator[bytes]], size: int) -> Written:
        """Send a file, all of it or nothing. Raises FileExistsError where something lies there already."""
        if size <= PART:
            data = b"".join(source())
            with self._asking():
                self._put_new(key, data)
            return Written(len(data), hashlib.sha256(data).hexdigest())
        # No store makes a file of parts only where there is none: two who look at once are two tries of one attempt.
        with suppress(FileNotFoundError):
            self.facts(key)
            raise FileExistsError(f"{self.address(key)} is there already.")
        told = _Told()
        with self._asking():
            obstore.put(self._store, key, told.of(source()), chunk_size=PART, max_concurrency=2)
        return told.written()

    def _put_new(self, key: str, data: bytes) -> None:
        if self._knows_conditions:
            try:
                obstore.put(self._store, key, data, mode="create", use_multipart=False)
                return
            except AlreadyExistsError as error:
                raise FileExistsError(f"{self.address(key)} is there already.") from error
            except (BaseError, NotImplementedError) as error:
                # Some stores know no conditions, and of some an operator says so.
                if not isinstance(error, NotImplementedError) and _status(error) != HTTPStatus.NOT_IMPLEMENTED:
                    raise
                self._knows_conditions = False
        with suppress(FileNotFoundError):
            obstore.head(self._store, key)
            raise FileExistsError(f"{self.address(key)} is there already.")
        obstore.put(self._store, key, data, use_multipart=False)

    def _write(self, key: str, artifact: Artifact) -> Written:
        size = artifact.path.stat().st_size if artifact.path else len(artifact.data or b"")
        try:
            return self.put(key, partial(blocks_in, artifact), size)
        except FileExistsError:
            # A try before this one may have come through, and only its reply was lost.
            told, there = _Told(), _Told()
            for _ in told.of(blocks_in(artifact)):
                pass
            for _ in there.of(self.blocks(key)):
                pass
            if told.written() != there.written():
                raise
            return told.written()

    def _remember(self, key: str, most: int) -> None:
        # What is away now may be there the next time; what is empty cannot be read from its first byte on.
        with suppress(BaseError, FileNotFoundError):
            data = bytes(obstore.get_range(self._store, key, start=0, end=most))
            with self._lock:
                self._remembered_bytes += len(data) - len(self._remembered.get((key, most), b""))
                self._remembered[key, most] = data
                while self._remembered_bytes > _REMEMBERED_BYTES:
                    self._remembered_bytes -= len(self._remembered.popitem(last=False)[1])

    @cached_property
    def _store(self) -> ObjectStore:
        plain = any(os.environ.get(name, "").startswith("http://") for name in _ENDPOINTS)
        options = {"connect_timeout": "5s", "timeout": "2m"} | ({"allow_http": True} if plain else {})
        try:
            return from_url(self.url, client_options=options, retry_config=_RETRIES)  # type: ignore[call-overload,no-any-return]
        except (BaseError, ValueError) as error:
            raise StoreRefused(f"{self.url} cannot be used as it is set up: {_first_line(error)}") from error

    @contextmanager
    def _asking(self, key: str = "") -> Iterator[None]:
        """The store's own errors become ours."""
        try:
            yield
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise StoreRefused(
                    f"There is no bucket {self.url}. Create it, or mend BACKBURNER_ARTIFACTS_URL."
                ) from error
            if "NoSuchUpload" in str(error):
                raise StoreUnavailable(f"{self.url} lost the parts of a file. Try again.") from error
            raise FileNotFoundError(errno.ENOENT, "No such file", self.address(key)) from None
        except (BaseError, NotImplementedError, ValueError) as error:
            raise self._ours(error) from error

    def _ours(self, error: Exception) -> StoreUnavailable:
        said = str(error)
        status = _status(error)
        code = next(iter(_CODE.findall(said)), "") or (f"HTTP {status}" if status else "no answer")
        log.info("%s: %s", self.url, _first_line(error))
        if "169.254." in said or "metadata.google" in said:  # where a machine's role would be asked for
            return StoreRefused(
                f"Nothing says who asks {self.url}: set credentials, for S3 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
            )
        if isinstance(error, PermissionDeniedError | UnauthenticatedError) or status in (401, 403):
            return StoreRefused(
                f"{self.url} denies access ({code}). Check the credentials, and that they may write, read, list and delete."
            )
        if isinstance(error, ValueError | NotImplementedError) or (400 <= status < 500 and status not in _BUSY):
            return StoreRefused(
                f"{self.url} refuses what is asked of it ({code}). Check BACKBURNER_ARTIFACTS_URL, the region and the endpoint."
            )
        return StoreUnavailable(f"{self.url} cannot be reached or is busy ({code}). Try again in a moment.")


class ArrivingInBucket:
    """A file that gathers on this machine and is then sent. What ends this process leaves nothing of it."""

    def __init__(self, place: Bucket, near: Path | None) -> None:
        self._place, self._near = place, near
        folder = near or place.spool
        folder.mkdir(parents=True, exist_ok=True)
        self._part = folder / f".part-{secrets.token_hex(8)}" if near else None
        # Without a name where nobody reads it here: the file system itself forgets it.
        self._file = self._part.open("x+b") if self._part else tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self._told = _Told()

    @property
    def size(self) -> int:
        """How much has come."""
        return self._told.size

    def write(self, data: bytes) -> None:
        """Take some more of it. Raises OSError."""
        self._file.write(data)
        self._told.hear(data)

    def take(self, artifact: Artifact) -> None:
        """Take all of it at once. Raises OSError."""
        for block in blocks_in(artifact):
            self.write(block)

    def written(self) -> Written:
        """What has come, when it is all there."""
        return self._told.written()

    def finish(self, key: str) -> None:
        """Send it, unless it lies there already. Raises OSError, StoreUnavailable."""
        self._file.flush()
        with suppress(FileExistsError):
            self._place.put(key, self._blocks, self.size)
        self._file.close()
        if self._part and self._near:
            copy = self._near / key
            copy.parent.mkdir(parents=True, exist_ok=True)
            self._part.chmod(0o400)
            self._part.replace(copy)

    def give_up(self) -> None:
        """Leave nothing of it behind."""
        with suppress(OSError):
            self._file.close()
        if self._part:
            self._part.unlink(missing_ok=True)

    def _blocks(self) -> Iterator[bytes]:
        self._file.seek(0)
        while block := self._file.read(1 << 20):
            yield block


def _first_line(error: Exception) -> str:
    return str(error).partition("\n\nDebug source")[0]


def _status(error: Exception) -> int:
    """The HTTP status that an error of the store tells of; 0: none."""
    return next(map(int, _STATUS.findall(str(error))), 0)


class _Told:
    """Size and digest of what goes by."""

    def __init__(self) -> None:
        self._digest, self.size = hashlib.sha256(), 0

    def of(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self.hear(block)
            yield block

    def hear(self, block: bytes) -> None:
        self._digest.update(block)
        self.size += len(block)

    def written(self) -> Written:
        return Written(self.size, self._digest.hexdigest())
