"""Planned changes between reading and writing: files with lines of COPY's text format."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.sql import SQL, Composable

from orchestration.activation.session import Connection

BATCH_ROWS = 5_000
BATCH_BYTES = 8 * 1024 * 1024
BATCH_SHOPS = 100
"""Each shop of a batch takes a place in the lock table, which the application needs too."""
BLOCK_BYTES = 256 * 1024
"""How much of a file is sent at once."""

Batch = list[bytes]


@dataclass(frozen=True)
class Spool:
    """A file of rows; a line starts with the shop's id and the key of what it changes.

    Attributes:
        path: The file, in the plan's folder; whoever made the folder removes it.
    """

    path: Path

    def fill(self, connection: Connection, query: Composable) -> None:
        """Writes the query's rows."""
        with (
            self.path.open("wb") as file,
            connection.cursor().copy(SQL("copy ({}) to stdout").format(query)) as copy,
        ):
            for block in copy:
                file.write(block)

    def lines(self) -> Iterator[bytes]:
        """The rows from the first, in order; none where nothing was planned."""
        if self.path.exists():
            with self.path.open("rb") as file:
                yield from file


def shop_of(line: bytes) -> bytes:
    """The line's first field."""
    return line[: line.index(b"\t")]


def key_of(line: bytes) -> int:
    """The line's second field: the segment, campaign or change that it belongs to."""
    return int(line.split(b"\t", 2)[1])


def batches(
    lines: Iterable[bytes], wanted: Callable[[int], bool], most_rows: int | None = None
) -> Iterator[Batch]:
    """Cuts the lines whose key is wanted into batches bounded in rows, bytes and shops."""
    most_rows = min(BATCH_ROWS, most_rows or BATCH_ROWS)
    batch: Batch = []
    size, shops, last_shop = 0, 0, b""
    for line in lines:
        if not wanted(key_of(line)):
            continue
        shop = shop_of(line)
        shops += shop != last_shop
        full = len(batch) >= most_rows or size + len(line) > BATCH_BYTES or shops > BATCH_SHOPS
        if batch and full:
            yield batch
            batch, size, shops = [], 0, 1
        batch.append(line)
        size, last_shop = size + len(line), shop
    if batch:
        yield batch


def transfer(
    source: psycopg.Connection[Any],
    query: Composable,
    target: Connection,
    table: str,
    folder: Path,
) -> None:
    """Brings a query's rows into a temporary table of the other database, and analyzes it.

    They are laid by in between: where both databases share a machine, one of them at a time works
    for us, and the other cores are the application's.
    """
    name = SQL("pg_temp.{}").format(psycopg.sql.Identifier(table))
    with tempfile.TemporaryFile(dir=folder) as file:
        with source.cursor().copy(SQL("copy ({}) to stdout").format(query)) as rows:
            for block in rows:
                file.write(block)
        file.seek(0)
        with target.cursor().copy(SQL("copy {} from stdin").format(name)) as copy:
            while block := file.read(BLOCK_BYTES):
                copy.write(block)
    target.execute(SQL("analyze {}").format(name))
