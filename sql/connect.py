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

from agent_tools.jobs.errors import BackburnerError, BadRequest, BookUnavailable, Conflict, NotNow, Unstorable
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
    given = str(parsed(url).get("options") or "")
    options = " ".join([given, *(f"-c {name}={value}" for name, value in settings.items())]).strip()
    return make_conninfo(url, options=options, connect_timeout="5", application_name=role)


def parsed(url: str) -> dict[str, Any]:
    """What the address says. Raises BookUnavailable, which does not repeat it: it may carry a password."""
    try:
        return dict(conninfo_to_dict(url))
    except psycopg.ProgrammingError:
        raise BookUnavailable(
            "DATABASE_URL is no address of a Postgres. Write it as postgresql://user:password@host:5432/database."
        ) from None


@asynccontextmanager
async def open_pool(url: str, role: str, *, size: int = 8) -> AsyncIterator[Pool]:
    """A pool of autocommit connections as `role`, closed at the end.

    Raises BookUnavailable where there is no server, or its schema is not this version's.
    """

    async def refuse_a_closed_one(connection: AsyncConnection) -> None:
        if _has_farewell(connection):
            await connection.close()  # else the pool takes it back, and gives it again
            await pool.drain()  # the others are no younger, and the pool pauses for longer after each
            raise psycopg.OperationalError("the server closed this connection while it was idle")

    pool: Pool = AsyncConnectionPool(
        conninfo(url, role),
        connection_class=AsyncConnection,
        kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},
        min_size=1,
        max_size=size,
        timeout=5,
        reconnect_timeout=5,
        check=refuse_a_closed_one,
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


async def read_as(
    pool: Pool, tenant: int, text: str, parameters: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """What one statement gives a door of this tenant."""
    # One round trip: a pipeline without BEGIN is one implicit transaction, so the setting is in force for the
    # SELECT and gone after it. A BEGIN … COMMIT block costs three times as much; a plain SET would leak.
    with failures():
        async with pool.connection() as connection:
            async with connection.pipeline():
                await connection.execute("SELECT set_config('app.tenant', %s, true)", (str(tenant),))
                cursor = await connection.execute(text, parameters)
            return await cursor.fetchall()


async def _check_schema(url: str, role: str) -> None:
    async with await AsyncConnection.connect(conninfo(url, role), row_factory=dict_row) as connection:
        row = await (await connection.execute("SELECT max(version) AS version FROM migrations")).fetchone()
    check_schema(row["version"] if row else None)


def _has_farewell(connection: AsyncConnection) -> bool:
    """A server that went away has left its farewell in the socket: seen without asking it anything."""
    socket = select.poll()  # not select(), which knows no more than 1,024 files
    socket.register(connection.pgconn.socket, select.POLLIN)
    return bool(socket.poll(0))


@contextmanager
def failures() -> Iterator[None]:
    """What Postgres refuses, as an error of ours."""
    try:
        yield
    except BackburnerError:
        raise
    except psycopg.Error as error:
        raise _as_ours(error) from error
    except UnicodeEncodeError as error:
        raise Unstorable("The text contains half of a surrogate pair, which is no text. Send valid Unicode.") from error
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
        case "BB004":
            return BadRequest(f"Nothing was created. after: there is no job {detail}. List the jobs to see yours.")
        case "42501" | "42P01" | "3F000" | "22023" | "42883":
            text = str(error).splitlines()[0]
            return BookUnavailable(
                f"The database is not as this version needs it ({text}). Run 'backburner migrate' with this DATABASE_URL."
            )
        case "25006":
            return BookUnavailable("Postgres is read-only just now; it may be switching over to another server.")
        case "54000":
            return Unstorable(f"The values are too large for the database: {str(error).splitlines()[0]}")
        case "XX000" if "cache lookup failed" in str(error):
            return BookUnavailable("The database's functions are just being replaced by a migration. Try again.")
    if isinstance(error, psycopg.DataError | psycopg.IntegrityError):
        return Unstorable(f"The database refused the values: {str(error).splitlines()[0]}")
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if "role" in text and "does not exist" in text:
            return BookUnavailable(f"The database has no Backburner roles yet ({text}). Run 'backburner migrate'.")
        if "permission denied to set role" in text:
            return BookUnavailable(
                f"This account may not act for Backburner yet ({text}). Run 'backburner migrate' with it."
            )
        return BookUnavailable(f"Postgres cannot be reached: {text}")
    return error


def jsonb(value: Mapping[str, Any]) -> Jsonb:
    """A verb's batch as its one argument."""
    return Jsonb(dict(value))
