"""`python -m benchmarks.marts`: builds, and the SQL they rest on; writes results/marts.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from benchmarks.frame import options as frame
from benchmarks.frame.gates import require
from benchmarks.frame.report import Report
from benchmarks.frame.rounds import Series
from benchmarks.frame.sample import UNTIL, Size, fill
from benchmarks.frame.servers import Servers, private_servers
from benchmarks.marts import changes, duckdb_peer, ledger, page, rollups, whales
from benchmarks.marts.builds import WAREHOUSE, Build, Builder, differences
from benchmarks.marts.page import CHANGED, FIRST, FULL, NOTHING, Synced
from benchmarks.marts.statements import SCHEMA, Statements
from benchmarks.sync.one_sync import OneSync
from orchestration import operational

PEERS = Path(__file__).resolve().parents[2] / ".loyalty" / "peers" / "bin" / "python"
PARTS = ("changes", "growth", "statements")
EXPLAINED = {FIRST: 3, CHANGED: 5}
"""How many of a build's slowest models are explained, besides the statements."""

PLANS_HEAD = """\
-- explain (analyze, buffers) of each query by itself. A model's is without what compares its rows
-- with those that it keeps and writes them; its tables may have changed since the build.\
"""

# Neither in these forty minutes nor at their ends does a day begin in any time zone in use.
BEGIN = datetime.combine(UNTIL, time(10, 10), tzinfo=UTC)
INSTANTS = {
    FIRST: BEGIN,
    NOTHING: BEGIN + timedelta(minutes=40),
    CHANGED: BEGIN + timedelta(days=1),
}

Say = Callable[[str], None]


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = frame.parser("marts", "Measures builds of the marts, and their SQL against DuckDB.")
    parser.add_argument(
        "--peers", type=Path, default=PEERS, metavar="PYTHON", help="an environment with DuckDB"
    )
    parser.add_argument("--only", choices=PARTS, action="append", help="only this part")
    parser.add_argument("--select", help="only these models (a dbt selector); default: all")
    return parser.parse_args(arguments)


