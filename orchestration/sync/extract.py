"""Reads a query's rows from the source as blocks of binary COPY."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.abc import Buffer
from psycopg.rows import TupleRow

from orchestration.sync.failures import plain_errors

BLOCK_BYTES = 256 * 1024
"""COPY sends a message per row; joined to blocks of this size they travel faster."""


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
        with (
            plain_errors("operational database", f"reading {table}"),
            self.connection.cursor() as cursor,
        ):
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
                        self._between_blocks()
            yield Block(b"".join(pending), max(len(pending) - 1, 0))
