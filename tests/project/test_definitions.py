"""The Dagster definitions load as production loads them: with no database at hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

DESCRIBE = """
import json
from orchestration.definitions import defs

graph = defs.resolve_asset_graph()
job = defs.resolve_job_def("loyalty_run")
print(json.dumps({
    "parents": {
        "/".join(key.path): sorted("/".join(p.path) for p in graph.get(key).parent_keys)
        for key in graph.get_all_asset_keys()
    },
    "checks": len(graph.asset_check_keys),
    "job": sorted("/".join(key.path) for key in job.asset_layer.executable_asset_keys),
    "schedules": [schedule.name for schedule in defs.schedules],
    "sensors": [sensor.name for sensor in defs.sensors],
    "steps": [step for step in job.graph.node_dict["activate"].definition.node_dict],
}))
"""


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LOYALTY_", "PG"))}
    # A port on which nothing listens: whoever connected while loading would fail here.
    unreachable = "postgresql://nobody@127.0.0.1:1/nothing"
    process = subprocess.run(
        [sys.executable, "-c", DESCRIBE],
        cwd=ROOT,
        env={
            **environment,
            "LOYALTY_OPERATIONAL_URL": unreachable,
            "LOYALTY_WAREHOUSE_URL": unreachable,
            "LOYALTY_HOME": str(tmp_path_factory.mktemp("home")),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    described: dict[str, object] = json.loads(process.stdout.splitlines()[-1])
    return described


def ancestors(parents: dict[str, list[str]], key: str) -> set[str]:
    found: set[str] = set()
    waiting = [key]
    while waiting:
        for parent in parents[waiting.pop()]:
            if parent not in found:
                found.add(parent)
                waiting.append(parent)
    return found


def test_the_fifteen_tables_the_models_and_the_write_back_are_one_graph(
    described: dict[str, dict[str, list[str]]],
) -> None:
    parents = described["parents"]
    assert len([key for key in parents if key.startswith("raw/")]) == 15
    above = ancestors(parents, "operational/customer_segment_memberships")
    assert {"raw/customer_segments", "raw/customer_loyalty_profiles", "ops/segment_plan"} <= above
    assert "raw/point_transactions" in ancestors(parents, "operational/loyalty_analytics")


def test_the_job_runs_every_asset_daily(described: dict[str, object]) -> None:
    filled_by_operators = {"ops/suppressions"}
    assert described["job"] == sorted(described["parents"].keys() - filled_by_operators)  # type: ignore[attr-defined]
    assert described["schedules"] == ["daily"]


def test_activation_is_a_graph_of_steps_and_failures_are_told(described: dict[str, object]) -> None:
    assert described["steps"] == ["plan", "brakes", "apply", "record"]
    assert described["sensors"] == ["webhook"]


def test_dbt_tests_are_asset_checks(described: dict[str, int]) -> None:
    assert described["checks"] > 50
