"""Reads the source: one snapshot of all tables, guarded and shared, as blocks of binary COPY."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString

import psycopg
from psycopg import IsolationLevel, sql
from psycopg.abc import Buffer
from psycopg.rows import TupleRow

from orchestration.database import Database
from orchestration.errors import LoyaltyError
from orchestration.sync.failures import plain_errors
from orchestration.sync.source import SourceTable, describe

logger = logging.getLogger(__name__)

BLOCK_BYTES = 256 * 1024
"""COPY sends a message per row; joined to blocks of this size they travel faster."""

_PING_SECONDS = 60.0

TEXT_SETTINGS = """
set local timezone = 'UTC';
set local datestyle = 'ISO, YMD';
set local intervalstyle = 'postgres';
set local bytea_output = 'hex';
set local extra_float_digits = 1
"""
"""Fixes how values look as text, wherever a type travels or is compared as text."""

# Only `set local`: a pooler in transaction mode keeps nothing else. The limits are for the
# source's sake: a sync that hangs must not hold its snapshot or its locks for ever. Its connections
# are idle while the warehouse builds the indexes of a first load, which may well take an hour.
_LIMITS = """
set local lock_timeout = '30s';
set local statement_timeout = '2h';
set local idle_in_transaction_session_timeout = '2h';
set local row_security = off;
set local client_encoding = 'UTF8';
set local search_path = pg_catalog;
set local work_mem = '64MB'
"""

# The clock is read with the snapshot taken: no row of the snapshot was committed later.
_POINT = """
select
    clock_timestamp(),
    pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
    pg_database.datname,
    pg_database.oid::bigint,
    pg_postmaster_start_time(),
    (select stats_reset from pg_catalog.pg_stat_bgwriter),
    case
        when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn()
    end - '0/0'::pg_lsn
from pg_catalog.pg_database
where pg_database.datname = current_database()
"""
_SYSTEM = "select system_identifier from pg_control_system()"
_TIMELINE = "select ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int"
_STANDBY_TIMELINE = "select timeline_id from pg_control_checkpoint()"


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


@dataclass(frozen=True)
class Block:
    """A piece of a binary COPY stream, and how many rows end in it."""

    data: bytes
    rows: int


@dataclass
class Guard:
    """Locks every table (ACCESS SHARE, as any SELECT does) until reading has ended.

    Without it a TRUNCATE or ALTER TABLE that commits between two reads would show the snapshot an
    empty or a different table.
    """

    connection: psycopg.Connection[TupleRow]
    _asked: float = field(default_factory=time.monotonic)

    def confirm(self) -> None:
        """Makes sure that the locks have been held until now.

        Raises:
            LoyaltyError: The source ended the guard, so a table may have been emptied unseen.
        """
        with plain_errors("operational database"):
            self.connection.execute("select 1")

    def keep(self) -> None:
        """Confirms now and then, which also keeps the connection from idling."""
        if time.monotonic() - self._asked > _PING_SECONDS:
            self._asked = time.monotonic()
            self.confirm()


@dataclass
class Reader:
    """One connection that sees the snapshot; for one thread at a time."""

    connection: psycopg.Connection[TupleRow]
    _guard: Guard

    def blocks(self, query: sql.Composed) -> Generator[Block]:
        """Streams a query's rows as binary COPY, in constant memory.

        Raises:
            LoyaltyError: The source failed or refused; says which limit or right it was.
        """
        statement = sql.SQL("copy ({}) to stdout (format binary)").format(query)
        with plain_errors("operational database"), self.connection.cursor() as cursor:
            pending: list[Buffer] = []
            size = 0
            # The stream's header comes with the first row, its trailer in a message of its own.
            with cursor.copy(statement) as stream:
                for message in stream:
                    pending.append(message)
                    size += len(message)
                    if size >= BLOCK_BYTES:
                        yield Block(b"".join(pending), len(pending))
                        pending, size = [], 0
                        self._guard.keep()
            yield Block(b"".join(pending), max(len(pending) - 1, 0))


@dataclass(frozen=True)
class Snapshot:
    """The source at one instant, open for reading.

    Attributes:
        tables: The tables, as they look at that instant.
        taken_at: The source's clock just after the snapshot was taken.
        point: Which database it is, and where it stands.
        readers: The connections that share the snapshot; at least one.
        guard: What keeps the tables as they are meanwhile.
    """

    tables: Mapping[str, SourceTable]
    taken_at: datetime
    point: SourcePoint
    readers: Sequence[Reader]
    guard: Guard


@contextmanager
def open_snapshot(
    operational: Database, schema: str, names: Sequence[str], *, streams: int = 1
) -> Iterator[Snapshot]:
    """Opens one read-only snapshot of the tables; it ends with the context.

    Args:
        operational: The source.
        schema: The schema of its tables.
        names: The tables.
        streams: How many connections are to read; fewer where the source has no more to give.

    Raises:
        LoyaltyError: A table is missing, may not be read, or stays locked by somebody else.
    """
    with ExitStack() as stack:
        with plain_errors("operational database"):
            guard = Guard(
                stack.enter_context(_transaction(operational, IsolationLevel.READ_COMMITTED))
            )
            describe(guard.connection, schema, names)
            for name in names:
                guard.connection.execute(
                    sql.SQL("select from {} limit 0").format(sql.Identifier(schema, name))
                )
            # Described again now that nothing can change any more.
            tables = describe(guard.connection, schema, names)
            first = stack.enter_context(_transaction(operational, IsolationLevel.REPEATABLE_READ))
            taken_at, point = _point(first)
            readers = [first, *_sharing(operational, first, streams - 1, stack)]
        yield Snapshot(tables, taken_at, point, [Reader(r, guard) for r in readers], guard)


def _sharing(
    operational: Database,
    exporter: psycopg.Connection[TupleRow],
    wanted: int,
    stack: ExitStack,
) -> Iterator[psycopg.Connection[TupleRow]]:
    """More connections that see the exporter's snapshot, as long as the source has some."""
    if wanted < 1:
        return
    row = exporter.execute("select pg_export_snapshot()").fetchone()
    assert row is not None  # noqa: S101
    for _ in range(wanted):
        try:
            yield stack.enter_context(
                _transaction(operational, IsolationLevel.REPEATABLE_READ, snapshot=row[0])
            )
        except (LoyaltyError, psycopg.Error) as error:
            logger.warning("Reading over fewer connections: %s", error)
            return


