"""Bringing a database to this version's schema: forward only, one process at a time, safe to repeat."""

import logging
from contextlib import suppress

import psycopg
from psycopg import sql as pg

from agent_tools.jobs.errors import BookUnavailable
from sql.connect import failures, parsed
from sql.schema import DOOR, HANDS, OWNER, SCHEMA, Migration, machine, migrations, refuse_a_newer_schema

log = logging.getLogger("backburner.migrate")

ROLES = (OWNER, DOOR, HANDS)
_LOCK = 0x6261636B6275726E


def migrate(database_url: str) -> list[str]:
    """Apply what is missing and name it, oldest first; an empty list when the database was up to date.

    Raises BookUnavailable when the server cannot be reached, is older than 15, holds a newer schema, an applied
    file has changed since, or the account may neither make the roles nor take them.
    """
    with failures(), psycopg.connect(**{**parsed(database_url), "connect_timeout": 5}, autocommit=True) as connection:
        _check_server(connection)
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        make_roles(connection)
        _make_schema(connection)
        connection.execute(pg.SQL("SET ROLE {}").format(pg.Identifier(OWNER)))
        connection.execute(f"SET search_path = {SCHEMA}, pg_catalog")
        done = _apply(connection, migrations(), machine())
        _make_default_tenant(connection)
        return done


def _check_server(connection: psycopg.Connection) -> None:
    if connection.info.server_version < 150000:
        raise BookUnavailable(
            f"This is Postgres {connection.info.server_version // 10000}; Backburner needs 15 or newer."
        )


def make_roles(connection: psycopg.Connection) -> None:
    """Make the three roles and let this login take them. They belong to the cluster, not to the database.

    Raises BookUnavailable with the statements for an administrator, where this account may not.
    """
    present = {
        name for (name,) in connection.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", (list(ROLES),))
    }
    try:
        for role in ROLES:
            if role not in present:
                _make_role(connection, role)
            if not _may_take(connection, role):
                connection.execute(pg.SQL("GRANT {} TO CURRENT_USER").format(pg.Identifier(role)))
    except psycopg.errors.InsufficientPrivilege as error:
        raise BookUnavailable(_for_the_administrator(connection)) from error


def _make_role(connection: psycopg.Connection, role: str) -> None:
    # A migration of another database of this cluster may be faster.
    with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
        connection.execute(pg.SQL("CREATE ROLE {} NOLOGIN").format(pg.Identifier(role)))


def _may_take(connection: psycopg.Connection, role: str) -> bool:
    # Membership alone is not enough since Postgres 16: who creates a role gets ADMIN on it, not SET.
    right = "SET" if connection.info.server_version >= 160000 else "MEMBER"
    row = connection.execute("SELECT pg_has_role(current_user, %s, %s)", (role, right)).fetchone()
    return bool(row and row[0])


def _make_schema(connection: psycopg.Connection) -> None:
    if connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", (SCHEMA,)).rowcount:
        return
    try:
        connection.execute(f"CREATE SCHEMA {SCHEMA} AUTHORIZATION {OWNER}")
    except psycopg.errors.InsufficientPrivilege as error:
        raise BookUnavailable(_for_the_administrator(connection)) from error


def _for_the_administrator(connection: psycopg.Connection) -> str:
    login = pg.Identifier(connection.info.user).as_string(connection)
    missing = [
        f"CREATE ROLE {role} NOLOGIN;"
        for role in ROLES
        if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).rowcount
    ]
    return "\n".join(
        [
            f"The account {login} may not create what Backburner needs. Let an administrator of the database run, once:",
            "",
            *missing,
            f"GRANT {', '.join(ROLES)} TO {login};",
            f"CREATE SCHEMA IF NOT EXISTS {SCHEMA} AUTHORIZATION {OWNER};   -- in database {connection.info.dbname}",
            "",
            "Then run 'backburner migrate' again.",
        ]
    )


def _apply(connection: psycopg.Connection, known: list[Migration], the_machine: Migration) -> list[str]:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations (version int PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,"
        " applied_at timestamptz NOT NULL DEFAULT now())"
    )
    applied: dict[int, str] = dict(connection.execute("SELECT version, checksum FROM migrations").fetchall())
    refuse_a_newer_schema(max(applied, default=0))
    _refuse_a_changed_file(applied, known)
    wanted = [migration for migration in known if migration.version not in applied]
    if wanted or applied.get(0) != the_machine.checksum:
        wanted.append(the_machine)
    for migration in wanted:
        try:
            _apply_one(connection, migration)
        except psycopg.errors.InvalidFunctionDefinition:
            # A verb gives back other columns than before: that is the one thing that cannot be replaced in place.
            _apply_one(connection, migration, before=_DROP_VERBS)
        log.info("applied %s", migration.name)
    return [migration.name for migration in wanted]


_DROP_VERBS = """
DO $$
DECLARE
  verb regprocedure;
BEGIN
  FOR verb IN SELECT oid::regprocedure FROM pg_proc
               WHERE pronamespace = 'backburner'::regnamespace AND proname <> 'current_tenant' LOOP
    EXECUTE format('DROP FUNCTION %s', verb);
  END LOOP;
END $$;
"""


def _apply_one(connection: psycopg.Connection, migration: Migration, *, before: str = "") -> None:
    with connection.transaction():
        connection.execute((before + migration.text).encode())
        connection.execute(
            "INSERT INTO migrations (version, name, checksum) VALUES (%s, %s, %s)"
            " ON CONFLICT (version) DO UPDATE SET checksum = EXCLUDED.checksum, applied_at = now()",
            (migration.version, migration.name, migration.checksum),
        )


def _refuse_a_changed_file(applied: dict[int, str], known: list[Migration]) -> None:
    for migration in known:
        if applied.get(migration.version, migration.checksum) != migration.checksum:
            raise BookUnavailable(
                f"{migration.name} was applied to this database with other content. An applied migration is never "
                "edited: restore the file, or start with a new database."
            )


def _make_default_tenant(connection: psycopg.Connection) -> None:
    connection.execute("""
      WITH tenant AS (INSERT INTO tenants (name) VALUES ('default') ON CONFLICT DO NOTHING RETURNING id),
           person AS (INSERT INTO principals (tenant_id, name, role) SELECT id, 'owner', 'person' FROM tenant RETURNING tenant_id, id)
      INSERT INTO principals (tenant_id, name, role, person_id) SELECT tenant_id, 'agent', 'agent', id FROM person
    """)
