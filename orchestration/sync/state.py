"""What is remembered between syncs: which sync raw stands at, of which source, table by table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg
from psycopg.rows import TupleRow

from orchestration.sync.apply import Applied
from orchestration.sync.memory import TableMemory
from orchestration.sync.plan import TablePlan
from orchestration.sync.point import SourceIdentity, SourcePoint
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


def memories(connection: psycopg.Connection[TupleRow]) -> dict[str, TableMemory]:
    """What the last sync of each table left; each table's may have been another one."""
    rows = connection.execute(
        "select table_name, sync_id, columns_version, storage_version, raw_version, "
        "presence, live_rows, "
        "source_system, source_database, source_oid, source_horizon, source_next_xid, "
        "source_timeline, source_started_at, source_stats_reset_at, source_wal_bytes, "
        "source_schema "
        "from ops.sync_state inner join ops.sync_runs using (sync_id)"
    ).fetchall()
    found = {}
    for name, sync_id, columns, storage, raw, presence, live_rows, *rest in rows:
        system, database, oid, horizon, next_xid, *where, schema = rest
        identity = SourceIdentity(system, database, oid)
        point = None if horizon is None else SourcePoint(identity, horizon, next_xid, *where)
        found[name] = TableMemory(
            sync_id, point, schema, columns, storage, raw, presence, live_rows
        )
    return found


def forget(connection: psycopg.Connection[TupleRow], table: str) -> None:
    """Has the next sync compare all rows of a table."""
    connection.execute("delete from ops.sync_state where table_name = %s", [table])


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
    point: SourcePoint,
    started_at: datetime,
    tables: Sequence[TableResult],
    warnings: Sequence[str],
) -> None:
    """Writes a sync's state, inside the transaction that makes its rows visible."""
    connection.execute(
        "insert into ops.sync_runs ("
        "source_system, source_database, source_oid, source_horizon, source_next_xid, "
        "source_timeline, source_started_at, source_stats_reset_at, source_wal_bytes, "
        "source_schema, sync_id, started_at, finished_at, snapshot_at, is_mixed, warnings) "
        "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, clock_timestamp(), %s, %s, %s)",
        [
            point.identity.system,
            point.identity.database,
            point.identity.oid,
            point.horizon,
            point.next_xid,
            point.timeline,
            point.started_at,
            point.stats_reset_at,
            point.wal_bytes,
            after.schema,
            after.sync_id,
            started_at,
            after.snapshot_at,
            after.is_mixed,
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


def remember(
    connection: psycopg.Connection[TupleRow],
    sync_id: int,
    applied: Sequence[tuple[TablePlan, Applied]],
) -> None:
    """Keeps what the next sync needs of each table, in the same transaction."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into ops.sync_state as state (table_name, sync_id, columns_version, "
            "storage_version, presence, live_rows, raw_version) "
            "select %s, %s, %s, %s, %s, %s, format('%%s:%%s', oid, relfilenode) "
            "from pg_catalog.pg_class where oid = to_regclass(format('raw.%%I', %s::text)) "
            "on conflict (table_name) do update set sync_id = excluded.sync_id, "
            "columns_version = excluded.columns_version, "
            "storage_version = excluded.storage_version, raw_version = excluded.raw_version, "
            "presence = excluded.presence, live_rows = excluded.live_rows",
            [
                [
                    plan.name,
                    sync_id,
                    plan.source.columns_version,
                    plan.source.storage_version,
                    result.presence,
                    result.live_rows,
                    plan.name,
                ]
                for plan, result in applied
            ],
        )
