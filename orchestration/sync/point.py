"""Which database the source is and where it stands: what decides whether the past counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import psycopg
from psycopg.rows import TupleRow

# The clock is read with the snapshot taken: no row of the snapshot was committed later.
_POINT = """
select
    clock_timestamp(),
    pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
    pg_database.datname,
    pg_database.oid::bigint
from pg_catalog.pg_database
where pg_database.datname = current_database()
"""
_SYSTEM = "select system_identifier from pg_control_system()"
_TIMELINE = "select ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int"
_STANDBY_TIMELINE = "select timeline_id from pg_control_checkpoint()"
_STARTED_AT = "select pg_postmaster_start_time()"
_STATS_RESET_AT = "select stats_reset from pg_catalog.pg_stat_bgwriter"
# What is visible may not have been written yet, so that inserting counts.
_WAL = "select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint"
_STANDBY_WAL = "select (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint"


@dataclass(frozen=True)
class SourceIdentity:
    """Which database was read; the system identifier where the role may see it."""

    system: str | None
    database: str
    oid: int


@dataclass(frozen=True)
class SourcePoint:
    """Which database was read, and where it stood: what the next sync has to be after.

    Attributes:
        identity: Which database.
        horizon: The oldest transaction that was still open, as xid8: what committed later has a
            number that is not older.
        next_xid: The first transaction number that was not given out yet.
        timeline: The history that the server is on: another after a restore or a failover.
        started_at: When the server started.
        stats_reset_at: When its statistics began: anew after a crash.
        wal_bytes: How much write-ahead log there was.
    """

    identity: SourceIdentity
    horizon: int
    next_xid: int
    timeline: int | None
    started_at: datetime | None
    stats_reset_at: datetime | None
    wal_bytes: int | None


def read_point(connection: psycopg.Connection[TupleRow]) -> tuple[datetime, SourcePoint]:
    """The source's clock and point, as of a transaction's snapshot or just after it."""
    row = connection.execute(_POINT).fetchone()
    assert row is not None  # noqa: S101
    taken_at, horizon, next_xid, database, oid = row
    system = if_allowed(connection, "pg_control_system()", _SYSTEM)
    if is_standby(connection):
        timeline = if_allowed(connection, "pg_control_checkpoint()", _STANDBY_TIMELINE)
        wal_bytes = if_allowed(connection, "pg_last_wal_replay_lsn()", _STANDBY_WAL)
    else:
        timeline = if_allowed(connection, "pg_walfile_name(pg_lsn)", _TIMELINE)
        wal_bytes = if_allowed(connection, "pg_current_wal_insert_lsn()", _WAL)
    shows_statistics = connection.execute(
        "select has_table_privilege('pg_catalog.pg_stat_bgwriter', 'select')"
    ).fetchone() == (True,)
    return taken_at, SourcePoint(
        SourceIdentity(None if system is None else str(system), database, oid),
        horizon,
        next_xid,
        timeline,
        started_at(connection),
        if_allowed(connection, "pg_postmaster_start_time()", _STATS_RESET_AT)
        if shows_statistics
        else None,
        wal_bytes,
    )


def is_standby(connection: psycopg.Connection[TupleRow]) -> bool:
    """Whether the server is in recovery: a hot standby, which follows a primary."""
    return connection.execute("select pg_is_in_recovery()").fetchone() == (True,)


def started_at(connection: psycopg.Connection[TupleRow]) -> datetime | None:
    """When the server was started, as far as the login may see it."""
    found: datetime | None = if_allowed(connection, "pg_postmaster_start_time()", _STARTED_AT)
    return found


def if_allowed(
    connection: psycopg.Connection[TupleRow], function: str, query: LiteralString
) -> Any:
    """A query's one value; None where the login may not call the function that it needs."""
    row = connection.execute(
        "select has_function_privilege(%s, 'execute')", [f"pg_catalog.{function}"]
    ).fetchone()
    if not (row and row[0]):
        return None
    row = connection.execute(query).fetchone()
    return row[0] if row else None
