"""Transactions on the application's database: short waits, and new attempts where they help."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import psycopg
from psycopg import IsolationLevel
from psycopg.rows import TupleRow
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_random_exponential

from orchestration.database import Database
from orchestration.errors import LoyaltyError

Connection = psycopg.Connection[TupleRow]
T = TypeVar("T")

ATTEMPTS = 5
WAIT_SECONDS = 0.2
WAIT_LONGEST_SECONDS = 5.0
"""Waits are random up to a limit that doubles with each attempt."""
RECONNECT_SECONDS = 60.0
"""How long a lost connection is tried to be had back: a server restarts in that time."""
LOCK_TIMEOUT = "2s"
"""How long a statement waits for a lock of the application before it gives way."""
SHORT_LOCK_TIMEOUT = "200ms"
"""The same, where it is known that somebody holds on to a row, and the question is which."""
WRITE_TIMEOUT = "1min"
"""How long a statement that writes may take."""
PLAN_LOCK_TIMEOUT = "30s"
PLAN_TIMEOUT = "30min"
"""The plan only reads, and waits for nothing but changes of the tables themselves."""
IDLE_TIMEOUT = "5min"
"""When the server ends a transaction in which this process says nothing more."""

_TRANSIENT_STATES = {
    "40001",  # serialization failure
    "40P01",  # deadlock
    "55P03",  # lock timeout
    "57014",  # statement timeout
    "53300",  # too many connections
}
_HEALED_STATES = {
    "23503",  # a customer went between our look and our insert: the next look does not find it
    "23505",  # the application inserted the same row: the next look finds it
}
"""Whatever the patience: another look is all that it takes."""
_LOST_CLASSES = ("08", "57P")


class ConnectionLostError(Exception):
    """The connection went away, and so far no new one could be had."""


class Session:
    """The connection to the application's database; a lost one is opened again.

    Nothing is kept in the session but the connection itself: every transaction brings its settings
    and its rows with it, so a pooler in transaction mode may stand in between.

    Attributes:
        connections: How many were opened so far: more than before, and one was lost in between.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.connections = 0
        self._connection: Connection | None = None

    def __enter__(self) -> Session:
        self._connection = self._open()
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()

    @contextmanager
    def writing(self, *, short_waits: bool = False) -> Iterator[Connection]:
        """A transaction that writes: it sees what others commit while it waits for their locks.

        Its commit does not wait for the disk, nor make the application's commits wait for it: what
        a crash of the server may take along is not sure to stay before `settle` returns.
        """
        lock_timeout = SHORT_LOCK_TIMEOUT if short_waits else LOCK_TIMEOUT
        with self._transaction(IsolationLevel.READ_COMMITTED, lock_timeout, WRITE_TIMEOUT) as open_:
            open_.execute("set local synchronous_commit = off")
            yield open_

    def settle(self) -> None:
        """Returns when all that was written before outlives a crash, as far as the server cares."""
        with self._transaction(
            IsolationLevel.READ_COMMITTED, LOCK_TIMEOUT, WRITE_TIMEOUT
        ) as connection:
            # A commit waits for the log up to its own record; changing nothing, it has none.
            connection.execute("create temporary table loyalty_settled () on commit drop")

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction on one snapshot; it is rolled back at its end, temporary tables and all."""
        with self._transaction(
            IsolationLevel.REPEATABLE_READ, PLAN_LOCK_TIMEOUT, PLAN_TIMEOUT, discard=True
        ) as open_:
            yield open_

    def retried(self, work: Callable[[], T], *, attempts: int = ATTEMPTS) -> T:
        """Does the work, again with growing, jittered waits where the failure was a passing one.

        A lost connection is another matter than a row that stays locked: it is tried to be had back
        for a while, however often that takes.

        Raises:
            psycopg.Error: What the last attempt failed with.
            LoyaltyError: The connection was lost, and could not be had back.
        """
        try:
            return Retrying(
                stop=lambda state: _is_enough(state, attempts),
                wait=wait_random_exponential(multiplier=WAIT_SECONDS, max=WAIT_LONGEST_SECONDS),
                retry=retry_if_exception(is_transient),
                reraise=True,
            )(work)
        except (psycopg.OperationalError, ConnectionLostError) as error:
            if not is_lost(error):
                raise
            raise LoyaltyError(
                f"The connection to the {self.database.name} at {self.database.location} was lost, "
                "and could not be had back.",
                remedy="What was committed before stays; run the command again to write the rest.",
                is_transient=True,
            ) from error

    @contextmanager
    def _transaction(
        self,
        isolation: IsolationLevel,
        lock_timeout: str,
        statement_timeout: str,
        *,
        discard: bool = False,
    ) -> Iterator[Connection]:
        connection = self._alive()
        connection.isolation_level = isolation
        with connection.transaction(force_rollback=discard):
            connection.execute(
                "select set_config('lock_timeout', %s, true),"
                " set_config('statement_timeout', %s, true),"
                " set_config('idle_in_transaction_session_timeout', %s, true),"
                # The application's other cores are the application's.
                " set_config('max_parallel_workers_per_gather', '0', true),"
                " set_config('timezone', 'UTC', true),"
                " set_config('datestyle', 'ISO, YMD', true)",
                [lock_timeout, statement_timeout, IDLE_TIMEOUT],
            )
            yield connection

    def _alive(self) -> Connection:
        if self._connection is None or self._connection.closed:
            try:
                self._connection = self._open()
            except LoyaltyError as error:
                raise ConnectionLostError(error.problem) from error
        return self._connection

    def _open(self) -> Connection:
        connection = self.database.connect(
            autocommit=True, application_name="loyalty-activation", client_encoding="utf8"
        )
        self.connections += 1
        return connection


def _is_enough(state: RetryCallState, attempts: int) -> bool:
    error = state.outcome.exception() if state.outcome else None
    if error is not None and is_lost(error):
        return (state.seconds_since_start or 0.0) >= RECONNECT_SECONDS
    if getattr(error, "sqlstate", None) in _HEALED_STATES:
        attempts = ATTEMPTS
    return state.attempt_number >= attempts


def is_lost(error: BaseException) -> bool:
    """Whether the failure means that the connection is gone, not that the work was wrong."""
    if isinstance(error, ConnectionLostError):
        return True
    if not isinstance(error, psycopg.OperationalError):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(_LOST_CLASSES)


def is_transient(error: BaseException) -> bool:
    """Whether the same work may succeed when it is simply done again."""
    if is_lost(error):
        return True
    return isinstance(error, psycopg.Error) and error.sqlstate in _TRANSIENT_STATES | _HEALED_STATES
