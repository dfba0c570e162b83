"""Running balance and first-in first-out: our models' queries against DuckDB's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from benchmarks.frame.gates import require
from benchmarks.frame.report import Report, Target
from benchmarks.frame.rounds import Contender, Series, alternate
from benchmarks.marts.duckdb_peer import THREADS, DuckDB
from benchmarks.marts.duckdb_queries import QUERIES
from benchmarks.marts.statements import SCHEMA, Column, Statements

FIFO = ("int_point_pieces", "fct_point_lots", "fct_point_lot_allocations")
MODELS = ("fct_point_ledger", *FIFO)

BALANCE = """
select
    customer_id,
    transaction_id,
    (sum(points_amount) over (
        partition by customer_id
        order by created_at asc nulls first, transaction_id asc
        rows between unbounded preceding and current row
    ))::bigint as balance_after
from staging.stg_point_transactions
"""
"""The running balance and nothing else: what the ledger's other columns cost is the difference."""


class Ledger:
    """Both databases' ways to the ledger, pieces, lots and allocations of the same transactions."""

    def __init__(
        self,
        statements: Statements,
        compiled: Mapping[str, str],
        duckdb: DuckDB | None,
        as_of: datetime,
    ) -> None:
        self.statements, self.duckdb, self.as_of = statements, duckdb, as_of
        self.queries = {"balance": BALANCE, **{model: compiled[model] for model in MODELS}}
        self.columns: dict[str, list[Column]] = {}
        self.contents: dict[tuple[str, str], tuple[str, ...]] = {}
        self.hashed: set[tuple[str, str]] = set()

    def measure(self, rounds: int, say: Callable[[str], None]) -> dict[str, Series]:
        """Measures both in turn, comparing every table, and then explains ours."""
        contenders: dict[str, Contender] = {"PostgreSQL": self._ours}
        if self.duckdb:
            say("Loading DuckDB")
            self.duckdb.load(self.statements)
            contenders["DuckDB"] = self._theirs
        else:
            say(
                "DuckDB is skipped: install benchmarks/requirements.txt, name its Python by --peers"
            )
        # Ours goes first: DuckDB's results are compared with it, column by column.
        found = alternate(contenders, rounds, say)
        say("Explaining")
        for name, query in self.queries.items():
            self.statements.explain(name, query)
        return found

    def _ours(self) -> Mapping[str, float]:
        found = {}
        for name, query in self.queries.items():
            found[f"{name}: PostgreSQL"] = self.statements.run(name, query)
            self.columns.setdefault(name, self.statements.columns(name))
            self._check(name, self.statements)
            self.statements.execute(f"drop table {SCHEMA}.{name}")
        return found

    def _theirs(self) -> Mapping[str, float]:
        assert self.duckdb is not None
        found = {}
        for name, query in QUERIES.items():
            words = query.replace("{as_of}", self.as_of.isoformat())
            found[f"{name}: DuckDB"] = self.duckdb.run(name, words)
            self.duckdb.require_columns(name, self.columns[name])
            self._check(name, self.duckdb)
        return found

    def _check(self, name: str, where: Statements | DuckDB) -> None:
        """Compares a table with the first of that name: by hash each database's first one."""
        columns, who = self.columns[name], type(where).__name__
        checks = {"summary": where.summary}
        if (name, who) not in self.hashed:
            self.hashed.add((name, who))
            checks["hash"] = where.hash
        for what, check in checks.items():
            found = check(name, columns)
            wanted = self.contents.setdefault((name, what), found)
            require(
                found == wanted, f"{name} of {who} is wrong: its {what} is {found}, not {wanted}"
            )


def write(report: Report, figures: Mapping[str, Series], duckdb: DuckDB | None) -> None:
    """Adds the section on balance and first-in first-out."""
    report.heading("Running balance, and first-in first-out")
    theirs = f"DuckDB {duckdb.version}" if duckdb else "DuckDB"
    parts = {
        "the balance alone": ["balance"],
        "balance: `fct_point_ledger`": ["fct_point_ledger"],
        **{f"FIFO: `{model}`": [model] for model in FIFO},
        "FIFO: all three": [*FIFO],
    }
    lines, ratios = [], {}
    for what, names in parts.items():
        ours = _sum(figures, names, "PostgreSQL")
        line = [what, ours.show(), "-", "-"]
        if duckdb:
            other = _sum(figures, names, "DuckDB")
            ratios[what] = ours / other
            line[2:] = [other.show(), ratios[what].show()]
        lines.append(line)
    report.table(["", "PostgreSQL, seconds", f"{theirs}, seconds", "DuckDB = 1"], lines)
    report.points(
        [
            "PostgreSQL: `create unlogged table … as` the query of the model, as dbt compiles it "
            "for a build that computes all rows, reading what the model reads. The time of a model "
            "in a build is more: there the rows are compared, logged and indexed, and models share "
            "the cores.",
            "DuckDB: `create table … as` its own query for the same rows and columns, in memory, "
            f"with {THREADS} threads, from native tables of the columns that are read, without "
            "keeping the order of rows; the ledger reads its table of transactions, the others its "
            "own ledger. The algorithm is the same, in the words that are fastest there.",
            "`the balance alone` is customer, transaction and balance, without the shop, the "
            "entry's number, the totals of both sides and the other columns.",
            "After every measurement the number of rows and the sum or count of every column are "
            "compared with the first result, and in the first round a hash of all columns of all "
            "rows, which both databases compute alike.",
        ]
    )
    for what, part in {
        "running balance (`fct_point_ledger`)": "balance: `fct_point_ledger`",
        "FIFO (pieces, lots and allocations)": "FIFO: all three",
    }.items():
        found = ratios[part].median if part in ratios else None
        report.targets.append(Target(f"{what}; DuckDB = 1", found, 3.5, is_least=False))


def _sum(figures: Mapping[str, Series], names: Sequence[str], where: str) -> Series:
    rounds = zip(*(figures[f"{name}: {where}"].values for name in names), strict=True)
    return Series(tuple(map(sum, rounds)))
