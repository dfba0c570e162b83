"""Files of each format: what is in them, and what a spreadsheet makes of it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from orchestration.segments import formats
from orchestration.segments.formats import Column, Format, spreadsheet_cell, write

COLUMNS = (Column("name", "text"), Column("points", "integer"), Column("at", "instant"))
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
ROWS: list[tuple[Any, ...]] = [
    ("Zoë", 5, NOW),
    ('"Quoted", with\r\nlines', -7, None),
    ("=1+1", None, NOW),
    (None, 2**62, NOW),
]


def written(to: Format, rows: Sequence[Sequence[Any]] = ROWS) -> bytes:
    out = io.BytesIO()
    assert write(rows, COLUMNS, to, out) == len(rows)
    return out.getvalue()


def test_csv_is_utf8_with_a_mark_quoted_and_safe() -> None:
    data = written(Format.CSV)
    assert data.startswith(b"\xef\xbb\xbfname,points,at\r\n")
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert rows[1:] == [
        ["Zoë", "5", "2026-03-10T12:00:00+00:00"],
        ['"Quoted", with\r\nlines', "-7", ""],
        ["'=1+1", "", "2026-03-10T12:00:00+00:00"],
        ["", str(2**62), "2026-03-10T12:00:00+00:00"],
    ]


def test_json_lines_are_one_document_each() -> None:
    lines = written(Format.JSONL).decode().splitlines()
    assert [json.loads(line)["name"] for line in lines] == [row[0] for row in ROWS]
    assert json.loads(lines[0]) == {"name": "Zoë", "points": 5, "at": "2026-03-10T12:00:00+00:00"}


def test_parquet_keeps_types_and_values_in_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "ROW_GROUP", 3)
    file = parquet.ParquetFile(io.BytesIO(written(Format.PARQUET)))
    assert file.num_row_groups == 2
    assert [tuple(row.values()) for row in file.read().to_pylist()] == ROWS


@pytest.mark.parametrize("to", list(Format))
def test_a_list_of_nobody_is_a_file_all_the_same(to: Format) -> None:
    assert written(to, []) or to is Format.JSONL


def test_rows_are_written_as_they_come() -> None:
    out, seen = io.BytesIO(), []

    def rows() -> Iterator[tuple[Any, ...]]:
        for position in range(50_000):
            if position % 10_000 == 9_999:
                seen.append(len(out.getvalue()))
            yield ("x" * 20, position, NOW)

    assert write(rows(), COLUMNS, Format.CSV, out) == 50_000
    assert seen == sorted(seen)
    assert 0 < seen[0] < seen[-1]


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_a_cell_that_could_be_a_formula_is_prefixed(first: str) -> None:
    assert spreadsheet_cell(f"{first}SUM(A1)") == f"'{first}SUM(A1)"


@pytest.mark.parametrize("value", ["+447911123456", "Gold", "", "a=b", 5, -5, None])
def test_what_is_no_formula_stays_as_it_is(value: Any) -> None:
    assert spreadsheet_cell(value) == value


@given(st.text())
def test_no_text_becomes_a_formula_and_none_is_lost(text: str) -> None:
    cell = spreadsheet_cell(text)
    assert cell.removeprefix("'") == text.removeprefix("'") or cell == f"'{text}"
    is_number = cell.startswith("+") and cell[1:].isdecimal() and cell.isascii()
    assert is_number or not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
