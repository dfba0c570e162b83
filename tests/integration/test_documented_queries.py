"""The analyst's guide holds: its queries run, give the columns that it shows, and miss no mart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import PostgresServer
from dbt_in_process import Dbt
from oracles.history import random_history
from psycopg import Cursor, Rollback
from psycopg.rows import TupleRow
from warehouses import filled_warehouse

from orchestration import segments
from orchestration.database import Database

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "docs/analysts.md", *sorted((ROOT / "docs/analysts").glob("*.md"))]
AS_OF = "2025-01-08T15:30:00+00:00"

BLOCK = re.compile(r"^```sql\n(?P<query>.*?)^```\n(?:\n```\n(?P<header>[^\n]*)\n)?", re.M | re.S)


@dataclass(frozen=True)
class Example:
    """A query of the guide, and the columns of the output that stands under it."""

    query: str
    columns: list[str] | None


def examples(page: Path) -> list[Example]:
    found = []
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        header = block["header"]
        columns = None if header is None else [name.strip() for name in header.split("|")]
        found.append(Example(block["query"], columns))
    return found


@pytest.fixture(scope="module")
def built(server: PostgresServer, dbt: Dbt) -> Database:
    source, target = (server.url(server.create_database()) for _ in range(2))
    history = random_history(4, customers=6)
    history.add(
        "customer_segments",
        shop_id=1,
        name="Has points",
        criteria={"field": "points_balance", "op": "gt", "value": 0},
    )
    warehouse = filled_warehouse(source, target, history.tables)
    segments.compile_rules(warehouse)
    assert dbt.build(warehouse, AS_OF, data_tests=True) == []
    return warehouse


def columns_of(cursor: Cursor[TupleRow]) -> list[str] | None:
    return None if cursor.description is None else [column.name for column in cursor.description]


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_every_query_runs_and_gives_the_columns_that_stand_under_it(
    built: Database, page: Path
) -> None:
    found = examples(page)
    assert found
    with built.connect() as connection:
        for example in found:
            with connection.transaction():
                assert columns_of(connection.execute(example.query)) == example.columns
                raise Rollback


def test_every_mart_is_in_the_guide(built: Database) -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    with built.connect() as connection:
        marts = connection.execute(
            "select table_name from information_schema.tables where table_schema = 'marts'"
        ).fetchall()
    assert len(marts) > 20
    assert [name for (name,) in marts if f"`{name}`" not in text] == []