@contextmanager
def _transaction(
    operational: Database, level: IsolationLevel, *, snapshot: str | None = None
) -> Iterator[psycopg.Connection[TupleRow]]:
    with closing(operational.connect()) as connection:
        connection.isolation_level = level
        connection.read_only = True
        connection.deferrable = False
        if snapshot is not None:
            connection.execute(sql.SQL("set transaction snapshot {}").format(sql.Literal(snapshot)))
        connection.execute(_LIMITS)
        connection.execute(TEXT_SETTINGS)
        try:
            yield connection
        finally:
            # Where the source has gone away, that was said before, or does not matter any more.
            with suppress(psycopg.Error):
                connection.rollback()


def _point(connection: psycopg.Connection[TupleRow]) -> tuple[datetime, SourcePoint]:
    # The first query of the transaction, so it takes the snapshot.
    row = connection.execute(_POINT).fetchone()
    assert row is not None  # noqa: S101
    taken_at, horizon, next_xid, database, oid, started_at, stats_reset_at, wal_bytes = row
    standby = connection.execute("select pg_is_in_recovery()").fetchone() == (True,)
    timeline = _where_allowed(
        connection,
        "pg_control_checkpoint()" if standby else "pg_walfile_name(pg_lsn)",
        _STANDBY_TIMELINE if standby else _TIMELINE,
    )
    system = _where_allowed(connection, "pg_control_system()", _SYSTEM)
    identity = SourceIdentity(None if system is None else str(system), database, oid)
    return taken_at, SourcePoint(
        identity,
        horizon,
        next_xid,
        timeline,
        started_at,
        stats_reset_at,
        None if wal_bytes is None else int(wal_bytes),
    )


def _where_allowed(
    connection: psycopg.Connection[TupleRow], function: str, query: LiteralString
) -> Any:
    row = connection.execute("select has_function_privilege(%s, 'execute')", [function]).fetchone()
    if not (row and row[0]):
        return None
    row = connection.execute(query).fetchone()
    return row[0] if row else None
