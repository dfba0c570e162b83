"""Creates and upgrades the schemas and ops tables that Python writes; dbt makes everything else."""

from __future__ import annotations

from importlib import resources

import psycopg
from psycopg import errors, sql
from psycopg.rows import TupleRow

from orchestration.errors import LoyaltyError

SCHEMAS = ("raw", "ops")


def prepare(connection: psycopg.Connection[TupleRow]) -> list[str]:
    """Brings the warehouse's frame up to date, in one transaction; does nothing where it is.

    Migrations are the files of `warehouse/migrations`, applied in name order, each once.

    Args:
        connection: A connection to the warehouse, not inside a transaction.

    Returns:
        The names of the migrations that were applied.

    Raises:
        LoyaltyError: The role may not create schemas in this database, or it is read-only,
            or its encoding is not UTF8.
    """
    if _is(connection, "select current_setting('transaction_read_only')::boolean"):
        raise LoyaltyError(
            "The warehouse is read-only: a standby, or default_transaction_read_only is on.",
            remedy="Let LOYALTY_WAREHOUSE_URL point to the primary server, or turn that setting off"
            " for the warehouse's role or database.",
        )
    if not _is(connection, "select current_setting('server_encoding') = 'UTF8'"):
        raise LoyaltyError(
            "The warehouse's encoding is not UTF8, so it cannot hold every text.",
            remedy="Make it anew: create database <warehouse> encoding 'UTF8' template template0.",
        )
    with connection.transaction():
        # Two commands may start at once on a new warehouse: the second waits for the first.
        connection.execute("set local lock_timeout = '60s'")
        connection.execute("select pg_advisory_xact_lock(hashtext('loyalty.frame'))")
        try:
            for schema in SCHEMAS:
                if not _is(connection, "select to_regnamespace(%s) is not null", schema):
                    connection.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
            if not _is(connection, "select to_regclass(%s) is not null", "ops.migrations"):
                connection.execute(
                    "create table ops.migrations ("
                    "name text primary key, applied_at timestamptz not null default now())"
                )
            done = {name for (name,) in connection.execute("select name from ops.migrations")}
            applied = []
            for name, script in _migrations():
                if name not in done:
                    connection.execute(script.encode())
                    connection.execute("insert into ops.migrations (name) values (%s)", [name])
                    applied.append(name)
            return applied
        except errors.InsufficientPrivilege as error:
            raise LoyaltyError(
                f"The warehouse cannot be prepared: {error.diag.message_primary}.",
                remedy="The warehouse role needs CREATE on its database: "
                "grant create on database <warehouse> to <role>.",
            ) from error


def _is(connection: psycopg.Connection[TupleRow], query: str, *names: str) -> bool:
    row = connection.execute(query.encode(), names or None).fetchone()
    return bool(row and row[0])


def _migrations() -> list[tuple[str, str]]:
    folder = resources.files("orchestration.warehouse") / "migrations"
    scripts = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return [
        (s.name.removesuffix(".sql"), s.read_text()) for s in sorted(scripts, key=lambda s: s.name)
    ]
