"""Rows as files of CSV, JSON Lines or Parquet: written as they come, in constant memory."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice
from typing import Any, BinaryIO

ROW_GROUP = 50_000
"""Rows of a Parquet row group: what is held in memory at once."""


class Format(StrEnum):
    """The formats of an export."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


@dataclass(frozen=True)
class Column:
    """A column of an export; `kind` is text, integer or instant."""

    name: str
    kind: str


Rows = Iterable[Sequence[Any]]

# What makes a spreadsheet take a cell for a formula.
_FORMULA = re.compile(r"[=+\-@\t\r\n]")
# An international number is no formula, and no list to send to with a quote before it.
_PHONE_NUMBER = re.compile(r"\+[0-9]{7,15}")


def write(rows: Rows, columns: Sequence[Column], to: Format, out: BinaryIO) -> int:
    """Writes rows in a format and gives their number."""
    counted = _Counted(rows)
    _WRITERS[to](counted, columns, out)
    return counted.count


class _Counted:
    """Rows that are counted as they are read."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[Sequence[Any]]:
        for row in self.rows:
            self.count += 1
            yield row


def _write_csv(rows: Rows, columns: Sequence[Column], out: BinaryIO) -> None:
    # The byte-order mark tells spreadsheets that it is UTF-8; without it they garble names.
    with _text(out, "utf-8-sig") as text:
        writer = csv.writer(text, lineterminator="\r\n")
        writer.writerow([column.name for column in columns])
        for row in rows:
            writer.writerow([spreadsheet_cell(value) for value in row])


def spreadsheet_cell(value: Any) -> Any:
    """A value as a cell that no spreadsheet takes for a formula."""
    if isinstance(value, datetime):
        return value.isoformat()
    if not isinstance(value, str) or not _FORMULA.match(value) or _PHONE_NUMBER.fullmatch(value):
        return value
    return f"'{value}"


def _write_jsonl(rows: Rows, columns: Sequence[Column], out: BinaryIO) -> None:
    names = [column.name for column in columns]
    with _text(out, "utf-8") as text:
        for row in rows:
            document = dict(zip(names, row, strict=True))
            text.write(json.dumps(document, ensure_ascii=False, default=datetime.isoformat) + "\n")


def _write_parquet(rows: Rows, columns: Sequence[Column], out: BinaryIO) -> None:
    # Here, as it takes as long to import as all other modules together.
    import pyarrow as pa
    from pyarrow import parquet

    types = {"text": pa.string(), "integer": pa.int64(), "instant": pa.timestamp("us", tz="UTC")}
    schema = pa.schema([pa.field(column.name, types[column.kind]) for column in columns])
    pending = iter(rows)
    with parquet.ParquetWriter(out, schema) as writer:
        while group := list(islice(pending, ROW_GROUP)):
            values = zip(*group, strict=True)
            arrays = [pa.array(v, field.type) for v, field in zip(values, schema, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))


@contextmanager
def _text(out: BinaryIO, encoding: str) -> Iterator[io.TextIOWrapper]:
    """A text face of a binary file, which stays open."""
    text = io.TextIOWrapper(out, encoding=encoding, newline="")
    try:
        yield text
        text.flush()
    finally:
        text.detach()


_WRITERS: dict[Format, Callable[[Rows, Sequence[Column], BinaryIO], None]] = {
    Format.CSV: _write_csv,
    Format.JSONL: _write_jsonl,
    Format.PARQUET: _write_parquet,
}
