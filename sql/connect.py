"""Connections to Postgres: as which role, with which limits, and what their failures mean."""

import select
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from agent_tools.jobs.errors import BackburnerError, BookUnavailable, Conflict, NotNow, Unstorable
from sql.schema import SCHEMA, check_schema

AsyncConnection = psycopg.AsyncConnection[DictRow]
Pool = AsyncConnectionPool[AsyncConnection]


def conninfo(url: str, role: str, *, statement_timeout_s: float = 30) -> str:
    """The connection string that takes `role` on connect.

    By `options`, because that survives DISCARD ALL and RESET ROLE; a plain SET ROLE leaks to the pool's next user.
    """
    settings = {
        "role": role,
        "search_path": f"{SCHEMA},pg_catalog",
        "timezone": "UTC",
        "statement_timeout": int(statement_timeout_s * 1000),
        "idle_in_transaction_session_timeout": 30_000,
    }
    given = str(conninfo_to_dict(url).get("options") or "")
    options = " ".join([given, *(f"-c {name}={value}" for name, value in settings.items())]).strip()
    return make_conninfo(url, options=options, connect_timeout="5", application_name=role)


@asynccontextmanager
async def open_pool(url: str, role: str, *, size: int = 8) -> AsyncIterator[Pool]:
    """A pool of autocommit connections as `role`, closed at the end.

    Raises BookUnavailable where there is no server, or its schema is not this version's.
    """
    pool: Pool = AsyncConnectionPool(
        conninfo(url, role),
        connection_class=AsyncConnection,
        kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},
        min_size=1,
        max_size=size,
        timeout=5,
        reconnect_timeout=5,
        check=_refuse_a_closed_one,
        open=False,
    )
    with failures():
        try:
            # One connection by hand first: the pool would try for long and then say only that time is up.
            await _check_schema(url, role)
            await pool.open()
            yield pool
        finally:
            await pool.close()


async def _check_schema(url: str, role: str) -> None:
    async with await AsyncConnection.connect(conninfo(url, role), row_factory=dict_row) as connection:
        row = await (await connection.execute("SELECT max(version) AS version FROM migrations")).fetchone()
    check_schema(row["version"] if row else None)


async def _refuse_a_closed_one(connection: AsyncConnection) -> None:
    """A server that went away has left its farewell in the socket: seen without asking it anything."""
    if select.select([connection.pgconn.socket], [], [], 0)[0]:
        raise psycopg.OperationalError("the server closed this connection while it was idle")


@contextmanager
def failures() -> Iterator[None]:
    """What Postgres refuses, as an error of ours."""
    try:
        yield
    except BackburnerError:
        raise
    except psycopg.Error as error:
        raise _as_ours(error) from error
    except PoolTimeout as error:
        raise BookUnavailable("Postgres gave no connection within 5 s. It may be restarting or overloaded.") from error


def _as_ours(error: psycopg.Error) -> Exception:
    detail = (error.diag.message_detail or "").strip() if error.sqlstate else ""
    match error.sqlstate:
        case "BB001":
            return Conflict(
                f"The idempotency key '{detail}' was used before, for another request. Use a new key, or send the same request."
            )
        case "BB002":
            return NotNow(f"Only a job that has ended can be redone; this one has not: {detail}. Cancel it first.")
        case "BB003":
            return NotNow(f"There is no move {detail} to undo: it was undone before, or never made.")
        case "42501" | "42P01" | "3F000" | "22023" | "42883":
            text = str(error).splitlines()[0]
            return BookUnavailable(
                f"The database is not as this version needs it ({text}). Run 'backburner migrate' with this DATABASE_URL."
            )
    if isinstance(error, psycopg.DataError | psycopg.IntegrityError):
        return Unstorable(f"The database refused the values: {str(error).splitlines()[0]}")
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if "role" in text and "does not exist" in text:
            return BookUnavailable(f"The database has no Backburner roles yet ({text}). Run 'backburner migrate'.")
        return BookUnavailable(f"Postgres cannot be reached: {text}")
    return error


def jsonb(value: Mapping[str, Any]) -> Jsonb:
    """A verb's batch as its one argument."""
    return Jsonb(dict(value))
