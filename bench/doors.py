"""Submitting over MCP/HTTP beside a bare tool call and a bare INSERT: `python -m bench.doors`."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from itertools import count
from typing import Any

import httpx2
import uvloop
from rich.console import Console

from bench.callers import INSERT, callers
from bench.figures import Figures, percentile
from bench.place import ROOT, Place, a_place

ROUNDS, CALLS, WARM = 5, 200, 20
VERSION = "2026-07-28"
BARE_TOOL, OVER_MCP = "bare tool call", "create_page over MCP"
_numbers = count(1)


async def measure(place: Place, figures: Figures) -> None:
    """A B C, then C B A."""
    place.fresh()
    mcp_port, bare_port = _free_port(), _free_port()
    environment = {
        "DATABASE_URL": place.database_url,
        "REDIS_URL": place.redis_url,
        "BACKBURNER_HOME": str(place.folder / "door"),
    }
    up = [sys.executable, "-m", "agent_tools.cli", "up", "--workers", "0", "--no-auth", "--port", str(mcp_port)]
    bare = [sys.executable, "-m", "bench.bare_tool", str(bare_port)]
    with _running(up, environment), _running(bare, {}):
        async with callers(place) as ways, _client(mcp_port) as door, _client(bare_port) as nothing:
            each: dict[str, Callable[[], Awaitable[Any]]] = {
                INSERT: ways.insert,
                BARE_TOOL: lambda: _call(nothing, "bare", {}),
                OVER_MCP: lambda: _call(door, "create_page", {"content": f"# Page {next(_numbers)}"}),
            }
            for turn in range(ROUNDS):
                for who in list(each)[:: 1 if turn % 2 == 0 else -1]:
                    took = [await _timed(each[who]) for _ in range(WARM + CALLS)][WARM:]
                    for share in (50, 99):
                        figure = figures.figure(f"submit, 1 caller, p{share}", "ms", bare=INSERT, arq=BARE_TOOL)
                        figure.add(who, percentile(took, share / 100) * 1000)


async def _timed(call: Callable[[], Awaitable[Any]]) -> float:
    began = time.perf_counter()
    await call()
    return time.perf_counter() - began


async def _call(client: httpx2.AsyncClient, tool: str, arguments: dict[str, Any]) -> None:
    meta = {
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    call = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": tool, "arguments": arguments, "_meta": meta},
    }
    headers = {"mcp-protocol-version": VERSION, "mcp-method": "tools/call", "mcp-name": tool}
    answer = (await client.post("/mcp", json=call, headers=headers)).json()
    if "error" in answer or answer["result"].get("isError"):
        raise RuntimeError(f"{tool}: {answer}")


@asynccontextmanager
async def _client(port: int) -> AsyncIterator[httpx2.AsyncClient]:
    headers = {"accept": "application/json, text/event-stream"}
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=30) as client:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with suppress(httpx2.TransportError):
                await client.get("/")
                break
            await asyncio.sleep(0.05)
        yield client


@contextmanager
def _running(command: list[str], environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | environment, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> None:
    """Measure and print."""
    figures, console = Figures(), Console()
    with a_place() as place:
        conditions = place.conditions()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(measure(place, figures))
    console.print(
        figures.table(
            f"{conditions}. Medians of {ROUNDS} rounds of {CALLS} calls; 'x arq' here stands beside the bare tool call."
        )
    )


if __name__ == "__main__":
    main()
