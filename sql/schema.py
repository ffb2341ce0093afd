"""What this version's schema is: the names it goes by, and the files it is made of."""

import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files

from agent_tools.jobs.errors import BookUnavailable

SCHEMA = "backburner"
OWNER, DOOR, HANDS = "backburner_owner", "backburner_door", "backburner_hands"
_FILE = re.compile(r"(\d{4})_\w+\.sql")


@dataclass(frozen=True)
class Migration:
    """A numbered file; version 0 is machine.sql, which is applied again whenever it differs."""

    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def migrations() -> list[Migration]:
    """The numbered files of this version, in order."""
    found = [
        Migration(int(named[1]), file.name, file.read_text(encoding="utf-8"))
        for file in files("sql").joinpath("migrations").iterdir()
        if (named := _FILE.fullmatch(file.name))
    ]
    return sorted(found, key=lambda migration: migration.version)


def machine() -> Migration:
    """machine.sql of this version."""
    return Migration(0, "machine.sql", files("sql").joinpath("machine.sql").read_text(encoding="utf-8"))


def check_schema(applied: int | None) -> None:
    """Raise BookUnavailable unless `applied`, the newest migration in force, is the newest that this version knows."""
    ours = migrations()[-1].version
    if applied is None or applied < ours:
        raise BookUnavailable(
            f"The database is at schema {applied or 0}, this version needs {ours}. Run 'backburner migrate'."
        )
    refuse_a_newer_schema(applied)


def refuse_a_newer_schema(applied: int) -> None:
    """Raise BookUnavailable where `applied` is newer than what this version knows."""
    ours = migrations()[-1].version
    if applied > ours:
        raise BookUnavailable(
            f"The database is at schema {applied}, this version of Backburner knows {ours}. "
            "Upgrade Backburner here (pip install -U backburner); a schema is never taken back."
        )
