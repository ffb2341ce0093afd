"""Everything on one machine: servers, schema and workers, until stopped; found by others, or started for them."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from agent_tools.app import Backburner
from agent_tools.embedded import Home, Runtime, Servers, StartFailed, start_detached
from agent_tools.jobs.errors import Misconfigured
from agent_tools.people import AGENT_SCOPES
from agent_tools.serve import Binding, serving
from agent_tools.settings import Settings
from sql.migrate import migrate
from worker.supervise import Supervisor

log = logging.getLogger("backburner.up")

READY_S = 60
STOP_S = 60
_GLANCE_S = 0.05


async def up(settings: Settings, workers: int, binding: Binding, on_ready: Callable[[Runtime, str], None]) -> None:
    """Run the installation of this home until SIGTERM or SIGINT.

    `on_ready` is called with a sign-in link when pages answer and a worker takes jobs. Raises HomeTaken where one runs
    already, HomeUnusable, BinariesMissing, BookUnavailable, Misconfigured for a port that is taken.
    """
    home = Home(settings.home)
    stopping = _stop_signals()
    with home.hold(), Servers(home, postgres=not settings.database_url, redis=not settings.redis_url) as servers:
        settings = settings.model_copy(
            update={
                "database_url": settings.database_url or servers.database_url,
                "redis_url": settings.redis_url or servers.redis_url,
            }
        )
        migrate(settings.database_url)
        async with serving(settings, binding) as http_url:
            supervisor = Supervisor(settings, workers)
            working = asyncio.create_task(supervisor.run())
            watching = asyncio.create_task(_restart_dead(servers))
            try:
                if not workers or await _first_worker(settings, supervisor, working, stopping):
                    runtime = Runtime(http_url, settings.database_url, settings.redis_url, os.getpid())
                    link = await _introduce(settings, home, http_url)
                    runtime.write(home)
                    on_ready(runtime, link)
                    await stopping.wait()
            finally:
                home.runtime.unlink(missing_ok=True)
                supervisor.stop()
                await working
                watching.cancel()


def running(settings: Settings) -> Runtime | None:
    """The `up` of this home; None when none is ready."""
    return Runtime.read(Home(settings.home))


def ensure_up(settings: Settings, say: Callable[[str], None], *, workers: int = 1) -> Settings:
    """Settings that reach a running installation: starts one in the background where none runs.

    Raises StartFailed with the end of its log.
    """
    if (settings.database_url and settings.redis_url) or running(settings):
        return settings.attached()
    home = Home(settings.home)
    home.make()
    started = None
    if not home.is_held():
        say(f"Starting Backburner in the background, in {home} ('backburner stop' ends it) …")
        command = [sys.executable, "-m", "agent_tools.cli", "up", "--workers", str(workers)]
        started = start_detached(command, _log_of(home))
    began = time.monotonic()
    while not running(settings):
        waited = time.monotonic() - began
        # It holds the home only after loading, which takes seconds on a cold disk. Another's start may have won.
        is_coming = home.is_held() or (_is_alive(started) if started else waited < 2)
        if waited > READY_S or not is_coming:
            said = "\n".join(_log_of(home).read_text(errors="replace").splitlines()[-10:])
            raise StartFailed(f"Backburner did not come up. The end of {_log_of(home)}:\n{said}")
        time.sleep(_GLANCE_S)
    return settings.attached()


def stop(settings: Settings) -> int | None:
    """End the running `up` and wait until it has ended. Gives its process id; None when none runs."""
    home = Home(settings.home)
    if not home.is_held():
        return None
    pid = home.owner()
    if pid is None:
        raise Misconfigured(f"{home} is in use by a process that has not said its id yet. Try again in a moment.")
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_S
    while home.is_held():
        if time.monotonic() > deadline:
            raise Misconfigured(f"Process {pid} was asked to stop {STOP_S} s ago and has not. Its log: {_log_of(home)}")
        time.sleep(_GLANCE_S)
    return pid


def _stop_signals() -> asyncio.Event:
    stopping, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stopping.set)
    return stopping


async def _restart_dead(servers: Servers) -> None:
    while True:
        await asyncio.sleep(1)
        try:
            servers.restart_dead()  # from this thread: the kernel ends a server with the thread that started it
        except StartFailed:
            log.exception("an embedded server does not come back; trying on")


async def _first_worker(
    settings: Settings, supervisor: Supervisor, working: "asyncio.Task[None]", stopping: asyncio.Event
) -> bool:
    """Wait until a worker of ours has announced itself; False when asked to stop before. Raises Misconfigured after a minute."""
    deadline = time.monotonic() + READY_S
    async with Backburner.open(settings) as backburner:
        while not any(worker.pid in supervisor.pids and worker.is_alive for worker in await backburner.workers()):
            if stopping.is_set():
                return False
            if working.done() or time.monotonic() > deadline:
                raise Misconfigured(f"No worker came up within {READY_S} s; the log above says why.")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GLANCE_S):
                    await stopping.wait()
    return True


async def _introduce(settings: Settings, home: Home, http_url: str) -> str:
    """A sign-in link for the owner; and once, the local agent's token.

    The token lies beside the data that it opens, readable to this account only.
    """
    async with Backburner.open(settings) as backburner:
        if not home.token.exists():
            secret = await backburner.people.add_token("local agent", AGENT_SCOPES)
            home.token.touch(0o600)
            home.token.write_text(secret)
        return f"{http_url}/sign-in?key={await backburner.people.sign_in_link(admin=True)}"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _log_of(home: Home) -> Path:
    return home.logs / "up.log"
