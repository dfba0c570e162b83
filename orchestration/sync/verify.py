"""Compares raw with the source, table by table: row counts and a hash of all values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from orchestration.database import Database
from orchestration.sync.extract import TEXT_SETTINGS, open_snapshot
from orchestration.sync.failures import plain_errors
from orchestration.sync.mirror import TABLES
from orchestration.sync.plan import TablePlan, cast, plan_tables, type_name

# Rows in any order give the same sum. SHA-256 of the UTF-8 text is the same on every version,
# platform and server encoding, which PostgreSQL's own hash functions do not promise.
_CONTENT = """
select
    count(*),
    coalesce(sum(('x' || encode(
        substring(sha256(convert_to(row({columns})::text, 'UTF8')) for 8), 'hex'
    ))::bit(64)::bigint), 0)::text
from {relation} as rows_
where {condition}
"""


@dataclass(frozen=True)
class Content:
    """How many rows there are, and an order-independent hash of their values."""

    rows: int
    hash: str


@dataclass(frozen=True)
class TableComparison:
    """A table on both sides; `mirrored` is None where raw does not have it."""

    table_name: str
    source: Content
    mirrored: Content | None

    @property
    def is_equal(self) -> bool:
        """Whether both sides hold the same rows."""
        return self.source == self.mirrored


def verify(
    operational: Database,
    schema: str,
    warehouse: Database,
    *,
    tables: Sequence[str] | None = None,
) -> list[TableComparison]:
    """Compares raw's live rows with the source as it is now, in one snapshot of each.

    What the application wrote since the last sync shows as a difference.

    Raises:
        LoyaltyError: One of the two cannot be read, or a table cannot be compared.
    """
    names = tuple(dict.fromkeys(tables)) if tables else TABLES
    with (
        open_snapshot(operational, schema, names) as snapshot,
        warehouse.connect(client_encoding="UTF8") as target,
        plain_errors("warehouse"),
        target.transaction(),
    ):
        target.execute("set transaction isolation level repeatable read read only")
        target.execute(TEXT_SETTINGS)
        compared = []
        for plan in plan_tables(target, list(snapshot.tables.values()), full=False):
            with plain_errors("operational database"):
                source = _source(snapshot.reader, plan)
            compared.append(TableComparison(plan.name, source, _mirrored(target, plan)))
        return compared


def _source(connection: psycopg.Connection[TupleRow], plan: TablePlan) -> Content:
    columns = [
        sql.SQL("null::{}").format(type_name(column))
        if column.name in plan.vanished
        else cast(column)
        for column in plan.columns
    ]
    relation = sql.Identifier(plan.source.schema, plan.name)
    return _content(connection, columns, relation, sql.SQL("true"))


def _mirrored(connection: psycopg.Connection[TupleRow], plan: TablePlan) -> Content | None:
    if plan.mode == "first load":
        return None
    added = {column.name for column in plan.added}
    columns = [
        sql.SQL("null::{}").format(type_name(column)) if column.name in added else cast(column)
        for column in plan.columns
    ]
    relation = sql.Identifier("raw", plan.name)
    return _content(connection, columns, relation, sql.SQL("_deleted_at is null"))


def _content(
    connection: psycopg.Connection[TupleRow],
    columns: Sequence[sql.Composable],
    relation: sql.Identifier,
    condition: sql.SQL,
) -> Content:
    row = connection.execute(
        sql.SQL(_CONTENT).format(
            columns=sql.SQL(", ").join(columns), relation=relation, condition=condition
        )
    ).fetchone()
    assert row is not None  # noqa: S101
    return Content(row[0], row[1])
