"""Warehouses filled from plain rows: the application's tables without its constraints, synced."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import sql
from sqlalchemy.dialects import postgresql

from orchestration import sync
from orchestration.database import Database
from orchestration.operational.tables import metadata

Tables = Mapping[str, Sequence[Mapping[str, Any]]]


def operational(url: str) -> Database:
    return Database("operational database", url, "LOYALTY_OPERATIONAL_URL")


def warehouse(url: str) -> Database:
    return Database("warehouse", url, "LOYALTY_WAREHOUSE_URL")


def create_bare_tables(database: Database) -> None:
    """The 15 tables with a primary key and nothing else: any row may be written."""
    with database.connect() as connection:
        for table in metadata.sorted_tables:
            columns = sql.SQL(", ").join(
                sql.SQL("{} {}").format(
                    sql.Identifier(column.name),
                    sql.SQL(column.type.compile(postgresql.dialect())),
                )
                for column in table.columns
                if column.name != "archived_at"
            )
            connection.execute(
                sql.SQL("create table {} ({}, primary key (id))").format(
                    sql.Identifier(table.name), columns
                )
            )


def insert_rows(database: Database, tables: Tables) -> None:
    """Adds rows as they are; a column that a row does not name stays NULL."""
    with database.connect() as connection:
        for name, rows in tables.items():
            for columns in {tuple(row) for row in rows}:
                statement = sql.SQL("copy {} ({}) from stdin").format(
                    sql.Identifier(name), sql.SQL(", ").join(map(sql.Identifier, columns))
                )
                with connection.cursor().copy(statement) as copy:
                    for row in rows:
                        if tuple(row) == columns:
                            copy.write_row([_text(row[column]) for column in columns])


def _text(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value


def filled_warehouse(source_url: str, warehouse_url: str, tables: Tables) -> Database:
    """A warehouse whose raw mirrors the given rows."""
    source, target = operational(source_url), warehouse(warehouse_url)
    create_bare_tables(source)
    insert_rows(source, tables)
    sync.sync(source, "public", target)
    return target
