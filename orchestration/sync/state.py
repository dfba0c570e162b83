"""What is remembered between syncs: which sync raw stands at, and of which source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import TupleRow

from orchestration.sync.extract import SourceIdentity
from orchestration.sync.result import TableResult


@dataclass(frozen=True)
class RawState:
    """Where raw stands.

    Attributes:
        sync_id: The last committed sync.
        snapshot_at: The source's clock at its snapshot.
        is_mixed: Whether raw's tables come from more than one snapshot (`sync --table`).
        source: Which database was read.
        schema: The source's schema.
    """

    sync_id: int
    snapshot_at: datetime
    is_mixed: bool
    source: SourceIdentity
    schema: str


def raw_state(connection: psycopg.Connection[TupleRow]) -> RawState | None:
    """Where raw stands after the last committed sync; None where there was none.

    Args:
        connection: A connection to the warehouse, prepared or not.
    """
    row = connection.execute("select to_regclass('ops.sync_runs') is not null").fetchone()
    if not (row and row[0]):
        return None
    row = connection.execute(
        "select sync_id, snapshot_at, is_mixed, source_system, source_database, source_oid, "
        "source_schema from ops.sync_runs order by sync_id desc limit 1"
    ).fetchone()
    if row is None:
        return None
    sync_id, snapshot_at, is_mixed, system, database, oid, schema = row
    return RawState(sync_id, snapshot_at, is_mixed, SourceIdentity(system, database, oid), schema)


def source_warning(before: RawState | None, after: RawState) -> str | None:
    """What to say where raw was last filled from another database; None where it was not."""
    if before is None:
        return None
    known, source = before.source, after.source
    # A role may have gained or lost the right to see the system identifier.
    is_same_system = known.system == source.system or None in (known.system, source.system)
    if is_same_system and (known.oid, before.schema) == (source.oid, after.schema):
        return None
    return (
        f"raw was last filled from {known.database}.{before.schema} of another database or server "
        f"than {source.database}.{after.schema}: was it restored or replaced, or is the URL wrong? "
        "raw now equals this one."
    )


def record(
    connection: psycopg.Connection[TupleRow],
    after: RawState,
    started_at: datetime,
    tables: Sequence[TableResult],
    warnings: Sequence[str],
) -> None:
    """Writes a sync's state, inside the transaction that makes its rows visible."""
    source = after.source
    connection.execute(
        "insert into ops.sync_runs (sync_id, started_at, finished_at, snapshot_at, is_mixed, "
        "source_system, source_database, source_oid, source_schema, warnings) "
        "values (%s, %s, clock_timestamp(), %s, %s, %s, %s, %s, %s, %s)",
        [
            after.sync_id,
            started_at,
            after.snapshot_at,
            after.is_mixed,
            source.system,
            source.database,
            source.oid,
            after.schema,
            list(warnings),
        ],
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into ops.sync_tables (sync_id, table_name, mode, reason, rows_read, "
            "rows_changed, rows_deleted, bytes, seconds) "
            "values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                [
                    after.sync_id,
                    table.table_name,
                    table.mode,
                    table.reason,
                    table.rows_read,
                    table.rows_changed,
                    table.rows_deleted,
                    table.bytes,
                    table.seconds,
                ]
                for table in tables
            ],
        )
