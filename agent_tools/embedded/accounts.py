"""The account that Postgres runs as, since it refuses to run as root."""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from agent_tools.embedded.errors import StartFailed


@dataclass(frozen=True)
class Account:
    """An account of this machine."""

    name: str
    uid: int
    gid: int

    def can_enter(self, folder: Path) -> bool:
        """Whether the account gets to this folder, or may run this program: asked of the system, not computed."""
        probe = ["/bin/sh", "-c", 'test -x "$0"', str(folder)]
        ended = subprocess.run(probe, user=self.uid, group=self.gid, extra_groups=[], cwd="/", check=False)
        return ended.returncode == 0


def account_for(data: Path) -> Account | None:
    """The account to drop to for this data folder; None when we are not root and stay who we are.

    A folder that exists keeps its owner, so that an account that appears later (a system Postgres) changes nothing.
    """
    if os.geteuid() != 0:
        _require_name(os.geteuid())
        return None
    owner = data.stat().st_uid if data.exists() else 0
    known = _by_uid(owner) if owner else None
    return known or _unprivileged()


def give(folder: Path, account: Account | None) -> None:
    """Make a folder and all in it the account's own."""
    if account is None or folder.stat().st_uid == account.uid:
        return
    for parent, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            os.chown(Path(parent, name), account.uid, account.gid, follow_symlinks=False)
    os.chown(folder, account.uid, account.gid)  # last: a walk cut short is begun again


def _unprivileged() -> Account:
    for name in ("postgres", "nobody"):
        try:
            return _account(pwd.getpwnam(name))
        except KeyError:
            continue
    raise StartFailed(
        "Postgres refuses to run as root, and this machine has no account `postgres` or `nobody` to run it as. "
        "Create one, run as another account, or set DATABASE_URL."
    )


def _by_uid(uid: int) -> Account | None:
    try:
        return _account(pwd.getpwuid(uid))
    except KeyError:
        return None


def _require_name(uid: int) -> None:
    if _by_uid(uid) is None:
        raise StartFailed(
            f"Postgres refuses to run as user id {uid}, because /etc/passwd does not know it. "
            "Add an entry for it, run as another account, or set DATABASE_URL."
        )


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
