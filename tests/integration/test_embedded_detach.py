"""Programs that outlive whoever started them."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from agent_tools.embedded import (
    StartFailed,
    start_detached,
)

ROOT = Path(__file__).parents[2]
SEARCH = os.pathsep.join([str(ROOT), *(path for path in sys.path if path.endswith("site-packages"))])


DETACH = """
import signal, sys
from pathlib import Path
from agent_tools.embedded import start_detached
start_detached([sys.executable, "-c", sys.argv[1], sys.argv[2]], Path(sys.argv[3]))
print("started", flush=True)
signal.pause()
"""


DETACHED = """
import os, signal, sys
from pathlib import Path
print("detached speaks", file=sys.stderr, flush=True)
Path(sys.argv[1] + ".draft").write_text(str(os.getpid()))
Path(sys.argv[1] + ".draft").rename(sys.argv[1])
signal.pause()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path that every account can pass through, unlike tmp_path."""
    made = Path(tempfile.mkdtemp(prefix="bb-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


def eventually(happened: Callable[[], bool], within: float = 15) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if happened():
            return True
        time.sleep(0.02)
    return False


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("how", ["group", "tree"])
def test_a_detached_program_survives_its_starter(folder: Path, how: str) -> None:
    note, log = folder / "pid", folder / "log"
    command = [sys.executable, "-c", DETACH, DETACHED, str(note), str(log)]
    environment = {**os.environ, "PYTHONPATH": SEARCH}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True, env=environment
    ) as starter:
        assert starter.stdout
        assert starter.stdout.readline() == "started\n"
        assert eventually(note.exists)

        if how == "group":
            os.killpg(starter.pid, signal.SIGKILL)
        else:
            for process in [*psutil.Process(starter.pid).children(recursive=True), starter]:
                process.kill()

    detached = psutil.Process(int(note.read_text()))
    assert detached.status() != psutil.STATUS_ZOMBIE
    assert log.read_text() == "detached speaks\n"
    detached.kill()


def test_a_program_that_cannot_be_detached_is_reported(folder: Path) -> None:
    log = folder / "log"

    with pytest.raises(StartFailed, match=str(log)):
        start_detached(["/no/such/program"], log)

    assert "/no/such/program" in log.read_text()
    assert mode(log) == 0o600
