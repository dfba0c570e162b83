"""Activation as Dagster runs it: its steps, what they record, and who is told of what is held."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from activation_world import World, new_world, shared_world, world
from typer.testing import CliRunner
from webhooks import listening

from orchestration.cli.app import app
from orchestration.defs.activation import written_back
from orchestration.defs.handover import HandoverIOManager
from orchestration.defs.notification import webhook as sensor
from orchestration.defs.resources import DatabasesResource
from orchestration.run import COMMAND_TAG

__all__ = ["new_world", "shared_world", "world"]

STEPS = ["activate.plan", "activate.brakes", "activate.apply", "activate.record"]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def shop(world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    """A segment that would lose its 30 members, and one that gains two."""
    monkeypatch.setenv("LOYALTY_OPERATIONAL_URL", world.operational.url)
    monkeypatch.setenv("LOYALTY_WAREHOUSE_URL", world.warehouse.url)
    monkeypatch.setenv("LOYALTY_HOME", str(tmp_path))
    world.shop(1)
    world.customers(1, range(1, 31))
    world.segment(10, 1, name="Of Jane Doe", count=0)
    world.segment(11, 1, name="Silver", count=2)
    world.members(10, range(1, 31))
    world.stays(11, 1, [1, 2])
    world.campaign(5, 1, {"target_segments": ["Of Jane Doe"]})
    return world


def materialized(
    instance: dg.DagsterInstance,
    config: dict[str, Any] | None = None,
    tags: dict[str, str] | None = None,
) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [written_back],
        resources={"databases": DatabasesResource(), "handover": HandoverIOManager()},
        run_config={"ops": {"activate": {"config": config or {}}}},
        instance=instance,
        raise_on_error=False,
        tags=tags,
    )


def metadata(result: dg.ExecuteInProcessResult, table: str) -> dict[str, Any]:
    [event] = [
        event
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey(["operational", table])
    ]
    found = event.step_materialization_data.materialization.metadata
    return {
        name: [record.data for record in value.records]
        if isinstance(value, dg.TableMetadataValue)
        else value.value
        for name, value in found.items()
    }


def test_each_step_is_an_op_and_what_is_held_fails_the_last(
    shop: World, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    result = materialized(instance)
    done = [e.step_key for e in result.all_events if e.is_step_success]
    assert (done, [e.step_key for e in result.get_step_failure_events()]) == (STEPS[:3], STEPS[3:])
    [failure] = result.get_step_failure_events()
    assert "lose all of its 30 members" in failure.step_failure_data.user_failure_data.description
    members = metadata(result, "customer_segment_memberships")
    assert (members["added"], members["held"]) == (2, 30)
    listed = ("segment", "status", "added", "held")
    assert [tuple(row[name] for name in listed) for row in members["segments"]] == [
        ("Of Jane Doe", "held", 0, 30),
        ("Silver", "done", 2, 0),
    ]
    assert metadata(result, "campaigns")["held"] == 1
    assert list((tmp_path / "activation").iterdir()) == []
    assert (shop.active(11), len(shop.active(10))) == ({1, 2}, 30)


def test_the_config_lets_large_changes_through_and_sets_a_rate(
    shop: World, instance: dg.DagsterInstance
) -> None:
    config = {"allow_large_changes": True, "max_rows_per_second": 100_000}
    result = materialized(instance, config)
    assert result.success
    assert shop.active(10) == set()
    with pytest.raises(dg.DagsterConfigMappingFunctionError):
        materialized(instance, {"max_rows_per_second": 0})


def test_a_run_whose_apply_failed_goes_on_from_there(
    shop: World, instance: dg.DagsterInstance
) -> None:
    shop.marts.execute("alter table ops.activations rename to hidden")
    try:
        first = only_activation().execute_in_process(instance=instance, raise_on_error=False)
    finally:
        shop.marts.execute("alter table ops.hidden rename to activations")
    assert [e.step_key for e in first.get_step_failure_events()] == ["activate.apply"]
    run = instance.get_run_by_id(first.run_id)
    assert run is not None
    with dg.execute_job(
        dg.reconstructable(only_activation),
        instance=instance,
        reexecution_options=dg.ReexecutionOptions.from_failure(first.run_id, instance),
    ) as again:
        done = [event.step_key for event in again.all_node_events if event.is_step_success]
        failed = [event.step_key for event in again.all_node_events if event.is_step_failure]
    assert (done, failed) == (["activate.apply"], ["activate.record"])  # something is held
    assert shop.active(11) == {1, 2}


def only_activation() -> dg.JobDefinition:
    """A job of these steps alone, as another process would load it."""
    return dg.Definitions(
        assets=[written_back],
        resources={"databases": DatabasesResource(), "handover": HandoverIOManager()},
        jobs=[dg.define_asset_job("only", executor_def=dg.in_process_executor)],
    ).resolve_job_def("only")


def told(
    instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult
) -> dg.SkipReason | list[Any] | None:
    [event] = [e for e in result.all_events if e.event_type == dg.DagsterEventType.RUN_FAILURE]
    run = instance.get_run_by_id(result.run_id)
    assert run is not None
    context = dg.build_run_status_sensor_context("webhook", event, instance, run)
    return sensor(context.for_run_failure())  # type: ignore[no-any-return]


def test_the_sensor_tells_in_ids_and_counts(
    shop: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening() as webhook:
        monkeypatch.setenv("LOYALTY_WEBHOOK_URL", webhook.url)
        result = materialized(instance)
        assert told(instance, result) is None
    [document] = webhook.documents
    assert document["event"] == "activation_incomplete"
    assert (document["run_id"], document["failed_steps"]) == (result.run_id, STEPS[3:])
    assert document["problems"] == [
        {"subject": "segment", "shop_id": 1, "segment_id": 10, "status": "held", "rows": 30},
        {"subject": "campaign", "shop_id": 1, "campaign_id": 5, "status": "held"},
    ]
    assert b"Jane" not in webhook.requests[0][2]


def test_the_sensor_leaves_the_commands_runs_to_the_commands(
    shop: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening() as webhook:
        skipped = told(instance, materialized(instance))
        assert "not set" in str(skipped.skip_message)  # type: ignore[union-attr]
        monkeypatch.setenv("LOYALTY_WEBHOOK_URL", webhook.url)
        skipped = told(instance, materialized(instance, tags={COMMAND_TAG: "run"}))
        assert "loyalty run" in str(skipped.skip_message)  # type: ignore[union-attr]
    assert webhook.requests == []


def test_the_command_tells_of_what_is_held_and_of_failures(
    shop: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening() as webhook:
        monkeypatch.setenv("LOYALTY_WEBHOOK_URL", webhook.url)
        assert CliRunner().invoke(app, ["activate", "--dry-run"]).exit_code == 1
        assert webhook.requests == []
        assert CliRunner().invoke(app, ["activate"]).exit_code == 1
        shop.marts.execute("truncate ops.model_watermarks")
        assert CliRunner().invoke(app, ["activate"]).exit_code == 1
    incomplete, failed = webhook.documents
    assert (incomplete["event"], incomplete["command"]) == ("activation_incomplete", "activate")
    assert [problem["segment_id"] for problem in incomplete["problems"][:1]] == [10]
    assert (failed["event"], failed["problems"]) == ("run_failed", [])
    assert b"Jane" not in b"".join(body for _, _, body in webhook.requests)


def test_a_webhook_that_fails_changes_no_exit_code(
    shop: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(*[404] * 9) as webhook:
        monkeypatch.setenv("LOYALTY_WEBHOOK_URL", webhook.url)
        allowed = CliRunner().invoke(app, ["activate", "--json", "--allow-large-changes"])
    assert (allowed.exit_code, webhook.requests) == (0, [])
    assert json.loads(allowed.stdout)["problems"] == []


def test_doctor_shows_no_secret(shop: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOYALTY_WEBHOOK_URL", "https://hooks.example/t0ken")
    monkeypatch.setenv("LOYALTY_MAX_ROWS_PER_SECOND", "5000")
    told = CliRunner().invoke(app, ["doctor"]).output
    assert "nothing is signed" in told
    assert "5,000" in told
    monkeypatch.setenv("LOYALTY_WEBHOOK_SECRET", "s3cret")
    told += CliRunner().invoke(app, ["doctor", "--json"]).output
    assert "t0ken" not in told
    assert "s3cret" not in told
