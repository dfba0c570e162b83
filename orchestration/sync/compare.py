"""Compares raw with the source, table by table: row counts and a hash of all values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from orchestration.sync.plan import TablePlan, cast, type_name
from orchestration.sync.snapshot import TEXT_SETTINGS

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
    """A table on both sides, at one snapshot of the source."""

    table_name: str
    source: Content
    mirrored: Content

    @property
    def is_equal(self) -> bool:
        """Whether both sides hold the same rows."""
        return self.source == self.mirrored


def source_content(connection: psycopg.Connection[TupleRow], plan: TablePlan) -> Content:
    """What the source has, in the columns and types of raw."""
    columns = [
        sql.SQL("null::{}").format(type_name(column))
        if column.name in plan.vanished
        else cast(column)
        for column in plan.columns
    ]
    return _content(connection, columns, plan.relation, sql.SQL("true"))


def mirrored_content(connection: psycopg.Connection[TupleRow], plan: TablePlan) -> Content:
    """What raw's live rows hold after a sync by this plan."""
    columns = [cast(column) for column in plan.columns]
    relation = sql.Identifier("raw", plan.name)
    with connection.transaction():
        connection.execute(TEXT_SETTINGS)
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
