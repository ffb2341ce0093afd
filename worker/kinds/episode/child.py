"""A process of its own for what cannot be stopped otherwise, or must not be trusted with ours: both ends of it."""

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from agent_tools.settings import Settings

MOST_OF_A_WORD = 8 << 20
_OURS = frozenset(str(field.alias) for field in Settings.model_fields.values())
"""What it has no business to know."""

Word = Mapping[str, Any]


class Ended(Exception):
    """The process ended otherwise than it should."""


async def run(module: str, given: Word, hear: Callable[[Word], None], *, log: Path, within_s: float) -> None:
    """Start a module of this package with what it is given, and hear each word that it says until it ends.

    It ends with us, whatever becomes of us. Raises Ended with the last line of its log, and TimeoutError.
    """
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=file,
            limit=MOST_OF_A_WORD,
            env={name: value for name, value in os.environ.items() if name not in _OURS},
            start_new_session=True,
        )
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        raise AssertionError("as asked for")
    try:
        async with asyncio.timeout(within_s):
            stdin.write(json.dumps(given).encode() + b"\n")  # and left open: its end is how it learns of ours
            with suppress(ConnectionError):
                await stdin.drain()
            async for line in stdout:
                hear(json.loads(line))
            await process.wait()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if process.returncode:
        said = (await asyncio.to_thread(log.read_text, errors="replace")).strip().rpartition("\n")[2]
        raise Ended(
            f"signal {-process.returncode}" if process.returncode < 0 else said[:300] or f"code {process.returncode}"
        )


# ------------------------------------------------------------------------------------------------ in the process itself


def begin() -> tuple[dict[str, Any], Callable[..., None]]:
    """What was given, and how to say a word. Ends this process when the one that started it does.

    Whatever else is printed goes to the log.
    """
    out: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    given: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def say(**word: Any) -> None:
        out.write(json.dumps(word) + "\n")
        out.flush()

    return given, say


def _end_with_parent() -> None:
    while os.read(0, 1):  # not by sys.stdin: its lock, held at the end, would abort this process
        pass
    os._exit(0)
