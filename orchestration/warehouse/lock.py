"""The one-writer lock: sync, build and activate never write the warehouse at the same time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg.rows import TupleRow

from orchestration.database import Database
from orchestration.errors import LoyaltyError

logger = logging.getLogger(__name__)

KEY = 0x6C6F7961  # "loya": any fixed number that no other program is likely to lock
WAIT_SECONDS = 600.0
"""How long to wait for another run to finish."""


class WriterLock:
    """The lock while it is held, to ask whether it still is."""

    def __init__(self, connection: psycopg.Connection[TupleRow], warehouse: Database) -> None:
        self._connection = connection
        self._warehouse = warehouse

    @property
    def is_held(self) -> bool:
        """Whether the connection that it lives on is still there."""
        try:
            self._connection.execute("select 1")
        except psycopg.OperationalError:
            return False
        return True

    def require(self) -> None:
        """For writers that cannot take back what they commit bit by bit.

        Raises:
            LoyaltyError: The lock was lost: another run may be at work already.
        """
        if not self.is_held:
            raise LoyaltyError(
                f"The connection that kept other runs out of the warehouse at "
                f"{self._warehouse.location} was lost, so this run stopped.",
                remedy="A pooler, a firewall or a restart of the server ends such connections. "
                "What was committed before stays; run the command again to write the rest.",
                is_transient=True,
            )


@contextmanager
def writer_lock(
    warehouse: Database,
    *,
    waiting: Callable[[str], None] = lambda message: None,
) -> Iterator[WriterLock]:
    """Holds the warehouse's session advisory lock; not re-entrant.

    The lock lives on a connection of its own, so it ends with the process, however that ends.
    It needs a direct connection: a pooler in transaction mode would lose it. A loss is logged.

    Args:
        warehouse: The warehouse to lock.
        waiting: Is told, once, in plain words, that another run is being waited for.

    Yields:
        The lock, which can be asked whether it is still held.

    Raises:
        LoyaltyError: Another run still holds the lock when the wait is over, or the connection is
            not a direct one.
    """
    with warehouse.connect(autocommit=True, application_name="loyalty-writer-lock") as connection:
        try:
            _take(connection, warehouse, waiting)
        except psycopg.Error as error:
            raise warehouse.explained(error) from None
        lock = WriterLock(connection, warehouse)
        yield lock
        if not lock.is_held:
            logger.warning(
                "The connection that kept other runs out of the warehouse at %s was lost: another "
                "run may have written at the same time. A pooler, a firewall or a restart of the "
                "server ends such connections. Run again, to be sure.",
                warehouse.location,
            )


def _take(
    connection: psycopg.Connection[TupleRow],
    warehouse: Database,
    waiting: Callable[[str], None],
) -> None:
    require_direct(connection, warehouse)
    deadline = time.monotonic() + WAIT_SECONDS
    told = False
    while True:
        row = connection.execute("select pg_try_advisory_lock(%s)", [KEY]).fetchone()
        if row and row[0]:
            return
        if time.monotonic() >= deadline:
            raise LoyaltyError(
                f"Another loyalty run is writing the warehouse at {warehouse.location}.",
                remedy="Wait until it has finished, then run this command again.",
            )
        if not told:
            waiting("Another run is writing the warehouse; waiting for it to finish …")
            told = True
        time.sleep(0.5)


def require_direct(connection: psycopg.Connection[TupleRow], warehouse: Database) -> None:
    """Refuses a pooler between us and the warehouse, whose sessions are not ours.

    Raises:
        LoyaltyError: The connection's server process is not the one that answers.
    """
    row = connection.execute("select pg_backend_pid()").fetchone()
    if row != (connection.info.backend_pid,):
        raise LoyaltyError(
            f"The warehouse at {warehouse.location} is reached through a pooler, which would "
            "give the lock that keeps other runs out to anybody.",
            remedy=f"Let {warehouse.variable} name the server's own host and port.",
        )
