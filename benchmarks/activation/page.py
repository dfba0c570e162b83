"""The page of results: what was written how fast, and what the application felt of it."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.activation.load import CLIENTS, STATEMENTS, Latencies
from benchmarks.frame.report import Report, Target
from benchmarks.frame.rounds import Series
from orchestration.activation import spool

LIMIT = 2.0
"""How many times its own p95 the load may have."""
RATE = 50_000
"""How many membership rows should be changed in a second, on two cores."""


def write(
    report: Report,
    options: argparse.Namespace,
    figures: Mapping[str, Series],
    latencies: Mapping[str, Sequence[Latencies]],
    plan: Mapping[str, Any],
) -> None:
    """Fills the report."""
    rows = options.changes
    report.text(
        f"{rows:,} membership rows of {options.shops * options.segments:,} segments in "
        f"{options.shops:,} shops are written by `activate`, in batches of "
        f"{spool.BATCH_ROWS:,} over one connection. `first`: all of them are new. `mixed`: a third "
        "each enters, comes back and leaves, and a quarter as many rows stay as they are. Medians "
        f"of {options.repetitions} rounds, with the least and the most in parentheses. After every "
        "activation all rows of both sides were compared, by count and content hash, and a second "
        "activation wrote nothing; had one differed, there would be no report."
    )
    report.targets += [
        Target(
            "p95 of the load beside an activation; without one = 1",
            figures["beside the load: p95 ratio"].median,
            LIMIT,
            is_least=False,
        ),
        Target(
            "changes/s, written to the quiet database",
            (rows / figures["mixed: write"]).median,
            RATE,
            is_least=True,
        ),
        Target(
            "changes/s of which all are new rows, the same",
            (rows / figures["first: write"]).median,
            RATE,
            is_least=True,
        ),
        Target(
            "time to write new rows; one plain INSERT of the same rows = 1",
            (figures["first: write"] / figures["plain insert: seconds"]).median,
            1.5,
            is_least=False,
        ),
    ]
    _throughput(report, rows, figures)
    _bound(report, rows, figures, plan)
    _latency(report, options, figures, latencies)


def _throughput(report: Report, rows: int, figures: Mapping[str, Series]) -> None:
    report.heading("Throughput")
    lines = [
        [
            "one plain INSERT",
            "-",
            figures["plain insert: seconds"].show(),
            _per_second(rows, figures["plain insert: seconds"]),
            "-",
        ]
    ]
    for name, label in (
        ("first", "first"),
        ("mixed", "mixed"),
        ("beside the load", "mixed, beside the load"),
        ("paced", "mixed, beside the load, paced"),
    ):
        lines.append(
            [
                label,
                figures[f"{name}: plan"].show(),
                figures[f"{name}: write"].show(),
                _per_second(rows, figures[f"{name}: write"]),
                figures[f"{name}: again"].show() if f"{name}: again" in figures else "-",
            ]
        )
    report.table(["", "plan, s", "write, s", "changes/s while writing", "again, s"], lines)
    report.points(
        [
            "`plan`: until the difference is taken and laid by; nothing is locked meanwhile. "
            "`write`: from the first batch until the run is recorded, counters included.",
            "`again`: the whole of a second activation, which finds nothing to do.",
        ]
    )


def _bound(
    report: Report, rows: int, figures: Mapping[str, Series], plan: Mapping[str, Any]
) -> None:
    report.heading("What bounds it")
    keys, seconds = figures["plain insert: keys"], figures["plain insert: seconds"]
    each = (seconds / Series((float(rows),) * len(seconds.values))).median * 1e6
    checked = (keys / Series((float(rows),) * len(keys.values))).median * 1e6
    report.text(
        f"The yardstick is a single `INSERT … SELECT` of the same rows, which lie on the server "
        f"already, into the same table with its four indexes: no comparison, no batches, no "
        f"commits in between. By EXPLAIN ANALYZE it takes {each:.1f} µs a row, of which "
        f"{checked:.1f} µs are the checks of the two foreign keys (a row lock on the customer and "
        f"on the segment each), the rest the heap, four index entries, and "
        f"{plan['wal_bytes'] / rows:,.0f} bytes of log. One backend does that on one core: this "
        "is what a row costs PostgreSQL, whoever writes it. Activation takes "
        f"{(figures['first: write'] / seconds).show()} times as long; it stays on one connection, "
        "so that the other cores are the application's."
    )


def _latency(
    report: Report,
    options: argparse.Namespace,
    figures: Mapping[str, Series],
    latencies: Mapping[str, Sequence[Latencies]],
) -> None:
    report.heading("What the application feels")
    lines = []
    for name, label in (("beside the load", "as fast as it can"), ("paced", "paced")):
        for kind, when in (("quiet", "without"), ("busy", f"with an activation, {label}")):
            lines.append(
                [
                    when,
                    *(figures[f"{name}: {kind} p{percent}"].show() for percent in (50, 95, 99)),
                    "1" if kind == "quiet" else figures[f"{name}: p95 ratio"].show(),
                ]
            )
    report.table(["ms", "p50", "p95", "p99", "p95, without = 1"], lines)
    report.text("The p95 of each statement, in ms, all rounds together:")
    found = {name: _together(series) for name, series in latencies.items()}
    report.table(
        ["", "of a hundred", "without", "beside the load", "paced"],
        [
            [
                statement,
                str(weight),
                _p95(found["beside the load: quiet"], statement),
                _p95(found["beside the load: busy"], statement),
                _p95(found["paced: busy"], statement),
            ]
            for statement, (weight, _) in STATEMENTS.items()
        ],
    )
    report.points(
        [
            f"The load is pgbench: {CLIENTS} clients, {options.load} transactions a second, due "
            "at random times; a latency counts from when the transaction was due. It reads and "
            "writes the tables that activation writes, customers drawn by a Zipfian law.",
            "`without` is the same load on the same database right before; `paced` is an "
            f"activation with `--max-rows-per-second {options.pace}`.",
            "The load, activation and both servers share the machine's cores.",
        ]
    )


def _per_second(rows: int, seconds: Series) -> str:
    return (rows / seconds).show(0)


def _together(series: Sequence[Latencies]) -> Latencies:
    whole = Latencies()
    for latencies in series:
        for statement, values in latencies.by_statement.items():
            whole.by_statement.setdefault(statement, []).extend(values)
    return whole


def _p95(latencies: Latencies, statement: str) -> str:
    values = latencies.by_statement.get(statement, [])
    return f"{statistics.quantiles(values, n=100)[94]:,.2f}" if len(values) > 1 else "-"
