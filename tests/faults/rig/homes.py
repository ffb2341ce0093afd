"""Whole installations in a home of their own, run as from a shell, and everything that works in them."""

import os
import subprocess
import sys

import psutil  # type: ignore[import-untyped]

from agent_tools.embedded import Home
from rig.processes import ROOT

BACKBURNER = [sys.executable, "-m", "agent_tools.cli"]


def processes_of(home: Home) -> set[int]:
    """Whatever works in or for this home."""
    return {process.pid for process in psutil.process_iter() if _belongs(process, home)}


def _belongs(process: psutil.Process, home: Home) -> bool:
    try:
        if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        ours = process.environ().get("BACKBURNER_HOME") == str(home.path)
        return ours or any(str(home.path) in word for word in [*process.cmdline(), process.cwd()])
    except psutil.Error:
        return False


def environment_of(home: Home, **settings: object) -> dict[str, str]:
    """What a process of this installation is started with, and nothing of the shell's own settings."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    ours = {
        "BACKBURNER_HOME": home.path,
        "BACKBURNER_DRILLS": 1,
        "BACKBURNER_KINDS": "drill",
        "BACKBURNER_LEASE_S": 2,
        **settings,
    }
    return {**kept, **{name: str(value) for name, value in ours.items()}}


def backburner(home: Home, *words: str, **settings: object) -> str:
    """What a command says."""
    ended = subprocess.run(
        [*BACKBURNER, *words],
        env=environment_of(home, **settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()
