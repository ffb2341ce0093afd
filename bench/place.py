"""Where everything happens: private servers, a fresh database a time, worker processes."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path

import psycopg
import redis

from agent_tools.embedded import Home, Servers
from agent_tools.settings import Settings
from bench.handlers import KIND
from bench.probe import VARIABLE, Probe
from sql.migrate import migrate

ROOT = Path(__file__).parent.parent
SLOTS = 50_000


class Place:
    """Embedded Postgres and Valkey of one run, as `backburner up` sets them: fsync on, AOF every second."""

    def __init__(self, folder: Path, servers: Servers) -> None:
        self.folder, self._servers = folder, servers
        self.probe = Probe.made(folder / "probe", SLOTS)
        self._database, self._numbers = "migrated", count(1)
        self._admin = psycopg.connect(str(servers.database_url), autocommit=True)
        self._admin.execute("CREATE DATABASE migrated")
        migrate(self.database_url)
        # The kind that does nothing comes by entry point like any other, from a package that is only here.
        package = folder / "packages" / "backburner_bench-0.dist-info"
        package.mkdir(parents=True)
        (package / "METADATA").write_text("Metadata-Version: 2.1\nName: backburner-bench\nVersion: 0\n")
        (package / "entry_points.txt").write_text(f"[agent_tools.kinds]\n{KIND} = bench.handlers:bench_noop\n")

    @property
    def database_url(self) -> str:
        """The database of now."""
        return psycopg.conninfo.make_conninfo(str(self._servers.database_url), dbname=self._database)

    @property
    def redis_url(self) -> str:
        """Valkey's address."""
        return str(self._servers.redis_url)

    def fresh(self) -> None:
        """A new migrated database, an empty Valkey, an empty probe."""
        old, self._database = self._database, f"bench_{next(self._numbers)}"
        self._admin.execute(f"CREATE DATABASE {self._database} TEMPLATE migrated")
        if old != "migrated":
            self._admin.execute(f"DROP DATABASE {old} WITH (FORCE)")
        with redis.Redis.from_url(self.redis_url) as client:
            client.flushall()
        self.probe.clear()
        self.settle_down()

    def settle_down(self) -> None:
        """Write now what Postgres would write some time: not in the middle of somebody's measurement."""
        self._admin.execute("CHECKPOINT")

    def settings(self) -> Settings:
        """An installation on these servers."""
        return Settings(
            DATABASE_URL=self.database_url, REDIS_URL=self.redis_url, BACKBURNER_HOME=self.folder / "home",
            BACKBURNER_DRILLS=True,
        )  # fmt: skip

    def conditions(self) -> str:
        """What it was measured on, in a sentence."""
        shown = {
            name: self._admin.execute(f"SHOW {name}").fetchone()  # the names are ours
            for name in ("server_version", "fsync", "synchronous_commit")
        }
        with redis.Redis.from_url(self.redis_url) as client:
            valkey = client.info("server").get("valkey_version", "?")
        return (
            f"Python {sys.version.split()[0]}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before; Postgres "
            + ", ".join(f"{name} {row[0] if row else '?'}" for name, row in shown.items())
            + f"; Valkey {valkey}, AOF everysec; both on Unix sockets"
        )

    @contextmanager
    def worker(self, command: Sequence[str], environment: Mapping[str, str]) -> Iterator[None]:
        """A worker process, for the length of a `with` block."""
        its = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(self.folder / "packages"), os.environ.get("PYTHONPATH", "")]),
            "DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url,
            "BACKBURNER_HOME": str(self.folder / "home"), "BACKBURNER_KINDS": KIND,
            VARIABLE: str(self.folder / "probe"), **environment,
        }  # fmt: skip
        with (self.folder / "worker.log").open("ab") as log:
            process = subprocess.Popen([sys.executable, "-m", *command], cwd=ROOT, env=its, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def log_tail(self) -> str:
        """The last that workers said."""
        log = self.folder / "worker.log"
        return log.read_text(errors="replace")[-2000:] if log.exists() else ""

    def close(self) -> None:
        """Let go of the servers."""
        self._admin.close()


@contextmanager
def a_place() -> Iterator[Place]:
    """Servers of this run's own, gone with everything at the end."""
    with ExitStack() as stack:
        # As root, Postgres runs as another account, which must be able to pass.
        folder = Path(tempfile.mkdtemp(prefix="backburner-bench-"))
        folder.chmod(0o711)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        home = Home(folder / "home")
        stack.enter_context(home.hold())
        place = Place(folder, stack.enter_context(Servers(home)))
        stack.callback(place.close)
        yield place