class Scenario:
    """One run: the servers, the sizes, and what has been found so far."""

    def __init__(
        self, options: argparse.Namespace, servers: Servers, folder: Path, say: Say
    ) -> None:
        self.options, self.servers, self.folder, self.say = options, servers, folder, say
        self.parts = options.only or PARTS
        self.size = frame.size_of(options)
        self.small = Size(self.size.transactions // 10, self.size.customers // 10, self.size.shops)
        self.report = Report("Marts: builds, and their SQL against DuckDB")
        self.builds: dict[str, Build] = {}
        self.syncs: dict[str, Synced] = {}
        self.plans: list[str] = []

    def run(self) -> None:
        """Measures all parts.

        Raises:
            GateError: A result is wrong.
        """
        if "growth" in self.parts:
            fill(self.servers.source, self.small, self.say)
        rows = fill(self.servers.source, self.size, self.say)
        self.report.text(
            f"The sample of {rows['point_transactions']:,} point transactions, "
            f"{rows['customer_loyalty_profiles']:,} customers and {rows['shops']:,} shops. Builds "
            f"are measured once, single statements in {self.options.repetitions} rounds in which "
            "the contenders alternate: there the median is shown, with the least and the most in "
            "parentheses, and a ratio is of two measurements of the same round. Results are "
            "compared where it says so; had one differed, there would be no report. The plans of "
            "the statements and of the slowest models are in marts_plans.txt."
        )
        smaller = self._smaller() if "growth" in self.parts else None
        with (
            self.servers.source.new_database("changing", template=self.size.database),
            self.servers.warehouse.new_database(WAREHOUSE),
        ):
            builder = self._builder("changing")
            queries = self._first(builder)
            version = builder.version()
            sections = self._statements(queries) if "statements" in self.parts else None
            changed, equal = None, 0
            if "changes" in self.parts:
                changed, equal = self._changes(builder, rows["point_transactions"])
        page.write_builds(self.report, self.builds, self.syncs, changed, equal)
        page.write_models(self.report, self.builds)
        if smaller:
            sizes = (self.small.transactions, self.size.transactions)
            page.write_growth(self.report, *smaller, self.builds[FIRST], sizes)
        if sections:
            sections()
        self._record(smaller)
        self.report.conditions(self.servers, rows)
        self.report.text(f"Fingerprint of the models and macros: {version}.")

    def _builder(self, source: str) -> Builder:
        return Builder(self.servers, source, self.folder, self.options.select)

    def _smaller(self) -> tuple[Build, Build]:
        """First builds of no rows at all, and of a tenth."""
        with self.servers.source.new_database("empty") as empty:
            operational.create(empty)
            return self._build_once("empty", "no rows"), self._build_once(
                self.small.database, "a tenth"
            )

    def _build_once(self, source: str, what: str) -> Build:
        with self.servers.warehouse.new_database(WAREHOUSE):
            builder = self._builder(source)
            builder.sync(INSTANTS[FIRST])
            builder.parse()
            build = builder.build()
        self._tell(what, build)
        return build

    def _first(self, builder: Builder) -> Mapping[str, str]:
        """The first build; gives the queries of the models that are measured by themselves."""
        self.say("First load")
        synced = builder.sync(INSTANTS[FIRST])
        self.syncs[FIRST] = _synced(synced)
        queries = builder.queries(ledger.MODELS)
        self._build(builder, FIRST)
        require(self.builds[FIRST].is_full, "The first build did not compute all rows.")
        return queries

    def _changes(self, builder: Builder, transactions: int) -> tuple[changes.Changed, int]:
        """Builds after nothing and after 1 % changed, and a full refresh: the same rows."""
        changed = changes.Changed(0, 0, 0)
        for name in (NOTHING, CHANGED):
            if name == CHANGED:
                changed = changes.change(builder.source, transactions, INSTANTS[name])
            self.servers.checkpoint()
            synced = builder.sync(INSTANTS[name])
            table = synced.table("point_transactions")
            require(
                (table["rows_changed"], table["rows_deleted"])
                == (changed.inserted + changed.updated, changed.deleted),
                f"After {changed} the sync says {table['rows_changed']} rows changed, "
                f"{table['rows_deleted']} deleted.",
            )
            self.syncs[name] = _synced(synced)
            self._build(builder, name)
            require(not self.builds[name].is_full, f"{name}: the build computed all rows.")
        incremental = builder.contents(self.say)
        self._build(builder, FULL, full_refresh=True)
        require(self.builds[FULL].is_full, "The full refresh did not compute all rows.")
        problems = differences(incremental, builder.contents(self.say))
        require(not problems, "A full refresh gives other rows.\n" + "\n".join(problems))
        return changed, len(incremental)

    def _build(self, builder: Builder, name: str, *, full_refresh: bool = False) -> None:
        build = self.builds[name] = builder.build(full_refresh=full_refresh)
        self._tell(name, build)
        statements = Statements(self.servers.warehouse, WAREHOUSE, self.plans)
        for model in build.slowest(EXPLAINED.get(name, 0)):
            statements.explain(f"{model}, as the build “{name}” ran it", build.queries[model])

    def _statements(self, queries: Mapping[str, str]) -> Callable[[], None]:
        """Measures single statements; gives what writes their sections."""
        rounds, say = self.options.repetitions, self.say
        statements = Statements(self.servers.warehouse, WAREHOUSE, self.plans)
        # At smaller sizes than the default one, smaller whales.
        entries = min(whales.ENTRIES, max(self.size.transactions // 50, whales.USUAL))
        statements.create()
        with duckdb_peer.running(self.options.peers) as duckdb:
            way = ledger.Ledger(statements, queries, duckdb, INSTANTS[FIRST])
            balances = way.measure(rounds, say)
        counts, events = rollups.measure(statements, rounds, say)
        statements.drop(SCHEMA)
        whole = whales.measure(statements, queries, entries, rounds, say)
        self.report.record("ledger", balances)
        self.report.record("rollups", counts)
        self.report.record("whales", whole)

        def write() -> None:
            ledger.write(self.report, balances, duckdb)
            rollups.write(self.report, counts, events)
            whales.write(self.report, whole, entries)

        return write

    def _record(self, smaller: tuple[Build, Build] | None) -> None:
        builds = dict(self.builds)
        if smaller:
            builds |= {"no rows": smaller[0], "a tenth": smaller[1]}
        for name, build in builds.items():
            figures = {figure: Series((value,)) for figure, value in build.figures().items()}
            self.report.record(f"build: {name}", figures)

    def _tell(self, name: str, build: Build) -> None:
        slowest = ", ".join(f"{model} {build.models[model]:.1f}" for model in build.slowest(3))
        self.say(
            f"build, {name}: {build.seconds:.1f} s; models {build.model_seconds:.1f}, tests "
            f"{build.tests:.1f}; slowest {slowest}"
        )


def _synced(found: OneSync) -> Synced:
    rows = sum(table["rows_changed"] + table["rows_deleted"] for table in found.tables)
    return Synced(found.seconds, rows)


def measure(options: argparse.Namespace, say: Say) -> Path:
    """Runs the scenario.

    Returns:
        The report's path; the plans lie beside it.

    Raises:
        GateError: A result is wrong.
        LoyaltyError: The servers or the sample cannot be had.
    """
    say(f"Starting PostgreSQL {options.postgres}")
    with (
        private_servers(options.postgres, options.servers, options.keep) as servers,
        tempfile.TemporaryDirectory(prefix="loyalty-benchmark-dbt-") as folder,
    ):
        scenario = Scenario(options, servers, Path(folder), say)
        scenario.run()
    page_path = scenario.report.write(options.results, "marts")
    plans = "\n\n".join([PLANS_HEAD, *scenario.plans]) + "\n"
    (options.results / "marts_plans.txt").write_text(plans, encoding="utf-8")
    return page_path


def main(arguments: list[str] | None = None) -> int:
    """The command; see --help."""
    options = _options(arguments)
    return frame.run(lambda: measure(options, frame.teller()))


if __name__ == "__main__":
    sys.exit(main())
