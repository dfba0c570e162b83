"""Reads a query's rows from the source as blocks of binary COPY."""

from __future__ import annotations

import select
from collections.abc import Callable, Generator
from dataclasses import dataclass

import psycopg
from psycopg import errors, pq, sql
from psycopg.rows import TupleRow

from orchestration.sync.failures import plain_errors

BLOCK_BYTES = 32 * 1024
"""COPY sends a message per row; joined to blocks that fit a core's cache they travel faster."""


@dataclass(frozen=True)
class Block:
    """A piece of a binary COPY stream, and how many rows end in it."""

    data: bytes
    rows: int


@dataclass
class Reader:
    """One connection that sees the snapshot; for one thread at a time."""

    connection: psycopg.Connection[TupleRow]
    _between_blocks: Callable[[], None]

    def blocks(self, query: sql.Composed, table: str) -> Generator[Block]:
        """Streams a query's rows as binary COPY, in constant memory.

        Args:
            query: What to read.
            table: What messages call it.

        Raises:
            LoyaltyError: The source failed or refused; says which limit or right it was.
        """
        statement = sql.SQL("copy ({}) to stdout (format binary)").format(query)
        # libpq itself: psycopg's own loop over a row's message costs twice its reading.
        wire = self.connection.pgconn
        with plain_errors("operational database", f"reading {table}"):
            wire.send_query(statement.as_bytes(self.connection))
            while wire.flush():
                _await(wire, select.POLLIN | select.POLLOUT)
            _expect(_result(wire), pq.ExecStatus.COPY_OUT)
            next_message = wire.get_copy_data
            pending: list[memoryview] = []
            size = 0
            # The stream's header comes with the first row, its trailer in a message of its own.
            while (received := next_message(1))[0] >= 0:
                length, message = received
                if not length:
                    _await(wire)
                    continue
                pending.append(message)
                size += length
                if size >= BLOCK_BYTES:
                    yield Block(b"".join(pending), len(pending))
                    pending.clear()
                    size = 0
                    self._between_blocks()
            _expect(_result(wire), pq.ExecStatus.COMMAND_OK)
            while wire.get_result():
                pass
            yield Block(b"".join(pending), max(len(pending) - 1, 0))


def _result(wire: pq.abc.PGconn) -> pq.abc.PGresult | None:
    while wire.is_busy():
        _await(wire)
    return wire.get_result()


def _await(wire: pq.abc.PGconn, events: int = select.POLLIN) -> None:
    """Waits for the server, without keeping other threads from their work."""
    waiting = select.poll()
    waiting.register(wire.socket, events)
    if not waiting.poll()[0][1] & ~select.POLLOUT:
        return
    wire.consume_input()


def _expect(result: pq.abc.PGresult | None, status: pq.ExecStatus) -> None:
    if result is not None and result.status == status:
        return
    state = result and result.error_field(pq.DiagnosticField.SQLSTATE)
    said = result and result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY)
    message = (said or b"the connection was lost").decode(errors="replace")
    try:
        raise errors.lookup((state or b"08006").decode())(message)
    except KeyError:
        raise psycopg.DatabaseError(message) from None
