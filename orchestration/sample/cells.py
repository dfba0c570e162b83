"""Numbers to COPY text: columns of bytes made by NumPy, laid side by side without a Python loop.

A column is a fixed-width bytes array (`S`), a constant, or a tuple of these that is read as one
text. A row is the columns' bytes with separators between them; the padding of fixed-width arrays
is NUL, which no value holds, so dropping the NULs leaves COPY's text format.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg import sql

Numbers: TypeAlias = npt.NDArray[Any]
Bytes: TypeAlias = npt.NDArray[np.bytes_]
Column: TypeAlias = Bytes | bytes | tuple[Bytes | bytes, ...]

NULL = b"\\N"
NONE = int(np.iinfo(np.int64).min)
"""What stands for NULL in columns of times and of amounts."""

_DAY = 86_400_000
_CLOCK = np.array(
    [f"T{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}." for s in range(86_400)], dtype="S10"
)
_MILLISECONDS = np.array([f"{ms:03d}Z" for ms in range(1000)], dtype="S4")
_CENTS = np.array([f".{cents:02d}" for cents in range(100)], dtype="S3")
_BUFFER_ROWS = 32_768


def integers(values: Numbers, *, null: int = NONE) -> Bytes:
    """Whole numbers; those equal to `null` become NULL."""
    cells = values.astype("S20")
    missing = values == null
    if missing.any():
        cells[missing] = NULL
    return cells


def references(ids: Numbers) -> Bytes:
    """Foreign keys; 0, which no serial id is, becomes NULL."""
    return integers(ids, null=0)


def money(cents: Numbers) -> Column:
    """Amounts of cents, not negative, with two decimals; NONE becomes NULL."""
    missing = cents == NONE
    known = np.where(missing, 0, cents)
    whole, part = (known // 100).astype("S18"), _CENTS[known % 100]
    if missing.any():
        whole[missing], part[missing] = NULL, b""
    return whole, part


def words(vocabulary: Sequence[bytes], codes: Numbers) -> Bytes:
    """The words that the codes stand for; -1 becomes NULL."""
    return np.array([*vocabulary, NULL])[codes]


def flags(values: Numbers) -> Bytes:
    """Booleans; -1 becomes NULL."""
    return words((b"f", b"t"), values.astype(np.int8))


def times(milliseconds: Numbers) -> Column:
    """Instants, as milliseconds since 1970 in UTC; NONE becomes NULL."""
    missing = milliseconds == NONE
    known = np.where(missing, 0, milliseconds)
    day, moment = np.divmod(known, _DAY)
    days, position = np.unique(day, return_inverse=True)
    dates = np.datetime_as_string(days.astype("datetime64[D]")).astype("S10")[position]
    clock, fraction = _CLOCK[moment // 1000], _MILLISECONDS[moment % 1000]
    if missing.any():
        dates[missing], clock[missing], fraction[missing] = NULL, b"", b""
    return dates, clock, fraction


def copy_columns(
    connection: psycopg.Connection[Any],
    schema: str,
    table: str,
    rows: int,
    columns: Mapping[str, Column],
) -> None:
    """Writes rows that are given column by column."""
    if not rows:
        return
    pieces: list[Bytes | bytes] = []
    for column in columns.values():
        pieces.extend(column if isinstance(column, tuple) else (column,))
        pieces.append(b"\t")
    pieces[-1] = b"\n"
    with connection.cursor().copy(_copy_into(schema, table, columns)) as copy:
        for first in range(0, rows, _BUFFER_ROWS):
            copy.write(_lines(pieces, first, min(first + _BUFFER_ROWS, rows)))


def copy_rows(
    connection: psycopg.Connection[Any],
    schema: str,
    table: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
) -> None:
    """Writes rows that are given one by one, as Python values."""
    with connection.cursor().copy(_copy_into(schema, table, columns)) as copy:
        for row in rows:
            copy.write_row(row)


def _copy_into(schema: str, table: str, columns: Mapping[str, Any] | Sequence[str]) -> sql.Composed:
    names = sql.SQL(", ").join(sql.Identifier(name) for name in columns)
    return sql.SQL("copy {} ({}) from stdin").format(sql.Identifier(schema, table), names)


def _lines(pieces: Sequence[Bytes | bytes], first: int, last: int) -> bytes:
    widths = [len(p) if isinstance(p, bytes) else p.dtype.itemsize for p in pieces]
    page = np.empty((last - first, sum(widths)), dtype=np.uint8)
    left = 0
    for piece, width in zip(pieces, widths, strict=True):
        if isinstance(piece, bytes):
            page[:, left : left + width] = np.frombuffer(piece, dtype=np.uint8)
        else:
            part = np.ascontiguousarray(piece[first:last])
            page[:, left : left + width] = part.view(np.uint8).reshape(-1, width)
        left += width
    flat = page.ravel()
    text: bytes = flat[flat != 0].tobytes()
    return text
