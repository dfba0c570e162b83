"""Marts are safe to build on: a run with nothing new writes no row and drops nobody's view."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import PostgresServer
from dbt_in_process import Dbt
from oracles.history import random_history
from psycopg import Connection, sql
from psycopg.rows import TupleRow
from warehouses import filled_warehouse

from orchestration import segments
from orchestration.build import dbt_build_arguments, run_dbt
from orchestration.database import Database
from orchestration.errors import LoyaltyError

AS_OF = "2025-01-08T15:30:00+00:00"
VIEWS = """
create schema analyst;
create view analyst.orders as select * from marts.fct_orders;
create view analyst.customers as select * from marts.dim_customers;
create view analyst.members as select * from marts.customer_segment_memberships;
"""
TABLES = "select table_name from information_schema.tables " + (
    "where table_schema = 'marts' and table_type = 'BASE TABLE'"
)


def row_versions(connection: Connection[TupleRow]) -> dict[str, str]:
    """Which version of each row every mart holds: any write to a row changes it."""
    names = [name for (name,) in connection.execute(TABLES)]
    versions = {}
    for name in names:
        query = sql.SQL("select string_agg(ctid::text || xmin, ',' order by ctid) from marts.{}")
        row = connection.execute(query.format(sql.Identifier(name))).fetchone()
        assert row
        versions[name] = row[0]
    return versions


@pytest.fixture(scope="module")
def warehouse(server: PostgresServer, dbt: Dbt) -> Database:
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


def test_a_full_refresh_writes_no_equal_row_and_keeps_the_views_of_analysts(
    warehouse: Database, dbt: Dbt
) -> None:
    with warehouse.connect() as connection:
        connection.execute(VIEWS)
        before = row_versions(connection)
        members = connection.execute("select count(*) from analyst.members").fetchone()
    assert members
    assert members[0] > 0
    assert dbt.build(warehouse, AS_OF, full_refresh=True, data_tests=True) == []
    with warehouse.connect() as connection:
        assert row_versions(connection) == before
        assert len(before) > 12
        for view in ("orders", "customers", "members"):
            connection.execute(f"select count(*) from analyst.{view}")


def test_the_unit_tests_of_the_models_pass(warehouse: Database, tmp_path: Path) -> None:
    arguments = ["test", "--select", "test_type:unit"]
    result = run_dbt(warehouse, arguments, target_dir=tmp_path, quiet=True)
    assert not result.failures, "\n".join(result.failures)
    assert result.counts["pass"] > 15


def test_a_selection_that_would_read_what_a_crash_has_emptied_is_refused(
    warehouse: Database, dbt: Dbt, tmp_path: Path
) -> None:
    lots = "fct_point_lots"
    arguments = dbt_build_arguments(as_of=AS_OF, select=lots)
    with pytest.raises(LoyaltyError, match="holds not all rows, or others"):
        # The last run was a full one.
        run_dbt(warehouse, arguments, target_dir=tmp_path, quiet=True)
    assert dbt.build(warehouse, AS_OF, data_tests=True) == []
    assert dbt.build(warehouse, AS_OF, select=lots, data_tests=True) == []
    with warehouse.connect() as connection:
        # As after a restart: the unlogged tables were built before the server started.
        connection.execute(
            "update ops.model_watermarks set built_at = pg_postmaster_start_time() "
            "where model like 'intermediate.%'"
        )
    with pytest.raises(LoyaltyError, match=r"Select what lies above, too: --select \+<model>"):
        run_dbt(warehouse, arguments, target_dir=tmp_path, quiet=True)
    assert dbt.build(warehouse, AS_OF, select=f"+{lots}", data_tests=True) == []
