"""The GRANT statements for a role that reads, or reads and writes back, and nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString

from psycopg import sql

from orchestration.operational.access import (
    DELETED_TABLES,
    INSERTED_COLUMNS,
    NEVER_READ,
    UPDATED_COLUMNS,
    columns_read,
)
from orchestration.operational.tables import metadata

SYSTEM_COLUMNS = ("xmin", "ctid")
"""Granted by name where a table's columns are: the sync finds changed rows by them."""


def grants(schema: str, role: str, *, activation: bool = True) -> str:
    """Writes the statements that a database owner runs once, for one role.

    Args:
        schema: The schema of the application's tables.
        role: The role that LOYALTY_OPERATIONAL_URL logs in as.
        activation: Whether it also writes segments, analytics and audiences back.

    Returns:
        SQL: statements with quoted identifiers, one a line, and comments.
    """
    lines = [
        "-- CONNECT and TEMPORARY on the database are everybody's, unless they were revoked.",
        "-- The sync reads every table, but never the shops' access tokens.",
        _grant("usage", "schema", schema, role=role),
    ]
    for table in metadata.sorted_tables:
        if NEVER_READ & set(table.columns):
            columns = [*(column.name for column in columns_read(table)), *SYSTEM_COLUMNS]
            lines.append(_grant("select", "table", schema, table.name, role=role, columns=columns))
        else:
            lines.append(_grant("select", "table", schema, table.name, role=role))
    if activation:
        lines += ["", "-- Activation writes segments, analytics and campaign audiences back."]
        for name, written in UPDATED_COLUMNS.items():
            lines.append(_grant("update", "table", schema, name, role=role, columns=written))
        for name, written in INSERTED_COLUMNS.items():
            lines.append(_grant("insert", "table", schema, name, role=role, columns=written))
            lines.append(_grant("usage", "sequence", schema, f"{name}_id_seq", role=role))
        for name in DELETED_TABLES:
            lines.append(_grant("delete", "table", schema, name, role=role))
    return "\n".join(lines) + "\n"


def _grant(
    privileges: LiteralString,
    kind: LiteralString,
    *name: str,
    role: str,
    columns: Sequence[str] = (),
) -> str:
    listed = sql.SQL(" ({})").format(sql.SQL(", ").join(map(sql.Identifier, columns)))
    statement = sql.SQL("grant {}{} on {} {} to {};").format(
        sql.SQL(privileges),
        listed if columns else sql.SQL(""),
        sql.SQL(kind),
        sql.Identifier(*name),
        sql.Identifier(role),
    )
    return statement.as_string()
