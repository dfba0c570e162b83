"""The marts against the plain-Python oracles, over random histories, row by row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from dbt_in_process import Dbt
from oracles.history import History, random_history
from oracles.registry import ORACLES
from psycopg import sql
from psycopg.rows import dict_row
from warehouses import filled_warehouse

from orchestration.database import Database

SELECT = " ".join(f"+{relation}" for relation in ORACLES)

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

    def rows(self, relation: str) -> list[dict[str, Any]]:
        query = sql.SQL("select * from marts.{}").format(sql.Identifier(relation))
        with self.warehouse.connect() as connection:
            return connection.cursor(row_factory=dict_row).execute(query).fetchall()


@pytest.fixture(scope="module", params=CASES, ids=[f"pg{case[0]}" for case in CASES])
def built(
    request: pytest.FixtureRequest,
    servers: dict[int, Any],
    dbt: Dbt,
) -> Built:
    major, seed, as_of = request.param
    if major not in servers:
        pytest.skip(f"PostgreSQL {major} is not installed here")
    server = servers[major]
    history = random_history(seed, as_of=as_of)
    source, target = (server.url(server.create_database()) for _ in range(2))
    warehouse = filled_warehouse(source, target, history.tables)
    assert dbt.build(warehouse, as_of.isoformat(), select=SELECT, data_tests=True) == []
    return Built(history, warehouse)


@pytest.mark.parametrize("relation", ORACLES)
def test_every_row_is_as_the_oracle_says(built: Built, relation: str) -> None:
    oracle = ORACLES[relation]
    rows = built.rows(relation)
    actual = {oracle.key_of(row): row for row in rows}
    expected = oracle.rows(built.history)
    assert len(actual) == len(rows)
    assert actual.keys() == expected.keys()
    differences = [
        (key, column, actual[key][column], value)
        for key, row in expected.items()
        for column, value in row.items()
        if actual[key][column] != value
    ]
    assert not differences, f"{len(differences)} differ (key, column, mart, oracle): " + "\n".join(
        map(str, differences[:20])
    )
