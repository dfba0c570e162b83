"""Simulated rows on disk until they are written: a table's months, each a file, read in time order.

It is the outer sort that gives ids in the order of time at any size: rows come in by customer, one
month at a time is read, sorted and numbered.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Records: TypeAlias = npt.NDArray[np.void]

_BUCKET = 30 * 86_400_000


class Spill:
    """Records with a field `sort` (milliseconds), appended in any order and read in that order.

    Args:
        folder: An empty directory that the caller removes afterwards.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._types: dict[str, np.dtype[Any]] = {}
        self._buckets: dict[str, set[int]] = {}

    def append(self, table: str, records: Records) -> None:
        """Adds records of a table; all of a table's records have one dtype."""
        self._types[table] = records.dtype
        if not len(records):
            return
        bucket = records["sort"] // _BUCKET
        order = np.argsort(bucket, kind="stable")
        starts = np.flatnonzero(np.diff(bucket[order], prepend=bucket[order[0]] - 1))
        for piece in np.split(order, starts[1:]):
            number = int(bucket[piece[0]])
            self._buckets.setdefault(table, set()).add(number)
            with self._path(table, number).open("ab") as file:
                records[piece].tofile(file)

    def read(self, table: str) -> Iterator[Records]:
        """Yields a table's records ordered by `sort`, a month at a time."""
        for number in sorted(self._buckets.get(table, ())):
            records = np.fromfile(self._path(table, number), dtype=self._types[table])
            yield records[np.argsort(records["sort"], kind="stable")]

    def _path(self, table: str, bucket: int) -> Path:
        return self._folder / f"{table}.{bucket}"
