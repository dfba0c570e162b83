"""The benchmarks run from end to end at a tiny size, clean up, and refuse wrong results."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from benchmarks.frame.gates import GateError, Relation, require_equal
from benchmarks.frame.report import Target
from benchmarks.frame.rounds import Contender, alternate
from orchestration.database import Database

ROOT = Path(__file__).resolve().parents[2]


def test_the_sync_benchmark_measures_checks_and_cleans_up(
    tmp_path: Path, reachable_folder: Callable[[], Path]
) -> None:
    scratch = reachable_folder()
    size = ("--transactions", "3000", "--customers", "300", "--shops", "2", "--repetitions", "1")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.sync", *size, "--results", tmp_path, "--peers", "/none"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "sync.md")
    assert "dlt is skipped" in done.stderr
    assert list(scratch.iterdir()) == []

    found = json.loads((tmp_path / "sync.json").read_text(encoding="utf-8"))
    assert found["rows"]["point_transactions"] == 3000
    assert found["settings"]["fsync"] == "on"
    assert all(value > 0 for value in found["full"]["ours whole"] + found["full"]["psql copy"])
    assert found["changes"]["1 %: rows"][0] > 0
    measured = {target["what"]: target["measured"] is not None for target in found["targets"]}
    assert [what for what, is_measured in measured.items() if not is_measured] == [
        "times as fast as dlt's fastest way"
    ]
    page = (tmp_path / "sync.md").read_text(encoding="utf-8")
    assert not re.search(r"(^|\s|`)/\w", page)
    assert socket.gethostname() not in page + json.dumps(found)
    assert str(ROOT) not in json.dumps(found)


def test_the_marts_benchmark_measures_compares_and_cleans_up(
    tmp_path: Path, reachable_folder: Callable[[], Path]
) -> None:
    scratch = reachable_folder()
    size = ("--transactions", "3000", "--customers", "300", "--shops", "2", "--repetitions", "1")
    models = (
        "+fct_point_lots +fct_point_lot_allocations +int_shops stg_redemption_logs "
        "stg_campaign_participations"
    )
    parts = ("--only", "statements", "--only", "changes", "--select", models)
    results = ("--results", tmp_path, "--peers", "/none")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.marts", *size, *parts, *results],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "marts.md")
    assert "DuckDB is skipped" in done.stderr
    assert list(scratch.iterdir()) == []

    found = json.loads((tmp_path / "marts.json").read_text(encoding="utf-8"))
    computed = {
        name: found[f"build: {name}"]["customers"][0]
        for name in ("first", "nothing changed", "1 % changed", "full refresh")
    }
    assert computed["first"] == computed["full refresh"] == 300
    assert computed["nothing changed"] == 0 < computed["1 % changed"] < 300
    unmeasured = [target["what"] for target in found["targets"] if target["measured"] is None]
    assert unmeasured == [
        "running balance (`fct_point_ledger`); DuckDB = 1",
        "FIFO (pieces, lots and allocations); DuckDB = 1",
    ]
    plans = (tmp_path / "marts_plans.txt").read_text(encoding="utf-8")
    assert "-- int_point_pieces\nSubquery Scan" in plans
    page = (tmp_path / "marts.md").read_text(encoding="utf-8")
    assert not re.search(r"(^|\s|`)/\w", page)
    assert socket.gethostname() not in page + plans + json.dumps(found)
    assert str(ROOT) not in plans + json.dumps(found)


def test_the_activation_benchmark_measures_compares_and_cleans_up(
    tmp_path: Path, reachable_folder: Callable[[], Path]
) -> None:
    scratch = reachable_folder()
    size = ("--transactions", "3000", "--customers", "600", "--shops", "2", "--repetitions", "1")
    work = ("--changes", "900", "--load", "400", "--pace", "450", "--quiet-seconds", "1")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.activation", *size, *work, "--results", tmp_path],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(scratch)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "activation.md")
    assert list(scratch.iterdir()) == []

    found = json.loads((tmp_path / "activation.json").read_text(encoding="utf-8"))
    assert all(value > 0 for values in found["activation"].values() for value in values)
    assert all(target["measured"] is not None for target in found["targets"])
    page = (tmp_path / "activation.md").read_text(encoding="utf-8")
    assert not re.search(r"(^|\s|`)/\w", page)
    assert socket.gethostname() not in page + json.dumps(found)


@pytest.mark.parametrize(
    "harm",
    [
        "update copied.things set price = 1.0 where id = 1",
        "update copied.things set name = null where id = 2",
        "update copied.things set name = case id when 1 then 'b' else 'a' end where id < 3",
        "delete from copied.things where id = 3",
        "insert into copied.things select * from copied.things where id = 3",
        "alter table copied.things drop column name",
    ],
)
def test_a_gate_refuses_a_copy_that_is_not_equal(
    new_database: Callable[[], str], harm: str
) -> None:
    database = Database("database", new_database(), "the test")
    with psycopg.connect(database.url) as connection:
        connection.execute("create schema copied")
        connection.execute("create table things (id int, name varchar(9), price numeric(9, 2))")
        connection.execute("insert into things values (1, 'a', 1), (2, 'b', 2), (3, null, 3)")
        connection.execute(
            "create table copied.things as select id::bigint, name::text, price::numeric, "
            "true as own from things order by id desc"
        )
    copy = Relation(database, "copied", "things", own_columns=("own",))
    assert require_equal(Relation(database, "public", "things"), copy) == 3
    with psycopg.connect(database.url) as connection:
        connection.execute(harm.encode())
    with pytest.raises(GateError, match=r"copied\.things"):
        require_equal(Relation(database, "public", "things"), copy)


def test_every_round_begins_with_the_next_contender_and_ratios_stay_within_a_round() -> None:
    order: list[str] = []

    def contender(name: str, *values: float) -> Contender:
        left = iter(values)

        def measured() -> dict[str, float]:
            order.append(name)
            return {name: next(left)}

        return measured

    both = {"a": contender("a", 1.0, 8.0, 3.0), "b": contender("b", 2.0, 2.0, 3.0)}
    found = alternate(both, 3, lambda message: None)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert (found["a"] / found["b"]).values == (0.5, 4.0, 1.0)
    assert (found["a"] / found["b"]).median == 1.0


@pytest.mark.parametrize(
    ("found", "is_least", "verdict"),
    [
        (0.97, True, "met, and the aim"),
        (0.85, True, "met"),
        (0.40, True, "**missed**: 0.50 of the bound"),
        (0.97, False, "**missed**: 1.21 of the bound"),
        (None, True, "not measured"),
    ],
)
def test_a_missed_target_is_told(found: float | None, is_least: bool, verdict: str) -> None:
    aim = 0.95 if is_least else 0.5
    assert Target("speed", found, 0.8, is_least=is_least, aim=aim).verdict == verdict
