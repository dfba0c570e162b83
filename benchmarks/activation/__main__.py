"""`python -m benchmarks.activation`: writing back beside a live load; writes activation.md."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.activation import page, yardstick
from benchmarks.activation.load import Latencies, Load
from benchmarks.activation.world import (
    Changes,
    fill_application,
    fill_warehouse,
    require_written,
    want,
)
from benchmarks.frame import options as frame
from benchmarks.frame.gates import require
from benchmarks.frame.report import Report
from benchmarks.frame.rounds import Series, alternate
from benchmarks.frame.sample import fill
from benchmarks.frame.servers import Servers, private_servers
from orchestration import activation
from orchestration.database import Database


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = frame.parser("activation", "Measures activation beside the application's own load.")
    parser.add_argument(
        "--changes", type=int, default=1_000_000, help="membership rows to be changed"
    )
    parser.add_argument("--segments", type=int, default=6, help="segments of each shop")
    parser.add_argument("--load", type=int, default=300, help="the load's transactions per second")
    parser.add_argument(
        "--pace", type=int, default=20_000, help="rows per second of the paced activation"
    )
    parser.add_argument(
        "--quiet-seconds", type=float, default=20.0, help="how long the load is measured by itself"
    )
    parser.add_argument(
        "--settle-seconds",
        type=float,
        default=30.0,
        help="how long it runs before: until the copied database has reached the disk",
    )
    return parser.parse_args(arguments)


class Scenario:
    """One run: the servers, the sizes, and what has been found."""

    def __init__(
        self, options: argparse.Namespace, servers: Servers, say: Callable[[str], None]
    ) -> None:
        self.options, self.servers, self.say = options, servers, say
        self.size = frame.size_of(options)
        self.rows = fill(servers.source, self.size, say)
        unchanged = options.changes // 4
        self.first = Changes("first", options.changes, is_first=True, unchanged=0)
        self.mixed = Changes("mixed", options.changes, is_first=False, unchanged=unchanged)
        self.latencies: dict[str, list[Latencies]] = {}

    def run(self, warehouse: Database) -> dict[str, Series]:
        """Measures everything.

        Raises:
            GateError: A result is wrong.
        """
        with self.servers.source.new_database("sample_copy", template=self.size.database) as copy:
            fill_warehouse(warehouse, copy, self.options.segments)
        contenders = {
            "plain insert": lambda: self._yardstick(warehouse),
            "first": lambda: self._alone(warehouse, self.first),
            "mixed": lambda: self._alone(warehouse, self.mixed),
            "beside the load": lambda: self._beside(warehouse, self.mixed, None),
            "paced": lambda: self._beside(warehouse, self.mixed, self.options.pace),
        }
        return alternate(contenders, self.options.repetitions, self.say)

    def _yardstick(self, warehouse: Database) -> Mapping[str, float]:
        self.plan = yardstick.measure(self.servers, self.size.database, warehouse, self.first)
        return yardstick.figures(self.plan)

    def _alone(self, warehouse: Database, changes: Changes) -> Mapping[str, float]:
        want(warehouse, changes)
        with self.servers.source.new_database("application", self.size.database) as application:
            fill_application(application, warehouse)
            self.servers.checkpoint()
            plan, whole = self._activate(application, warehouse, changes.rows, None)
            require_written(application, warehouse)
            began = time.monotonic()
            again = activation.activate(application, "public", warehouse)
            require(again.rows_written == 0, f"A second run wrote {again.rows_written:,} rows.")
            return {
                f"{changes.name}: plan": plan,
                f"{changes.name}: write": whole - plan,
                f"{changes.name}: again": time.monotonic() - began,
            }

    def _beside(
        self, warehouse: Database, changes: Changes, pace: int | None
    ) -> Mapping[str, float]:
        """The load alone, and then, on the same database, the load and an activation."""
        name = "paced" if pace else "beside the load"
        want(warehouse, changes)
        with self.servers.source.new_database("application", self.size.database) as application:
            fill_application(application, warehouse)
            self.servers.checkpoint()
            sizes = {"customers": self.size.customers, "segments": self._segments(application)}
            load = Load(self.servers.source, "application", self.options.load, sizes)
            with load.running():
                time.sleep(self.options.settle_seconds)
            with load.running() as quiet:
                time.sleep(self.options.quiet_seconds)
            with load.running() as busy:
                plan, whole = self._activate(application, warehouse, changes.rows, pace)
            require_written(application, warehouse)
            for kind, latencies in (("quiet", quiet), ("busy", busy)):
                self.latencies.setdefault(f"{name}: {kind}", []).append(latencies)
            return {
                f"{name}: plan": plan,
                f"{name}: write": whole - plan,
                **{
                    f"{name}: {kind} p{percent}": latencies.percentile(percent)
                    for kind, latencies in (("quiet", quiet), ("busy", busy))
                    for percent in (50, 95, 99)
                },
                f"{name}: p95 ratio": busy.percentile(95) / quiet.percentile(95),
            }

    def _segments(self, application: Database) -> int:
        with application.connect() as connection:
            row = connection.execute("select max(id) from customer_segments").fetchone()
        assert row is not None
        return int(row[0])

    def _activate(
        self, application: Database, warehouse: Database, rows: int, pace: int | None
    ) -> tuple[float, float]:
        """Seconds until the plan was there, and until all was written."""
        began = time.monotonic()
        result = activation.activate(
            application,
            "public",
            warehouse,
            allow_large_changes=True,
            max_rows_per_second=pace,
        )
        whole = time.monotonic() - began
        changed = sum(segment.rows for segment in result.segments)
        require(changed == rows, f"{changed:,} membership rows were written, not {rows:,}.")
        require(result.problems == [], f"The activation held or failed: {result.problems[:3]}")
        with warehouse.connect() as connection:
            row = connection.execute(
                "select extract(epoch from finished_at - started_at)::float from ops.activations"
                " order by run_id desc limit 1"
            ).fetchone()
        assert row is not None
        return whole - row[0], whole


def measure(options: argparse.Namespace, say: Callable[[str], None]) -> Path:
    """Runs the scenario.

    Returns:
        The report's path.

    Raises:
        GateError: A result is wrong.
        LoyaltyError: The servers or the sample cannot be had.
    """
    report = Report("Activation: a million membership changes beside a live application")
    say(f"Starting PostgreSQL {options.postgres}")
    with (
        private_servers(options.postgres, options.servers, options.keep) as servers,
        servers.warehouse.new_database("warehouse") as warehouse,
    ):
        scenario = Scenario(options, servers, say)
        figures = scenario.run(Database("warehouse", warehouse.url, warehouse.variable))
        page.write(report, options, figures, scenario.latencies, scenario.plan)
        report.record("activation", figures)
        report.conditions(servers, scenario.rows)
    return report.write(options.results, "activation")


if __name__ == "__main__":
    chosen = _options(None)
    sys.exit(frame.run(lambda: measure(chosen, frame.teller())))
