"""The name=value pairs of a command line, and @file for what lies in a file."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Any, BinaryIO

from agent_tools.app import Backburner
from agent_tools.files import Sent
from agent_tools.jobs.errors import BadRequest


def arguments(pairs: list[str], files: Collection[str] = ()) -> dict[str, Any]:
    """name=value pairs; @file is the file's text, null is nothing, and what begins like a JSON list or object is one.

    Of those that take a file, @file is its path.
    """
    arguments: dict[str, Any] = {}
    for name, value in map(pair, pairs):
        if name in files and value.startswith("@"):
            arguments[name] = Path(value[1:])
            continue
        text = _read_file(name, value[1:]) if value.startswith("@") else value
        arguments[name] = None if value == "null" else text
        if not value.startswith("@") and text[:1] in ("[", "{"):
            try:
                arguments[name] = json.loads(text)
            except ValueError as error:
                raise BadRequest(f"{name}: begins like JSON, but is none: {error}.") from error
    return arguments


async def uploaded(backburner: Backburner, name: str, value: Any) -> Any:
    """What names the file, once it is uploaded; anything else as it is."""
    if not isinstance(value, Path):
        return value
    try:
        with value.open("rb") as file:
            sent = Sent(value.name, _chunks(file), bytes=os.fstat(file.fileno()).st_size)
            return (await backburner.keep_file(sent)).value
    except OSError as error:
        raise BadRequest(f"{name}: '{value}' cannot be read: {error.strerror}.") from error


async def _chunks(file: BinaryIO) -> AsyncIterator[bytes]:
    while chunk := await asyncio.to_thread(file.read, 1 << 20):
        yield chunk


def pair(text: str) -> tuple[str, str]:
    """`name=value`. Raises BadRequest for anything else."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise BadRequest(f"'{text[:60]}' is not name=value.")
    return name, value


def _read_file(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise BadRequest(f"{name}: '{path}' cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise BadRequest(f"{name}: '{path}' is no UTF-8 text.") from error
