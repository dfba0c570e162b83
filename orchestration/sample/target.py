"""The database that a sample goes to: refused unless its tables are there and empty."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from orchestration.errors import LoyaltyError

TABLES = (
    "shops",
    "tier_definitions",
    "customer_loyalty_profiles",
    "customer_tier_history",
    "reward_definitions",
    "redemption_logs",
    "campaigns",
    "campaign_participations",
    "point_transactions",
    "referral_links",
    "referral_clicks",
    "referral_conversions",
    "loyalty_analytics",
    "customer_segments",
    "customer_segment_memberships",
)
"""The application's tables, each after those that it refers to."""


def claim(connection: psycopg.Connection[Any], schema: str, location: str) -> None:
    """Locks the tables against other writers until the transaction ends.

    Raises:
        LoyaltyError: A table is missing, or holds rows.
    """
    found = connection.execute(
        """
        select pg_class.relname
        from pg_catalog.pg_class
        inner join pg_catalog.pg_namespace on pg_namespace.oid = pg_class.relnamespace
        where pg_namespace.nspname = %s and pg_class.relkind in ('r', 'p')
        """,
        (schema,),
    )
    present = {name for (name,) in found}
    missing = [table for table in TABLES if table not in present]
    if missing:
        raise LoyaltyError(
            f"Schema {schema} of {location} lacks {_listed(missing)}.",
            remedy="Create the tables first: loyalty operational create",
        )
    connection.execute(
        sql.SQL("lock table {} in share row exclusive mode").format(
            sql.SQL(", ").join(sql.Identifier(schema, table) for table in TABLES)
        )
    )
    filled = [table for table in TABLES if _has_rows(connection, schema, table)]
    if filled:
        raise LoyaltyError(
            f"Schema {schema} of {location} has rows already, in {_listed(filled)}; "
            "sample data is never mixed with others.",
            remedy="Give it an empty database: set LOYALTY_OPERATIONAL_URL to another one.",
        )


def finish(connection: psycopg.Connection[Any], schema: str) -> dict[str, int]:
    """Sets the sequences beyond the rows, gathers statistics, and counts the rows."""
    counts = {}
    for table in TABLES:
        name = sql.Identifier(schema, table)
        row = connection.execute(
            sql.SQL("select count(*), max(id) from {}").format(name)
        ).fetchone()
        counts[table], largest = row if row else (0, None)
        if largest is not None:
            connection.execute(
                "select setval(sequence_name, %s) "
                "from (select pg_get_serial_sequence(%s, 'id')) as of_table (sequence_name) "
                "where sequence_name is not null",
                (largest, name.as_string(connection)),
            )
        connection.execute(sql.SQL("analyze {}").format(name))
    return counts


def _has_rows(connection: psycopg.Connection[Any], schema: str, table: str) -> bool:
    query = sql.SQL("select exists (select from {})").format(sql.Identifier(schema, table))
    row = connection.execute(query).fetchone()
    return bool(row and row[0])


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:4])
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown
