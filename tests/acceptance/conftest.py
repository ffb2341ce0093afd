"""An installation for each test, and patience with it."""

import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from installed import Installation


@pytest.fixture
def installation() -> Iterator[Installation]:
    """One that nothing runs in yet; whatever runs in it afterwards is ended."""
    folder = Path(tempfile.mkdtemp(prefix="backburner-acceptance-"))
    folder.chmod(0o711)
    made = Installation(folder / "home")
    yield made
    made.run("stop", check=False)
    with contextlib.suppress(OSError, ValueError, KeyError):
        os.kill(made.runtime["pid"], signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Wait until something is so, for half a minute at most."""

    def wait(is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 30
        while not is_so():
            assert time.monotonic() < deadline, "it did not come about within 30 s"
            time.sleep(0.05)

    return wait
