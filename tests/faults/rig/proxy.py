"""A proxy in front of Postgres that can lose one reply, be slow or go silent: what a network does at the worst moment."""

import asyncio
import shutil
import tempfile
import threading
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

_SOCKET = ".s.PGSQL.5432"


class Proxy:
    """On a Unix socket of its own, in a thread of its own: a test's loop may wait for what passes through it."""

    def __init__(self, database_url: str) -> None:
        self._upstream = Path(str(conninfo_to_dict(database_url)["host"])) / _SOCKET
        self._folder = Path(tempfile.mkdtemp(prefix="bb-proxy-"))
        self.url = make_conninfo(database_url, host=str(self._folder))
        self.dropped: dict[str, int] = defaultdict(int)
        self.delay_s = 0.0
        """How much longer each message takes, in either direction."""
        self._to_drop: dict[str, int] = {}
        self._is_away = False
        self._loop = asyncio.new_event_loop()
        self._connections: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)

    def __enter__(self) -> "Proxy":
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()
        shutil.rmtree(self._folder)

    def drop_reply_to(self, verb: str, times: int = 1) -> None:
        """Let the next statement with this word be committed, and lose its reply with the connection."""
        self._to_drop[verb] = times

    def go_away(self) -> None:
        """Cut every connection and refuse new ones, while Postgres itself lives on."""
        self._is_away = True
        self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in self._connections])

    def come_back(self) -> None:
        self._is_away = False

    # ------------------------------------------------------------------------------------------------- in its thread

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_unix_server(self._accept, self._folder / _SOCKET)
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._connections.add(task)
        try:
            if not self._is_away:
                await self._pass_through(client, to_client)
        except (asyncio.CancelledError, OSError):
            pass  # cut by us, or Postgres is away
        finally:
            self._connections.discard(task)
            to_client.transport.abort()

    async def _pass_through(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_unix_connection(self._upstream)
        watch = _Conversation()
        both = [
            asyncio.create_task(self._requests(client, to_server, watch)),
            asyncio.create_task(self._replies(server, to_client, watch)),
        ]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            to_server.transport.abort()

    async def _requests(
        self, client: asyncio.StreamReader, to_server: asyncio.StreamWriter, watch: "_Conversation"
    ) -> None:
        size = int.from_bytes(head := await client.readexactly(4))
        to_server.write(head + await client.readexactly(size - 4))
        async for kind, message in _messages(client):
            if (asked := watch.asked(kind, message[5:])) and (verb := self._is_to_drop(asked)):
                watch.losing = verb
            await self._dawdle()
            to_server.write(message)
            await to_server.drain()

    async def _replies(
        self, server: asyncio.StreamReader, to_client: asyncio.StreamWriter, watch: "_Conversation"
    ) -> None:
        async for kind, message in _messages(server):
            if watch.losing is None:
                await self._dawdle()
                to_client.write(message)
                await to_client.drain()
            elif kind == b"Z":  # ready for the next: what was asked is committed
                self.dropped[watch.losing] += 1
                return

    async def _dawdle(self) -> None:
        if self.delay_s:
            await asyncio.sleep(self.delay_s)

    def _is_to_drop(self, asked: str) -> str | None:
        for verb, times in self._to_drop.items():
            if verb in asked and times:
                self._to_drop[verb] -= 1
                return verb
        return None


class _Conversation:
    """Which statement a connection executes: prepared ones are named by their text only once."""

    def __init__(self) -> None:
        self._texts: dict[bytes, str] = {}
        self.losing: str | None = None

    def asked(self, kind: bytes, body: bytes) -> str | None:
        """The text of what is executed now; None for other messages."""
        if kind == b"P":
            name, text, _ = body.split(b"\0", 2)
            self._texts[name] = text.decode()
        if kind == b"B":
            _, name, _ = body.split(b"\0", 2)
            return self._texts.get(name)
        return body.rstrip(b"\0").decode() if kind == b"Q" else None


async def _messages(stream: asyncio.StreamReader) -> AsyncIterator[tuple[bytes, bytes]]:
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = await stream.readexactly(5)
            yield head[:1], head + await stream.readexactly(int.from_bytes(head[1:]) - 4)
