"""The Dagster job end to end, from PostgreSQL 16 to 18: what is recorded, and what fails."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pytest
from conftest import PostgresServer
from dagster._core.instance import InstanceRef
from deployment import Deployment, Finished

from orchestration import sync

RECORDS = dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_CHECK_EVALUATION


@dataclass(frozen=True)
class Recorded:
    """The databases, how `loyalty run` ended, and what Dagster has on record of it."""

    deployment: Deployment
    finished: Finished
    run: dg.DagsterRun
    materializations: Mapping[tuple[str, ...], Mapping[str, Any]]
    checks: Mapping[str, bool]


def recorded(deployment: Deployment, finished: Finished) -> Recorded:
    home = str(deployment.home / "dagster")
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(home)) as instance:
        (run, *_) = instance.get_runs(limit=1)
        materialized, checked = (
            [entry.event_log_entry.get_dagster_event() for entry in entries]
            for entries in (
                instance.get_records_for_run(run.run_id, of_type=kind).records for kind in RECORDS
            )
        )
    return Recorded(
        deployment,
        finished,
        run,
        {
            tuple(event.asset_key.path): {
                name: value.value
                for name, value in event.step_materialization_data.materialization.metadata.items()
            }
            for event in materialized
            if event.asset_key is not None
        },
        {
            event.asset_check_evaluation_data.check_name: event.asset_check_evaluation_data.passed
            for event in checked
        },
    )


@pytest.fixture(scope="module")
def done(
    servers: Mapping[int, PostgresServer], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Recorded]:
    made = Deployment(servers[16], servers[18], tmp_path_factory.mktemp("home"))
    grants = made.loyalty("operational", "grants", "--role", made.writer)
    made.on_source(grants.out)
    yield recorded(made, made.loyalty("run", "--json", **made.as_writer()))
    made.drop()


def test_the_run_is_on_record_as_a_success(done: Recorded) -> None:
    assert done.finished.code == 0, done.finished.said
    assert done.run.status == dg.DagsterRunStatus.SUCCESS
    assert done.run.job_name == "loyalty_run"
    assert done.run.run_id == json.loads(done.finished.out)["run_id"]


def test_every_mirrored_table_is_materialized_with_its_counts(done: Recorded) -> None:
    raw = {key[1]: data for key, data in done.materializations.items() if key[0] == "raw"}
    assert set(raw) == set(sync.TABLES)
    # The same run wrote to these two afterwards.
    for table in set(sync.TABLES) - {"loyalty_analytics", "customer_segment_memberships"}:
        rows = done.deployment.source_rows(f"select count(*) from {table}")
        assert rows == [(raw[table]["rows_read"],)]
    assert {data["sync_id"] for data in raw.values()} == {1}


def test_every_table_of_the_marts_is_materialized_with_its_rows_and_columns(done: Recorded) -> None:
    marts = {key[1]: data for key, data in done.materializations.items() if key[0] == "marts"}
    assert {"dim_shops", "fct_point_ledger", "fct_orders", "loyalty_analytics"} <= set(marts)
    for table in ("dim_shops", "fct_point_ledger", "fct_orders", "loyalty_analytics"):
        rows = done.deployment.rows(f"select count(*) from marts.{table}")
        assert [(marts[table]["dagster/row_count"],)] == rows
        columns = {column.name for column in marts[table]["dagster/column_schema"].columns}
        assert "shop_id" in columns
    assert "dagster/column_lineage" in marts["fct_point_ledger"]


def test_dbt_tests_are_recorded_as_checks(done: Recorded) -> None:
    assert len(done.checks) > 100
    warned = {name for name, passed in done.checks.items() if not passed}
    assert warned  # the application has values that nobody knows
    assert all(name.startswith("accepted_values_stg_") for name in warned), warned


def test_what_was_written_back_is_on_record(done: Recorded) -> None:
    written = {
        key[1]: data for key, data in done.materializations.items() if key[0] == "operational"
    }
    assert set(written) == {
        "campaigns",
        "customer_segment_memberships",
        "customer_segments",
        "loyalty_analytics",
    }
    added = done.deployment.source_rows(
        "select count(*) from customer_segment_memberships where id > 10"
    )
    assert (written["customer_segment_memberships"]["added"],) >= added[0]


def test_a_dbt_test_that_fails_is_a_failed_check_and_exit_code_1(done: Recorded) -> None:
    made = done.deployment
    made.on_target(
        "insert into ops.segment_stays (segment_id, shop_id, customer_id, added_at, removed_at) "
        "values (1, 1, 101, '2024-07-01', '2024-08-01')"
    )
    finished = made.loyalty("run", **made.as_writer())
    name = "assert_stays_of_a_customer_do_not_overlap"
    assert finished.code == 1, finished.said
    assert name in finished.err
    assert "Traceback" not in finished.said
    assert "trying again" not in finished.err
    after = recorded(made, finished)
    assert after.run.status == dg.DagsterRunStatus.FAILURE
    assert after.run.run_id != done.run.run_id
    assert after.checks[name] is False
    assert not any(key[0] == "operational" for key in after.materializations)
