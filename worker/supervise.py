"""Worker processes kept alive: started, seen to die, and started again."""

import asyncio
import logging
import os
import secrets
import signal
import socket
import sys
import time
from contextlib import suppress

from agent_tools.jobs.errors import BookUnavailable
from agent_tools.settings import Settings
from sql.watch import WatchStore

log = logging.getLogger("backburner.supervise")

STOP_S = 30
_HEALTHY_S = 10
"""A process that lived this long is started again at once, others after a growing pause."""


class Supervisor:
    """Keeps `count` worker processes running until `stop`. They end with this process, however it ends."""

    def __init__(self, settings: Settings, count: int) -> None:
        self._settings, self._count = settings.attached(), count
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Keep them alive; returns when all have ended after `stop`."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._count):
                group.create_task(self._keep_one())

    def stop(self) -> None:
        """Ask every worker to give back what it runs and leave."""
        self._stopping.set()

    @property
    def pids(self) -> list[int]:
        """The processes of the workers that run now."""
        return [process.pid for process in self._processes.values()]

    async def _keep_one(self) -> None:
        pause_s = 0.0
        while not self._stopping.is_set():
            began = time.monotonic()
            code = await self._run_one()
            if self._stopping.is_set():
                return
            pause_s = 0.0 if time.monotonic() - began > _HEALTHY_S else min(max(pause_s * 2, 0.25), 10)
            log.warning("a worker ended with code %s; another one starts in %.1f s", code, pause_s)
            try:
                async with asyncio.timeout(pause_s):
                    await self._stopping.wait()
            except TimeoutError:
                pass

    async def _run_one(self) -> int:
        name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "worker", stdin=asyncio.subprocess.DEVNULL, env=os.environ | self._environment(name)
        )
        self._processes[name] = process
        try:
            code = await self._until_it_ends(process)
        finally:
            del self._processes[name]
        if code != 0:
            # We saw it die: nobody needs to wait for its leases to run out.
            await asyncio.to_thread(self._end_leases, name)
        return code

    async def _until_it_ends(self, process: asyncio.subprocess.Process) -> int:
        ended = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not ended.done():
            # Here and not in `stop`, which would miss a process that is just being started.
            with suppress(ProcessLookupError):
                process.terminate()
            await asyncio.wait({ended}, timeout=STOP_S)
        if not ended.done():
            log.error("worker process %d did not leave in %d s and is ended", process.pid, STOP_S)
            with suppress(ProcessLookupError):
                process.kill()
        return await ended

    def _end_leases(self, name: str) -> None:
        book = WatchStore(self._settings.database_url, statement_timeout_s=5)
        try:
            taken = book.reap_workers([name])
            log.warning("worker %s died with %d jobs; they begin again", name, len(taken))
        except BookUnavailable as error:
            log.warning("the leases of worker %s were left to run out: %s", name, error)
        finally:
            book.close()

    def _environment(self, name: str) -> dict[str, str]:
        return {
            "BACKBURNER_WORKER_NAME": name,
            "BACKBURNER_SUPERVISOR": str(os.getpid()),
            "BACKBURNER_HOME": str(self._settings.home),
            "DATABASE_URL": self._settings.database_url,
            "REDIS_URL": self._settings.redis_url,
        }


async def supervise(settings: Settings, count: int) -> None:
    """Keep `count` workers running until SIGTERM or SIGINT."""
    supervisor = Supervisor(settings, count)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.stop)
    await supervisor.run()
