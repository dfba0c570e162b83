"""The arguments, the environment and the results of dbt, without running it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.build import (
    dbt_build_arguments,
    dbt_environment,
    parse_as_of,
    read_results,
    stop_dbt,
    stopped_with_us,
)
from orchestration.database import Database
from orchestration.errors import LoyaltyError
from orchestration.settings import Settings


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        (None, None),
        ("2026-03-31", "2026-03-31T00:00:00+00:00"),
        ("2026-03-31T22:00", "2026-03-31T22:00:00+00:00"),
        ("2026-03-31T22:00:00+02:00", "2026-03-31T22:00:00+02:00"),
        ("2026-03-31T22:00:00Z", "2026-03-31T22:00:00+00:00"),
    ],
)
def test_an_instant_without_an_offset_is_utc(text: str | None, instant: str | None) -> None:
    assert parse_as_of(text) == instant


@pytest.mark.parametrize("text", ["", "nonsense", "2026-13-01", "31.03.2026", "now()", "infinity"])
def test_what_is_no_instant_is_refused_by_name(text: str) -> None:
    with pytest.raises(LoyaltyError, match="is not an instant") as refused:
        parse_as_of(text)
    assert repr(text) in refused.value.problem


def test_the_arguments_say_no_more_than_was_asked_for() -> None:
    assert dbt_build_arguments() == ["build", "--exclude-resource-type", "unit_test"]
    asked = dbt_build_arguments(
        as_of="2026-03-31T00:00:00+00:00", past=True, full_refresh=True, select="fct_orders"
    )
    assert json.loads(asked[asked.index("--vars") + 1]) == {"as_of": "2026-03-31T00:00:00+00:00"}
    assert asked[asked.index("--target") + 1] == "asof"
    assert asked[asked.index("--select") + 1] == "fct_orders"
    assert "--full-refresh" in asked


def test_dbt_is_given_the_url_in_its_parts() -> None:
    url = "postgresql://u%40x:p%2Fw@db.example:5433/shop?sslmode=verify-full"
    environment = dbt_environment(Database("warehouse", url, "LOYALTY_WAREHOUSE_URL"))
    assert environment == {
        "LOYALTY_DBT_HOST": "db.example",
        "LOYALTY_DBT_PORT": "5433",
        "LOYALTY_DBT_USER": "u@x",
        "LOYALTY_DBT_DBNAME": "shop",
        "LOYALTY_DBT_SSLMODE": "verify-full",
        "DBT_ENV_SECRET_LOYALTY_PASSWORD": "p/w",
    }


def test_results_are_counted_and_failures_come_in_one_line_each(tmp_path: Path) -> None:
    results = [
        {"unique_id": "model.loyalty_warehouse.dim_shops", "status": "success", "message": "ok"},
        {"unique_id": "model.loyalty_warehouse.x", "status": "error", "message": "It\n  broke"},
        {"unique_id": "test.loyalty_warehouse.t.1a2b", "status": "fail", "message": None},
        {"unique_id": "test.loyalty_warehouse.w", "status": "warn", "message": "Got 1 result"},
        {"unique_id": "model.loyalty_warehouse.y", "status": "skipped", "message": None},
    ]
    path = tmp_path / "run_results.json"
    path.write_text(json.dumps({"results": results, "elapsed_time": 1.5}))
    result = read_results(path)
    assert result.counts == {"success": 1, "error": 1, "fail": 1, "warn": 1, "skipped": 1}
    assert result.failures == ["x: It broke", "t.1a2b: "]
    assert result.seconds == 1.5


def test_a_dbt_that_still_runs_is_ended_with_its_block_and_on_demand() -> None:
    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=-1)

    first, second = start(), start()
    with pytest.raises(ZeroDivisionError), stopped_with_us(first):
        _ = 1 / 0
    assert first.poll() is not None
    with stopped_with_us(second):
        stop_dbt()
        assert second.poll() is not None


def test_a_folder_below_home_is_made_or_the_home_is_named(tmp_path: Path) -> None:
    assert Settings(home=tmp_path / "new").folder("dbt").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(LoyaltyError, match="LOYALTY_HOME") as refused:
        Settings(home=tmp_path / "file").folder("dbt")
    assert "may write" in refused.value.remedy
