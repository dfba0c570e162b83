"""One snapshot of all tables, guarded, and shared by the connections that read it."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime

import psycopg
from psycopg import IsolationLevel, pq, sql
from psycopg.rows import TupleRow

from orchestration.database import Database
from orchestration.errors import LoyaltyError
from orchestration.sync.extract import Reader
from orchestration.sync.failures import plain_errors
from orchestration.sync.point import SourcePoint, if_allowed, is_standby, read_point, started_at
from orchestration.sync.source import SourceTable, describe

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 30.0
"""How long a new connection may take to answer its first statement."""

_OPTIONAL_SECONDS = 5.0
"""The same for one that a sync can do without."""

_PING_SECONDS = 60.0

TEXT_SETTINGS = """
set local timezone = 'UTC';
set local datestyle = 'ISO, YMD';
set local intervalstyle = 'postgres';
set local bytea_output = 'hex';
set local extra_float_digits = 1
"""
"""Fixes how values look as text, wherever a type travels or is compared as text."""

# Only settings of the transaction: a pooler in transaction mode keeps nothing else. The limits are
# for the source's sake: a sync that hangs must not hold its snapshot or its locks for ever. Its
# connections idle while the warehouse builds a first load's indexes, which may take an hour.
# Two sequential scans of a table side by side share what they read; an index-only scan for the
# masks would look up in the table each row of every page that was written since the last vacuum.
_LIMITS = """
select set_config('lock_timeout', '30s', true)
from pg_catalog.pg_settings
where name = 'lock_timeout' and setting::int not between 1 and 30000;
set local statement_timeout = '2h';
set local idle_in_transaction_session_timeout = '2h';
set local row_security = off;
set local client_encoding = 'UTF8';
set local application_name = 'loyalty-warehouse';
set local search_path = pg_catalog;
set local work_mem = '64MB';
set local enable_indexonlyscan = off
"""


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

    def confirm(self, schema: str) -> None:
        """Makes sure that the tables have been the same until now.

        Most changes wait for the guard's locks; renaming an enumeration's label does not, nor does
        attaching a partition.

        Raises:
            LoyaltyError: A table was changed while it was read, or the source ended the guard.
        """
        with plain_errors("operational database"):
            now = describe(self.guard.connection, schema, list(self.tables))
        for name, table in self.tables.items():
            if table.versions != now[name].versions:
                raise LoyaltyError(
                    f"{schema}.{name} was changed while it was read. Nothing was changed in raw.",
                    remedy="Run it again when that migration is done.",
                    is_transient=True,
                )


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
            _touch(guard.connection, schema, names)
            # Described again now that nothing can change any more.
            tables = describe(guard.connection, schema, names)
            # Asked before the snapshot is taken, as a standby may be promoted in between.
            may_share = not is_standby(guard.connection)
            first = stack.enter_context(_transaction(operational, IsolationLevel.REPEATABLE_READ))
            taken_at, point = read_point(first)
            sharing = _sharing(operational, first, streams - 1, stack) if may_share else []
            readers = [first, *sharing]
            _require_one_server(operational, [guard.connection, *readers])
            # A reader that came later would wait behind an ALTER TABLE that waits for the guard.
            for reader in readers:
                _touch(reader, schema, names)
        yield Snapshot(tables, taken_at, point, [Reader(r, guard.keep) for r in readers], guard)


def _require_one_server(
    operational: Database, connections: Sequence[psycopg.Connection[TupleRow]]
) -> None:
    """A balancer may send each connection elsewhere: then the guard guards another server."""
    if len({started_at(connection) for connection in connections}) > 1:
        raise LoyaltyError(
            f"The {operational.name} at {operational.location} is several servers: two connections "
            "of one sync arrived at different ones.",
            remedy=f"Let {operational.variable} name one of them.",
            is_transient=True,
        )


def _touch(connection: psycopg.Connection[TupleRow], schema: str, names: Sequence[str]) -> None:
    """Has a transaction lock tables as any SELECT does, with no more than the right to read."""
    for name in names:
        with plain_errors("operational database", f"reading {schema}.{name}"):
            connection.execute(
                sql.SQL("select from {} limit 0").format(sql.Identifier(schema, name))
            )


def _sharing(
    operational: Database,
    exporter: psycopg.Connection[TupleRow],
    wanted: int,
    stack: ExitStack,
) -> Iterator[psycopg.Connection[TupleRow]]:
    """More connections that see the exporter's snapshot, as long as the source has some.

    Never for a standby: PostgreSQL exports there a snapshot that may lack the transactions in
    progress (when one has over 64 subtransactions). Who imports it takes them for aborted, and
    marks their rows as such in the standby's own pages, where they stay lost after they commit.
    """
    if wanted < 1:
        return
    exported = if_allowed(exporter, "pg_export_snapshot()", "select pg_export_snapshot()")
    if exported is None:
        return
    for _ in range(wanted):
        try:
            yield stack.enter_context(
                _transaction(operational, IsolationLevel.REPEATABLE_READ, snapshot=exported)
            )
        except (LoyaltyError, psycopg.Error) as error:
            logger.info("Reading over fewer connections: %s", error)
            return


@contextmanager
def _transaction(
    operational: Database, level: IsolationLevel, *, snapshot: str | None = None
) -> Iterator[psycopg.Connection[TupleRow]]:
    with closing(operational.connect(application_name="")) as connection:
        connection.isolation_level = level
        connection.read_only = True
        connection.deferrable = False
        patience = ANSWER_SECONDS if snapshot is None else _OPTIONAL_SECONDS
        with _answering(connection, operational, patience):
            if snapshot is not None:
                connection.execute(
                    sql.SQL("set transaction snapshot {}").format(sql.Literal(snapshot))
                )
            if connection.info.server_version >= 170000:
                # Only 0 stops the timer that the transaction began with.
                connection.execute("set local transaction_timeout = 0")
                connection.execute("set local transaction_timeout = '2h'")
            connection.execute(_LIMITS)
            connection.execute(TEXT_SETTINGS)
        try:
            yield connection
        finally:
            # Where the source has gone away, that was said before, or does not matter any more. A
            # query that was given up ends with the connection.
            if connection.info.transaction_status != pq.TransactionStatus.ACTIVE:
                with suppress(psycopg.Error):
                    connection.rollback()


@contextmanager
def _answering(
    connection: psycopg.Connection[TupleRow], operational: Database, seconds: float
) -> Iterator[None]:
    """Does not wait for ever for a pooler that let the client in but has no server for it."""
    is_late = threading.Event()

    def hang_up() -> None:
        is_late.set()
        with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as wire:
            wire.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    except psycopg.OperationalError as error:
        if not is_late.is_set() and "query_wait_timeout" not in str(error):
            raise
        raise LoyaltyError(
            f"The {operational.name} at {operational.location} lets clients in, but had no "
            "connection left for this one.",
            remedy="Is its pooler's pool too small or used up? A sync needs two connections at "
            "once, and uses three where it gets them.",
            is_transient=True,
        ) from None
    finally:
        timer.cancel()
