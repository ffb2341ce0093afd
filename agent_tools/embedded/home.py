"""The folder that holds everything of one installation, and the lock that lets one process own it."""

import errno
import fcntl
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from agent_tools.embedded.errors import HomeTaken, HomeUnusable

LONGEST_SOCKET = 103  # bytes a socket's path may have on macOS; Linux takes 107
PLAIN_PATH = re.compile(r"[\w/.@:+=~ -]+")  # what postgres -k, arq's from_dsn and redis-py's from_url all read alike
REMEDY = "Set BACKBURNER_HOME to a folder that this account can write."
REASONS = {
    errno.EACCES: "this account has no permission for it",
    errno.EPERM: "this account has no permission for it",
    errno.EROFS: "it lies on a read-only file system",
    errno.ENOTDIR: "part of the path is a file, not a folder",
    errno.EEXIST: "it is a file, not a folder",
    errno.ENOSPC: "no space is left there",
    errno.EDQUOT: "the disk quota there is used up",
    errno.ENAMETOOLONG: "its name is too long",
    errno.ENOLCK: "its file system does not support locks",
    errno.EOPNOTSUPP: "its file system does not support locks",
}


def default_home() -> Path:
    """The folder to use when BACKBURNER_HOME is not set."""
    if os.geteuid() == 0:
        return Path("/var/lib/backburner")  # /root is closed to the account that Postgres drops to
    return Path(platformdirs.user_data_dir("backburner"))


