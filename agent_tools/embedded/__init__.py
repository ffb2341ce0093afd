"""Postgres and Valkey as child processes, for one machine."""

from agent_tools.embedded.binaries import PostgresBinaries, find_postgres, find_redis
from agent_tools.embedded.detach import start_detached
from agent_tools.embedded.errors import BinariesMissing, EmbeddedError, HomeTaken, HomeUnusable, StartFailed
from agent_tools.embedded.home import Home, default_home
from agent_tools.embedded.postgres import Postgres
from agent_tools.embedded.runtime import Runtime
from agent_tools.embedded.servers import Servers
from agent_tools.embedded.valkey import Valkey

__all__ = [
    "BinariesMissing",
    "EmbeddedError",
    "Home",
    "HomeTaken",
    "HomeUnusable",
    "Postgres",
    "PostgresBinaries",
    "Runtime",
    "Servers",
    "StartFailed",
    "Valkey",
    "default_home",
    "find_postgres",
    "find_redis",
    "start_detached",
]
