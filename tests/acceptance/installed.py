"""Whole installations, as people run them: each in a home of its own, from the command line."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BACKBURNER = str(Path(sys.executable).with_name("backburner"))


class Installation:
    """A home folder, and the commands run in it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.command: Sequence[str] = (BACKBURNER,)
        unset = ("DATABASE_URL", "REDIS_URL", "BACKBURNER_PORT")
        self.environment = {name: value for name, value in os.environ.items() if name not in unset} | {
            "BACKBURNER_HOME": str(home),
            "BACKBURNER_DRILLS": "1",
        }

    def run(self, *command: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """A command to its end, which must be good unless `check` is off."""
        ended = subprocess.run(
            [*self.command, *command], env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert not check or ended.returncode == 0, f"{command}: {ended.stdout}\n{ended.stderr}\n{self.log}"
        return ended

    def json(self, *command: str) -> Any:
        """What a command with --json prints."""
        return json.loads(self.run(*command, "--json").stdout)

    @property
    def runtime(self) -> Mapping[str, Any]:
        """What a running `up` says of itself."""
        said: dict[str, Any] = json.loads((self.home / "runtime.json").read_text())
        return said

    @property
    def token(self) -> str:
        """The local agent's token."""
        return (self.home / "token").read_text()

    @property
    def log(self) -> str:
        """What an `up` in the background wrote."""
        file = self.home / "logs" / "up.log"
        return file.read_text(errors="replace") if file.exists() else ""