@dataclass(frozen=True)
class Home:
    """The paths in a home folder; whether it exists is for `make` to see to."""

    path: Path

    def __post_init__(self) -> None:
        # Servers run with another working directory, so a relative path would mean two places.
        object.__setattr__(self, "path", self.path.expanduser().resolve())

    def __str__(self) -> str:
        return str(self.path)

    @property
    def postgres(self) -> Path:
        """Postgres's data folder."""
        return self.path / "postgres"

    @property
    def valkey(self) -> Path:
        """Valkey's data folder."""
        return self.path / "valkey"

    @property
    def logs(self) -> Path:
        """Where the servers write what they have to say."""
        return self.path / "logs"

    @property
    def artifacts(self) -> Path:
        """Where a single machine keeps what jobs make."""
        return self.path / "artifacts"

    @property
    def lock(self) -> Path:
        """The file whose lock says that somebody runs this home; it contains that process's id."""
        return self.path / "lock"

    @property
    def runtime(self) -> Path:
        """Where a running `backburner up` says how to reach it."""
        return self.path / "runtime.json"

    @property
    def token(self) -> Path:
        """The local agent's token."""
        return self.path / "token"

    @property
    def sockets(self) -> Path:
        """The servers' sockets: in the home folder, or in a private temporary folder where its path does not suit."""
        folders = self._socket_folders()
        return next(filter(_suits_sockets, folders), folders[-1])

    def make(self) -> None:
        """Create the folder and its sub-folders, closed to other people, and see that it can be written.

        Raises HomeUnusable. Folders that exist keep their mode, and so does everything above the home folder.
        """
        with saying_why(self.path):
            _make_folder(self.path, _passage_mode())
            self._open_passage()
            for private in (self.valkey, self.logs, self.artifacts):
                _make_folder(private, 0o700)
            _make_folder(self.sockets, _passage_mode())
            if self.sockets.parent != self.path:
                _refuse_strangers_folder(self.sockets)
            with tempfile.TemporaryFile(dir=self.path) as probe:
                probe.write(bytes(4096))

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Own the home folder for the length of the block, made first if need be; raises HomeTaken, HomeUnusable."""
        self.make()
        with saying_why(self.path):
            # Not inheritable: a server that outlives us must not keep the lock in our name.
            lock = os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._take(lock)
            os.truncate(lock, 0)
            os.pwrite(lock, str(os.getpid()).encode(), 0)
            self.runtime.unlink(missing_ok=True)  # what a killed owner left would be read as ours
            try:
                yield
            finally:
                self.runtime.unlink(missing_ok=True)
        finally:
            os.close(lock)

    def is_held(self) -> bool:
        """Whether some process, maybe this one, holds the home folder."""
        try:
            lock = os.open(self.lock, os.O_RDONLY)
        except (FileNotFoundError, NotADirectoryError):
            return False
        try:
            return not try_lock(lock, fcntl.LOCK_SH)
        finally:
            os.close(lock)

    def owner(self) -> int | None:
        """The process that holds the home folder, as it said itself; None when it has not said yet."""
        try:
            said = self.lock.read_text()
        except FileNotFoundError:
            return None
        return int(said) if said.isdigit() else None

    def _take(self, lock: int) -> None:
        # `is_held` takes the lock for an instant; that is not an owner.
        deadline = time.monotonic() + 0.3
        with saying_why(self.path):
            while not try_lock(lock, fcntl.LOCK_EX):
                if time.monotonic() > deadline:
                    raise self._taken()
                time.sleep(0.02)

    def _taken(self) -> HomeTaken:
        pid = self.owner()
        who = f"process {pid}" if pid else "another process"
        return HomeTaken(
            f"{self} is in use by {who}. End it with `backburner stop`, or set BACKBURNER_HOME to another folder.", pid
        )

    def _open_passage(self) -> None:
        """Let the account that Postgres drops to pass through a home folder that somebody made 0700."""
        ours = self.lock.exists() or not any(self.path.iterdir())  # else BACKBURNER_HOME=/root would open /root
        if os.geteuid() == 0 and ours:
            self.path.chmod(self.path.stat().st_mode & 0o7777 | 0o111)

    def _socket_folders(self) -> list[Path]:
        name = f"backburner-{os.geteuid()}-{hashlib.sha256(os.fsencode(self.path)).hexdigest()[:10]}"
        # /tmp, for where TMPDIR is as long as the home; `make` sees to it that the folder is ours.
        return [self.path / "sockets", Path(tempfile.gettempdir(), name), Path("/tmp", name)]  # noqa: S108


@contextmanager
def saying_why(folder: Path) -> Iterator[None]:
    """Turn a refusal of the file system into a HomeUnusable that a person can act on."""
    try:
        yield
    except OSError as error:
        reason = REASONS.get(error.errno or 0, error.strerror)
        at = f" ({error.filename})" if isinstance(error.filename, str) and error.filename != str(folder) else ""
        raise HomeUnusable(f"{folder} cannot be used as the home folder: {reason}{at}. {REMEDY}") from error


def try_lock(file: int, kind: int) -> bool:
    """Take a lock of this kind without waiting; False if somebody else has one in its way."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _passage_mode() -> int:
    # As root, Postgres runs as another account: it must get through, though it need not look around.
    return 0o711 if os.geteuid() == 0 else 0o700


def _make_folder(folder: Path, mode: int) -> None:
    """Make a folder and the missing ones above it with this mode; one that exists is left as it is."""
    if folder.is_dir():
        return
    _make_folder(folder.parent, mode)
    folder.mkdir(mode, exist_ok=True)
    folder.chmod(mode)  # whatever the umask


def _suits_sockets(folder: Path) -> bool:
    longest = folder / "postgres" / ".s.PGSQL.5432"
    return len(os.fsencode(longest)) <= LONGEST_SOCKET and PLAIN_PATH.fullmatch(str(folder)) is not None


def _refuse_strangers_folder(sockets: Path) -> None:
    """The name of a temporary folder can be guessed, so somebody may have put one there for us to trust."""
    found = sockets.lstat()
    if sockets.is_symlink() or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise HomeUnusable(
            f"{sockets}, where the sockets would be, does not belong to this account alone. "
            "Remove it, or set BACKBURNER_HOME to a shorter path."
        )
