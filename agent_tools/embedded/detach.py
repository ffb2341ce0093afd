"""Programs that outlive whoever started them."""

import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

from agent_tools.embedded.errors import StartFailed
from agent_tools.embedded.home import saying_why

# A new session survives a killed process group; only an intermediate that is gone survives a client that kills the
# whole tree below it. It is a process of its own because forking twice here is not safe in a program with threads.
INTERMEDIATE = """
import os, subprocess, sys
quiet = subprocess.DEVNULL
started = subprocess.Popen(sys.argv[1:], stdin=quiet, stdout=quiet, start_new_session=True)
print(started.pid, flush=True)
os._exit(0)
"""


def start_detached(argv: list[str], log: Path) -> int:
    """Start a program that neither a killed process group nor a killed process tree takes along.

    Gives its process id when it has begun, not when it is ready; what it writes to stderr goes to the end of `log`. It keeps our
    environment and working directory. Raises StartFailed when it cannot be begun.
    """
    with saying_why(log.parent), _opened(log) as errors:
        begun = subprocess.run(
            [sys.executable, "-I", "-S", "-c", INTERMEDIATE, *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
            check=False,
        )
    if begun.returncode != 0:
        raise StartFailed(f"{argv[0]} could not be started. The end of {log} says why.")
    return int(begun.stdout)


def _opened(log: Path) -> BinaryIO:
    log.touch(0o600)
    return log.open("ab")
