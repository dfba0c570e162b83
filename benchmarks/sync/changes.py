"""Syncs after nothing, 0.1 % and 1 % of the rows changed, against a bare full copy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from psycopg import sql

from benchmarks.frame.gates import Relation, require, require_equal
from benchmarks.frame.report import Report, Target
from benchmarks.frame.rounds import Series, series_of
from benchmarks.frame.servers import Servers
from benchmarks.sync import one_sync
from benchmarks.sync.full_copy import TABLE, mirrored
from benchmarks.sync.psql import Pipe
from orchestration.sample.target import TABLES

SHARES = {"nothing": 0, "0.1 %": 10, "1 %": 100}
"""What changed, and how many of 10,000 rows that is."""

# A row's place among 0 … 9999 at random, another one every time.
_PLACE = "abs(mod(hashint8extended(id, {salt}), 10000))"


@dataclass(frozen=True)
class Changed:
    """How many rows were changed in the source."""

    updated: int
    inserted: int
    deleted: int


class Changes:
    """One source that changes and one warehouse that follows, for as long as the scenario runs."""

    def __init__(self, servers: Servers, source: str, warehouse: str) -> None:
        self.servers, self.source_name, self.warehouse_name = servers, source, warehouse
        self.source = servers.source.database(source)
        self.warehouse = servers.warehouse.database(warehouse)
        self.salt = 0
        self.reasons: dict[str, str] = {}

    def begin(self) -> one_sync.OneSync:
        """The first load of all tables, checked."""
        found = one_sync.run(self.source, self.warehouse)
        self._check_all()
        # As autovacuum does after a while.
        self.servers.warehouse.execute(self.warehouse_name, "vacuum (analyze)")
        return found

    def measure(self, rounds: int, say: Callable[[str], None]) -> dict[str, Series]:
        """Measures bare copies and syncs in turn, every result checked."""
        found: dict[str, list[float]] = {}

        def note(figures: Mapping[str, float]) -> None:
            for figure, value in figures.items():
                found.setdefault(figure, []).append(value)
            shown = ", ".join(f"{figure} {value:,.2f}" for figure, value in figures.items())
            say(f"round {number + 1} of {rounds}: {shown}")

        names = list(SHARES)
        for number in range(rounds):
            # The yardstick first in one round and last in the next, and so on around.
            if number % 2 == 0:
                note(self._bare_copy())
            for name in names[number % len(names) :] + names[: number % len(names)]:
                note(self._sync(name, one_table=True))
            for name in ("nothing", "1 %"):
                note(self._sync(name, one_table=False))
            if number % 2 == 1:
                note(self._bare_copy())
        self._check_all()
        return series_of(found)

    def _bare_copy(self) -> Mapping[str, float]:
        target = self.servers.warehouse
        with target.new_database("bare") as bare:
            pipe = Pipe(self.servers.source, self.source_name, target, "bare")
            pipe.create([TABLE])
            self.servers.checkpoint()
            seconds = pipe.copy([TABLE])
            require_equal(Relation(self.source, "public", TABLE), Relation(bare, "public", TABLE))
        return {"bare copy": seconds}

    def _sync(self, name: str, *, one_table: bool) -> Mapping[str, float]:
        changed = self._change(SHARES[name])
        self.servers.checkpoint()
        found = one_sync.run(self.source, self.warehouse, [TABLE] if one_table else None)
        table = found.table(TABLE)
        require(
            (table["rows_changed"], table["rows_deleted"])
            == (changed.updated + changed.inserted, changed.deleted),
            f"After {changed} the sync says {table['rows_changed']} rows changed, "
            f"{table['rows_deleted']} deleted.",
        )
        require_equal(Relation(self.source, "public", TABLE), mirrored(self.warehouse, TABLE))
        what = name if one_table else f"{name}, all tables"
        self.reasons[what] = f"{table['mode']} ({table['reason']})"
        return {
            f"{what}: seconds": found.seconds,
            f"{what}: reading": found.seconds - found.applying,
            f"{what}: applying": found.applying,
            f"{what}: rows": float(sum(vars(changed).values())),
            f"{what}: peak MB": found.peak_megabytes,
        }

    def _change(self, places: int) -> Changed:
        """Changes that share of the rows: 8 of 10 by an update, 1 by an insert, 1 by a delete."""
        if not places:
            return Changed(0, 0, 0)
        self.salt += 1
        tenth = places // 10
        place = sql.SQL(_PLACE).format(salt=sql.Literal(self.salt))
        table = sql.Identifier(TABLE)
        with self.source.connect(autocommit=True) as connection:
            names = connection.execute(
                "select attname from pg_attribute where attrelid = %s::regclass "
                "and attnum > 0 and not attisdropped and attname <> 'id'",
                [TABLE],
            ).fetchall()
            columns = sql.SQL(", ").join(sql.Identifier(name) for (name,) in names)
            # The table has no updated_at, and its serial key is not told which rows are new.
            updated = connection.execute(
                sql.SQL(
                    "update {} set points_balance_after = points_balance_after + 1 where {} < {}"
                ).format(table, place, sql.Literal(8 * tenth))
            ).rowcount
            deleted = connection.execute(
                sql.SQL("delete from {} where {} between {} and {}").format(
                    table, place, sql.Literal(8 * tenth), sql.Literal(9 * tenth - 1)
                )
            ).rowcount
            inserted = connection.execute(
                sql.SQL("insert into {0} ({1}) select {1} from {0} where {2} between {3} and {4}")
                .format(
                    table, columns, place, sql.Literal(9 * tenth), sql.Literal(10 * tenth - 1)
                )
            ).rowcount  # fmt: skip
        return Changed(updated, inserted, deleted)

    def _check_all(self) -> None:
        for table in TABLES:
            require_equal(Relation(self.source, "public", table), mirrored(self.warehouse, table))


def write(report: Report, figures: Mapping[str, Series], reasons: Mapping[str, str]) -> None:
    """Adds the section on changes."""
    bare = figures["bare copy"]
    report.heading(f"Changes in {TABLE}")
    rows = [["bare full copy by psql", "", bare.show(), "", "", "1", ""]]
    for name, reason in reasons.items():
        seconds = figures[f"{name}: seconds"]
        rows.append(
            [
                name,
                f"{figures[f'{name}: rows'].median:,.0f}",
                seconds.show(),
                f"{figures[f'{name}: reading'].median:.2f}",
                f"{figures[f'{name}: applying'].median:.2f}",
                (seconds / bare).show(),
                reason,
            ]
        )
    report.table(
        ["changed", "rows", "seconds", "reading", "applying", "bare copy = 1", "the sync's mode"],
        rows,
    )
    report.points(
        [
            "Of the changed rows 8 in 10 are updated in place (the table has no `updated_at`), 1 "
            "is inserted, 1 is deleted; they are spread at random over the whole table, others in "
            "every round. A checkpoint stands before every measurement, so every page that is "
            "written then goes to the log whole.",
            "`bare full copy by psql`: the pipe of the full copy, of the table as it is in that "
            "round, into a table without keys; all ratios are to it.",
            "The sync is `sync(tables=['point_transactions'])`, or `sync()` where it says all "
            "tables (only point_transactions has changes there): the whole call, in a process of "
            "its own, without Python's start. `reading` is until all tables are read and staged, "
            "`applying` is the closing transaction.",
            "Gates after every sync: it reports exactly the rows that were changed and deleted, "
            "and all live rows of raw equal all rows of the source; at the end, so do all "
            "15 tables.",
        ]
    )
    report.targets.append(
        Target(
            "sync after 1 % changed, with deletes; bare full copy = 1",
            (figures["1 %: seconds"] / bare).median,
            0.25,
            is_least=False,
            aim=0.15,
        )
    )
