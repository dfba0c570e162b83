"""The marts against the plain-Python oracles, over random histories, row by row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from oracles import analytics, orders, points, tiers
from oracles.history import History, random_history
from psycopg.rows import dict_row
from warehouses import build, filled_warehouse

from orchestration.database import Database

MARTS = "fct_point_ledger fct_point_lots fct_point_lot_allocations fct_tier_progressions fct_orders"
SELECT = " ".join(f"+{mart}" for mart in [*MARTS.split(), "loyalty_analytics"])

# Both changes of the clock in New York and Auckland, and the turn of a year, lie in these windows.
CASES = [
    (18, 1, datetime(2025, 1, 8, 15, 30, tzinfo=UTC)),
    (16, 2, datetime(2024, 4, 21, 0, 0, tzinfo=UTC)),
    (15, 3, datetime(2024, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
]


@dataclass(frozen=True)
class Built:
    history: History
    warehouse: Database

    def rows(self, query: str) -> list[dict[str, Any]]:
        with self.warehouse.connect() as connection:
            return connection.cursor(row_factory=dict_row).execute(query.encode()).fetchall()


@pytest.fixture(scope="module", params=CASES, ids=[f"pg{case[0]}" for case in CASES])
def built(
    request: pytest.FixtureRequest,
    servers: dict[int, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Built:
    major, seed, as_of = request.param
    if major not in servers:
        pytest.skip(f"PostgreSQL {major} is not installed here")
    server = servers[major]
    history = random_history(seed, as_of=as_of)
    source, target = (server.url(server.create_database()) for _ in range(2))
    warehouse = filled_warehouse(source, target, history.tables)
    folder: Path = tmp_path_factory.mktemp("dbt")
    build(warehouse, as_of.isoformat(), folder, SELECT)
    return Built(history, warehouse)


def assert_same(
    actual: list[dict[str, Any]],
    expected: dict[Any, dict[str, Any]],
    key: Callable[[dict[str, Any]], Any],
) -> None:
    """Same keys, and under each key the same values in the columns that the oracle gives."""
    by_key = {key(row): row for row in actual}
    assert len(by_key) == len(actual)
    assert by_key.keys() == expected.keys()
    differences = [
        (name, column, by_key[name][column], value)
        for name, row in expected.items()
        for column, value in row.items()
        if by_key[name][column] != value
    ]
    assert not differences, f"{len(differences)} differ (key, column, mart, oracle): " + "\n".join(
        map(str, differences[:20])
    )


def test_ledger(built: Built) -> None:
    rows = built.rows("select * from marts.fct_point_ledger")
    assert_same(rows, points.ledger(built.history), lambda row: row["transaction_id"])


def test_lots(built: Built) -> None:
    rows = built.rows("select * from marts.fct_point_lots")
    assert_same(rows, points.lots(built.history), lambda row: row["lot_id"])


def test_allocations(built: Built) -> None:
    rows = built.rows("select * from marts.fct_point_lot_allocations")
    actual = {(row["lot_id"], row["transaction_id"]): row["points"] for row in rows}
    assert len(actual) == len(rows)
    assert actual == points.allocations(built.history)


def test_tier_progressions(built: Built) -> None:
    rows = built.rows("select * from marts.fct_tier_progressions")
    assert_same(rows, tiers.progressions(built.history), lambda row: row["tier_history_id"])


def test_orders(built: Built) -> None:
    rows = built.rows("select * from marts.fct_orders")
    expected = orders.orders(built.history)
    assert_same(rows, expected, lambda row: (row["shop_id"], row["order_id"]))


def test_loyalty_analytics(built: Built) -> None:
    rows = built.rows("select * from marts.loyalty_analytics")
    expected = analytics.loyalty_analytics(built.history)
    assert_same(rows, expected, lambda row: (row["shop_id"], row["period_type"], row["date"]))
