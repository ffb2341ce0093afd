"""A kept file as an answer: whole or in parts (Range), from wherever it lies."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.responses import FileResponse

from agent_tools.jobs.places import KeptFile


async def response(
    file: KeptFile, *, headers: Mapping[str, str], media_type: str, filename: str, disposition: str = "attachment"
) -> "KeptFileResponse":
    """The file, to be sent block by block. Raises OSError where it is gone, StoreUnavailable."""
    facts = await asyncio.to_thread(file.facts)
    modified = int(facts.modified.timestamp())
    known = os.stat_result((stat.S_IFREG, 0, 0, 1, 0, 0, facts.bytes, modified, modified, modified))
    return KeptFileResponse(
        file,
        headers=headers,
        media_type=media_type,
        filename=filename,
        stat_result=known,
        content_disposition_type=disposition,
    )


class KeptFileResponse(FileResponse):
    """Starlette's own, which knows ranges, reading from a place instead of a path."""

    chunk_size = 256 << 10

    def __init__(self, file: KeptFile, **options: Any) -> None:
        super().__init__(file.key, **options)
        self._kept = file

    @asynccontextmanager
    async def _open_file(self) -> AsyncIterator[Any]:
        yield _Reader(self._kept)


class _Reader:
    """As much of an open file as Starlette asks for."""

    def __init__(self, file: KeptFile) -> None:
        self._file = file
        self._blocks: Iterator[bytes] | None = None
        self._start, self._held = 0, b""

    async def seek(self, start: int) -> None:
        self._blocks, self._start, self._held = None, start, b""

    async def read(self, size: int) -> bytes:
        """So many bytes; fewer only at the end."""
        while len(self._held) < size and (block := await asyncio.to_thread(self._next)):
            self._held += block
        data, self._held = self._held[:size], self._held[size:]
        return data

    def _next(self) -> bytes:
        self._blocks = self._blocks or self._file.blocks(self._start)
        return next(self._blocks, b"")
