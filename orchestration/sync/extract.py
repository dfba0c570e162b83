"""Reads the source: one snapshot of all tables, guarded, as blocks of binary COPY."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime

import psycopg
from psycopg import IsolationLevel, sql
from psycopg.abc import Buffer
from psycopg.rows import TupleRow

from orchestration.database import Database
from orchestration.sync.failures import plain_errors
from orchestration.sync.source import SourceTable, describe

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
set local client_encoding = 'UTF8'
"""


@dataclass(frozen=True)
class SourceIdentity:
    """Which database was read; the system identifier where the role may see it."""

    system: str | None
    database: str
    oid: int


@dataclass(frozen=True)
class Block:
    """A piece of a binary COPY stream, and how many rows end in it."""

    data: bytes
    rows: int


@dataclass
class Snapshot:
    """The source at one instant, open for reading.

    Attributes:
        tables: The tables, as they look at that instant.
        taken_at: The source's clock just after the snapshot was taken.
        identity: Which database it is.
    """

    tables: Mapping[str, SourceTable]
    taken_at: datetime
    identity: SourceIdentity
    reader: psycopg.Connection[TupleRow]
    _guard: psycopg.Connection[TupleRow]
    _pinged: float = field(default_factory=time.monotonic)

    def blocks(self, query: sql.Composed) -> Generator[Block]:
        """Streams a query's rows as binary COPY, in constant memory.

        Raises:
            LoyaltyError: The source failed or refused; says which limit or right it was.
        """
        statement = sql.SQL("copy ({}) to stdout (format binary)").format(query)
        with plain_errors("operational database"), self.reader.cursor() as cursor:
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
                        self._keep_guard()
            yield Block(b"".join(pending), max(len(pending) - 1, 0))

    def confirm(self) -> None:
        """Makes sure that the guard has held its locks until now.

        Raises:
            LoyaltyError: The source ended the guard, so a table may have been emptied unseen.
        """
        with plain_errors("operational database"):
            self._guard.execute("select 1")

    def _keep_guard(self) -> None:
        if time.monotonic() - self._pinged > _PING_SECONDS:
            self.confirm()
            self._pinged = time.monotonic()


@contextmanager
def open_snapshot(operational: Database, schema: str, names: Sequence[str]) -> Iterator[Snapshot]:
    """Opens one read-only snapshot of the tables; it ends with the context.

    A guard transaction locks every table (ACCESS SHARE, as any SELECT does) before the snapshot is
    taken, and holds on until the end: otherwise a TRUNCATE or ALTER TABLE that commits in between
    would show the snapshot an empty or a different table. Such statements wait meanwhile.

    Raises:
        LoyaltyError: A table is missing, may not be read, or stays locked by somebody else.
    """
    with ExitStack() as stack:
        with plain_errors("operational database"):
            guard = stack.enter_context(_transaction(operational, IsolationLevel.READ_COMMITTED))
            describe(guard, schema, names)
            for name in names:
                guard.execute(
                    sql.SQL("select from {} limit 0").format(sql.Identifier(schema, name))
                )
            # Described again now that nothing can change any more.
            tables = describe(guard, schema, names)
            identity = _identity(guard)
            reader = stack.enter_context(_transaction(operational, IsolationLevel.REPEATABLE_READ))
            # The first query takes the snapshot, and only then reads the clock: no row of the
            # snapshot was committed later than this.
            row = reader.execute("select clock_timestamp()").fetchone()
        assert row is not None  # noqa: S101
        yield Snapshot(tables, row[0], identity, reader, guard)


@contextmanager
def _transaction(
    operational: Database, level: IsolationLevel
) -> Iterator[psycopg.Connection[TupleRow]]:
    with closing(operational.connect()) as connection:
        connection.isolation_level = level
        connection.read_only = True
        connection.execute(_LIMITS)
        connection.execute(TEXT_SETTINGS)
        try:
            yield connection
        finally:
            # Where the source has gone away, that was said before, or does not matter any more.
            with suppress(psycopg.Error):
                connection.rollback()


def _identity(connection: psycopg.Connection[TupleRow]) -> SourceIdentity:
    row = connection.execute(
        "select datname, oid, has_function_privilege('pg_control_system()', 'execute') "
        "from pg_catalog.pg_database where datname = current_database()"
    ).fetchone()
    assert row is not None  # noqa: S101
    system = None
    if row[2]:
        found = connection.execute("select system_identifier from pg_control_system()").fetchone()
        system = str(found[0]) if found else None
    return SourceIdentity(system, row[0], row[1])
