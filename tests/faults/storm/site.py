"""An installation that may be hurt: servers, workers, a network between them, and a service outside."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import psycopg
import redis
from rig.book import Book
from rig.kinds import offering
from rig.processes import ROOT, environment
from rig.proxy import Proxy
from rig.receiver import Receiver

from agent_tools.embedded import Home, Servers
from agent_tools.settings import Settings
from sql.migrate import migrate
from storm import work
from storm.crew import Crew

LEASE_S = 2.0
SWEEP_S = 0.2
OTHER = "other"
"""The name of a second tenant."""
_WATCHMAN = Path(__file__).with_name("watchman.sql")


class Site:
    """Everything that a fault can reach."""

    def __init__(self, folder: Path, servers: Servers, proxy: Proxy, receiver: Receiver) -> None:
        self.folder, self.servers, self.proxy, self.receiver = folder, servers, proxy, receiver
        self.home = Home(folder / "home")
        self.temporary = folder / "tmp"
        self.settings = Settings(
            DATABASE_URL=servers.database_url,
            REDIS_URL=servers.redis_url,
            BACKBURNER_HOME=folder / "home",
            BACKBURNER_DRILLS=True,
            BACKBURNER_LEASE_S=LEASE_S,
            BACKBURNER_SWEEP_S=SWEEP_S,
        )
        self.far_settings = self.settings.model_copy(update={"database_url": proxy.url})
        self.book = Book(self.settings.database_url)
        self.valkey = redis.Redis.from_url(self.settings.redis_url)
        self._modules = {
            1: offering(folder, "storm_now", {kind.name: f"storm.work:{kind.name.removeprefix('storm_')}" for kind in work.KINDS}),
            2: offering(folder, "storm_next", {kind.name: f"storm.work_next:{kind.name.removeprefix('storm_')}" for kind in work.KINDS}),
        }  # fmt: skip
        for made in (self.temporary, folder / "logs"):
            made.mkdir()
        self.crew = Crew(self.near, self.far, folder / "logs")
        self.may_begin_again = asyncio.Event()
        """Cleared while a server that was stopped is to stay away."""
        self.may_begin_again.set()

    def near(self, version: int, max_jobs: int) -> dict[str, str]:
        return self._environment(self.settings, version, max_jobs)

    def far(self, version: int, max_jobs: int) -> dict[str, str]:
        return self._environment(self.far_settings, version, max_jobs)

    def _environment(self, settings: Settings, version: int, max_jobs: int) -> dict[str, str]:
        return environment(
            settings,
            BACKBURNER_KINDS=",".join(["drill", *(kind.name for kind in work.KINDS)]),
            BACKBURNER_MAX_JOBS=max_jobs,
            PYTHONPATH=os.pathsep.join(map(str, (self._modules[version], work.FOLDER, ROOT))),
            TMPDIR=self.temporary,
        )

    async def begin_servers_again(self) -> None:
        """For as long as the storm lasts, as `backburner up` does."""
        while True:
            await self.may_begin_again.wait()
            await asyncio.to_thread(self.servers.restart_dead)
            await asyncio.sleep(0.1)

    # ------------------------------------------------------------------------------------------------------ servers

    @property
    def postmaster(self) -> psutil.Process:
        return psutil.Process(int((self.home.postgres / "postmaster.pid").read_text().split()[0]))

    def postgres_processes(self) -> list[psutil.Process]:
        """The postmaster first."""
        return [self.postmaster, *self.postmaster.children(recursive=True)]

    def signal_postgres(self, number: signal.Signals) -> None:
        """To all of its processes: a stopped postmaster alone stops nobody."""
        for process in self.postgres_processes():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)

    def signal_valkey(self, number: signal.Signals) -> None:
        os.kill(int(self.valkey.info("server")["process_id"]), number)

    def postgres_answers(self) -> bool:
        try:
            psycopg.connect(self.settings.database_url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def valkey_answers(self) -> bool:
        try:
            return bool(self.valkey.ping())
        except redis.RedisError:
            return False


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Site]:
    """A site with its servers running, and nobody who works there yet; nothing of it is left afterwards."""
    home = Home(folder / "home")
    with ExitStack() as stack:
        stack.enter_context(home.hold())
        servers = stack.enter_context(Servers(home))
        migrate(str(servers.database_url))
        with psycopg.connect(str(servers.database_url), autocommit=True) as connection:
            connection.execute(_WATCHMAN.read_bytes())
            connection.execute("WITH made AS (INSERT INTO backburner.tenants (name) VALUES (%s) RETURNING id)"
                               " INSERT INTO backburner.principals (tenant_id, name, role) SELECT id, 'agent', 'person' FROM made", (OTHER,))  # fmt: skip
        proxy = stack.enter_context(Proxy(str(servers.database_url)))
        receiver = stack.enter_context(Receiver())
        site = Site(folder, servers, proxy, receiver)
        keeping = asyncio.create_task(site.begin_servers_again())
        try:
            yield site
        finally:
            site.crew.end()
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
            site.book.close()
            site.valkey.close()
