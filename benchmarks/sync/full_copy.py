"""The first load against psql's pipe, for the largest table and for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.frame.gates import Relation, require, require_equal
from benchmarks.frame.report import Report, Target
from benchmarks.frame.rounds import Contender, Series
from benchmarks.frame.servers import Servers
from benchmarks.sync import one_sync
from benchmarks.sync.psql import Pipe, keys_of_raw
from orchestration.database import Database
from orchestration.sample.target import TABLES

TABLE = "point_transactions"
MIRROR_COLUMNS = ("_sync_id", "_synced_at", "_deleted_at")
SECRETS = {"shops": ("access_token",)}
"""What the sync leaves in the application, on purpose."""


class FullCopy:
    """The contenders of a full copy, on one filled source database."""

    def __init__(self, servers: Servers, source: str, rows: Mapping[str, int]) -> None:
        self.servers, self.source, self.rows = servers, source, rows
        self.keys = self._keys()

    def contenders(self) -> dict[str, Contender]:
        """Psql's pipe and the sync, each for the largest table and for all 15."""
        return {
            "psql, one table": lambda: self._psql("psql", [TABLE]),
            "ours, one table": lambda: self._ours("ours", [TABLE]),
            "psql, all tables": lambda: self._psql("psql all", TABLES),
            "ours, all tables": lambda: self._ours("ours all", None),
        }

    def warm_up(self) -> None:
        """Brings the source into memory and gives the warehouse a log to recycle; not measured."""
        self._psql("warm-up", TABLES)

    def _keys(self) -> list[tuple[str, str]]:
        # A sync of empty tables tells which keys raw has.
        with self.servers.source.new_database("empty") as source:
            _create_schema(source)
            with self.servers.warehouse.new_database("keys") as warehouse:
                one_sync.run(source, warehouse)
                return keys_of_raw(self.servers.warehouse, "keys")

    def _psql(self, name: str, tables: Sequence[str]) -> Mapping[str, float]:
        keys = [key for key in self.keys if key[0] in tables]
        target = self.servers.warehouse
        with target.new_database("bare") as bare:
            pipe = Pipe(self.servers.source, self.source, target, "bare")
            pipe.create(tables)
            self.servers.checkpoint()
            copied = pipe.copy(tables)
            for table in tables:
                self._check(table, Relation(bare, "public", table))
            self.servers.checkpoint()
            built = pipe.build(keys)
        return {f"{name} copy": copied, f"{name} copy and keys": copied + built}

    def _ours(self, name: str, tables: Sequence[str] | None) -> Mapping[str, float]:
        with self.servers.warehouse.new_database("mirror") as warehouse:
            self.servers.checkpoint()
            source = self.servers.source.database(self.source)
            found = one_sync.run(source, warehouse, tables)
            for table in tables or TABLES:
                require(found.table(table)["mode"] == "first load", f"{table}: no first load")
                self._check(table, mirrored(warehouse, table))
        figures = {f"{name} whole": found.seconds, f"{name} peak MB": found.peak_megabytes}
        if tables:
            figures = {f"{name} rows": found.moving, f"{name} keys": found.loading, **figures}
        return figures

    def _check(self, table: str, copy: Relation) -> None:
        source = self.servers.source.database(self.source)
        require_equal(Relation(source, "public", table), copy)


def mirrored(warehouse: Database, table: str) -> Relation:
    """The live rows of a table of raw."""
    own = (*MIRROR_COLUMNS, *SECRETS.get(table, ()))
    return Relation(warehouse, "raw", table, "_deleted_at is null", own)


def _create_schema(database: Database) -> None:
    from orchestration import operational

    operational.create(database)


def write(report: Report, figures: Mapping[str, Series], rows: Mapping[str, int]) -> None:
    """Adds the section on full copies."""
    copy, ours, whole = figures["psql copy"], figures["ours rows"], figures["ours whole"]
    with_keys = figures["psql copy and keys"]
    everything = sum(rows.values())
    report.heading(f"Full copy of {TABLE}")
    report.table(
        ["", "seconds", "million rows/s", "speed, psql's copy = 1", "psql's copy and keys = 1"],
        [
            _row("psql pipe", copy, rows[TABLE], copy, None),
            _row("psql pipe, keys, analyze", with_keys, rows[TABLE], copy, with_keys),
            _row("sync: the rows", ours, rows[TABLE], copy, None),
            _row("sync: the rows and keys", figures["ours keys"], rows[TABLE], copy, with_keys),
            _row("sync: the whole call", whole, rows[TABLE], copy, with_keys),
        ],
    )
    report.points(
        [
            "`psql pipe`: `psql -c 'copy … to stdout (format binary)' | psql -c 'copy … from stdin "
            "(format binary)'` into a logged table of the same columns and types without keys, "
            "from the start of both programs to the end of both, commit included.",
            "`psql pipe, keys, analyze`: and then the primary key and the index that raw has, and "
            "`analyze`, with the same maintenance_work_mem.",
            "`sync: the rows`: within a first load by `sync(tables=['point_transactions'])`, from "
            "the moment when the table is begun until its last block has been written, as the "
            "progress tells it. Every row is cast to raw's wider types on the way and carries "
            "three more columns. Not in it: connecting, the snapshot, the keys, the commit.",
            "`sync: the rows and keys`: the same, until primary key, index, statistics and the "
            "masks by which the next sync finds deletes are there.",
            "`sync: the whole call`: all of it: lock, frame, guard and snapshot, rows, keys, "
            "state, and the closing transaction. Python's start and imports are not in it, as "
            "they are not in dlt's time.",
        ]
    )
    report.heading("Full copy of all 15 tables")
    copy_all, keys_all = figures["psql all copy"], figures["psql all copy and keys"]
    whole_all = figures["ours all whole"]
    report.table(
        ["", "seconds", "million rows/s", "speed, psql's copy = 1", "psql's copy and keys = 1"],
        [
            _row("psql pipes, one after the other", copy_all, everything, copy_all, None),
            _row("psql pipes, keys, analyze", keys_all, everything, copy_all, keys_all),
            _row("sync: the whole call", whole_all, everything, copy_all, keys_all),
        ],
    )
    report.targets.append(
        Target(
            f"speed of moving {TABLE}, psql's binary pipe = 1",
            (copy / ours).median,
            0.80,
            is_least=True,
            aim=0.95,
        )
    )


def _row(
    name: str, seconds: Series, rows: int, copy: Series, with_keys: Series | None
) -> list[str]:
    return [
        name,
        seconds.show(),
        f"{rows / seconds.median / 1e6:.2f}",
        (copy / seconds).show(),
        (with_keys / seconds).show() if with_keys else "-",
    ]
