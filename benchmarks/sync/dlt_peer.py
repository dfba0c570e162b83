"""dlt as a peer: its backends and file formats at two small sizes, the fastest at the full one."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from psycopg import sql

from benchmarks.frame.gates import Relation, require_equal
from benchmarks.frame.report import Report, Target
from benchmarks.frame.rounds import Series
from benchmarks.frame.servers import Servers
from benchmarks.sync.full_copy import TABLE

PIPELINE = Path(__file__).with_name("dlt_pipeline.py")
DATASET = "copied"
DLT_COLUMNS = ("_dlt_id", "_dlt_load_id")
LIMIT_SECONDS = 3600.0
CHUNK_ROWS = 2**16

_PACKAGES = """
import json
from importlib.metadata import version
import adbc_driver_manager, adbc_driver_postgresql, connectorx, dlt, psycopg2, pyarrow, sqlalchemy
names = ("dlt", "connectorx", "pyarrow", "sqlalchemy", "psycopg2-binary", "adbc-driver-postgresql")
print(json.dumps({name: version(name) for name in names}))
"""


@dataclass(frozen=True)
class Way:
    """One way to run dlt: a backend that reads, and the format in which its files are loaded."""

    name: str
    backend: str
    format: str
    options: tuple[tuple[str, str], ...] = ()


STREAM = (("return_type", "arrow_stream"),)
WAYS = (
    Way("connectorx, Parquet by ADBC", "connectorx", "parquet", STREAM),
    Way("connectorx, CSV by COPY", "connectorx", "csv", STREAM),
    Way("connectorx, INSERT", "connectorx", "insert_values", STREAM),
    Way("pyarrow, Parquet by ADBC", "pyarrow", "parquet"),
    Way("sqlalchemy, INSERT (the defaults)", "sqlalchemy", "insert_values"),
)


class PeerError(Exception):
    """dlt could not do it; says why."""


def file_rows(rows: int) -> int:
    """How many rows a file of dlt's holds: several files for every worker, none of them huge.

    A power of two: dlt 1.31 leaves an empty last file, which it then cannot load by ADBC, where
    the rows are a multiple of this.
    """
    return int(min(max(2 ** (rows.bit_length() - 3), 2**13), 2**18))


def settings(rows: int) -> dict[str, str]:
    """The documented tuning: files for every worker, workers for every core, no compression."""
    cores = os.cpu_count() or 1
    return {
        "DATA_WRITER__FILE_MAX_ITEMS": str(file_rows(rows)),
        "DATA_WRITER__BUFFER_MAX_ITEMS": str(min(file_rows(rows), CHUNK_ROWS)),
        "DATA_WRITER__DISABLE_COMPRESSION": "true",
        "NORMALIZE__WORKERS": str(cores),
        "LOAD__WORKERS": str(2 * cores),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "ERROR",
    }


class DltPeer:
    """dlt in its own environment, reading the source of the full copy."""

    def __init__(self, python: Path, servers: Servers, source: str, rows: int) -> None:
        self.python, self.servers, self.source, self.rows = python, servers, source, rows
        self.sizes = sorted({max(rows // 20, 1), max(rows // 10, 1)})

    def versions(self) -> dict[str, str] | None:
        """The peers' versions; None where one is missing."""
        try:
            done = subprocess.run(
                [self.python, "-c", _PACKAGES], capture_output=True, text=True, check=True
            )
        except (OSError, subprocess.CalledProcessError):
            return None
        found: dict[str, str] = json.loads(done.stdout)
        return found

    def small(self, say: Callable[[str], None]) -> dict[Way, dict[int, Mapping[str, float]]]:
        """Measures every way once at each of the small sizes; leaves out those that fail."""
        found: dict[Way, dict[int, Mapping[str, float]]] = {way: {} for way in WAYS}
        with ExitStack() as stack:
            source = self.servers.source
            stack.enter_context(source.new_database("part"))
            for rows in self.sizes:
                self._take_part("part", rows)
                for way in [way for way in WAYS if way in found]:
                    try:
                        found[way][rows] = self.copy(way, "part", rows)
                    except PeerError as error:
                        say(f"{error} It is left out.")
                        del found[way]
                        continue
                    say(f"dlt, {way.name}, {rows:,} rows: {found[way][rows]['whole']:.2f} s")
        return found

    def copy(self, way: Way, source: str, rows: int) -> Mapping[str, float]:
        """Runs one pipeline into a new database, and checks all rows.

        Returns:
            Seconds: whole, extract, normalize, load.

        Raises:
            PeerError: dlt failed.
            GateError: Its copy differs.
        """
        with (
            self.servers.warehouse.new_database("peer") as target,
            tempfile.TemporaryDirectory(prefix="loyalty-benchmark-dlt-") as folder,
        ):
            job = {
                "source": self.servers.source.url(source),
                "target": target.url,
                "schema": "public",
                "table": TABLE,
                "dataset": DATASET,
                "backend": way.backend,
                "format": way.format,
                "chunk_size": min(file_rows(rows), CHUNK_ROWS),
                "backend_options": dict(way.options),
            }
            self.servers.checkpoint()
            done = subprocess.run(
                [self.python, "-I", PIPELINE],
                input=json.dumps(job),
                capture_output=True,
                text=True,
                check=False,
                cwd=folder,
                env={**os.environ, **settings(rows), "DLT_DATA_DIR": folder},
                timeout=LIMIT_SECONDS,
            )
            if done.returncode != 0:
                said = [line for line in done.stderr.splitlines() if line[:1].strip()]
                raise PeerError(f"dlt ({way.name}) failed: {(said or ['no word'])[-1]}")
            require_equal(
                Relation(self.servers.source.database(source), "public", TABLE),
                Relation(target, DATASET, TABLE, own_columns=DLT_COLUMNS),
            )
        found: dict[str, float] = json.loads(done.stdout)
        return found

    def _take_part(self, name: str, rows: int) -> None:
        """Makes a table of the first rows in another database of the source's server."""
        from benchmarks.sync.psql import Pipe

        source = self.servers.source
        source.execute(name, f"drop table if exists {TABLE}")
        Pipe(source, self.source, source, name).create([TABLE])
        query = sql.SQL("copy (select * from {} order by id limit {}) to stdout (format binary)")
        with source.connect(self.source) as reader, source.connect(name) as writer:
            taken = query.format(sql.Identifier(TABLE), sql.Literal(rows))
            with (
                reader.cursor().copy(taken) as blocks,
                writer.cursor().copy(f"copy {TABLE} from stdin (format binary)") as into,
            ):
                for block in blocks:
                    into.write(block)
        source.execute(name, f"alter table {TABLE} add primary key (id)", f"vacuum analyze {TABLE}")


def fastest(found: Mapping[Way, Mapping[int, Mapping[str, float]]]) -> list[Way]:
    """The two ways with the least time at the larger of the small sizes."""
    return sorted(found, key=lambda way: found[way][max(found[way])]["whole"])[:2]


def write(
    report: Report,
    versions: Mapping[str, str],
    found: Mapping[Way, Mapping[int, Mapping[str, float]]],
    figures: Mapping[str, Series],
    rows: int,
) -> None:
    """Adds the section on dlt."""
    measured = fastest(found)
    best = min(measured, key=lambda way: figures[f"{way.name}: whole"].median)
    whole, ours, moved = figures[f"{best.name}: whole"], figures["ours whole"], figures["ours rows"]
    report.heading(f"Full copy of {TABLE} by dlt")
    report.table(
        ["at full size", "seconds", "extract", "normalize", "load", "time, the whole call = 1"],
        [
            *(
                [
                    f"dlt: {way.name}",
                    figures[f"{way.name}: whole"].show(),
                    *(
                        f"{figures[f'{way.name}: {part}'].median:.2f}"
                        for part in ("extract", "normalize", "load")
                    ),
                    (figures[f"{way.name}: whole"] / ours).show(),
                ]
                for way in measured
            ),
            ["sync: the whole call", ours.show(), "", "", "", "1"],
            ["sync: the rows", moved.show(), "", "", "", (moved / ours).show()],
        ],
    )
    lines = []
    small, large = min(found[best]), max(found[best])
    for way, sizes in found.items():
        first, second = sizes[small], sizes[large]
        per_row = (second["whole"] - first["whole"]) / max(large - small, 1)
        expected = second["whole"] + per_row * (rows - large)
        lines.append(
            [
                way.name,
                *(f"{sizes[size]['whole']:.2f}" for size in sorted(sizes)),
                f"{second['whole'] / first['whole']:.2f}",
                f"{expected:.0f}" if per_row > 0 else "-",
                f"{expected / ours.median:.1f}" if per_row > 0 else "-",
            ]
        )
    report.table(
        [
            "backend, how it loads",
            f"{small:,} rows",
            f"{large:,} rows",
            "ratio",
            f"at {rows:,} by the line",
            "ours is faster by",
        ],
        lines,
    )
    report.points(
        [
            "dlt's sql_database source into its postgres destination, versions: "
            + ", ".join(f"{name} {version}" for name, version in versions.items())
            + ". Its time is extract, normalize and load of the pipeline, without imports. It "
            "builds no key and no index, keeps no state to find changes by, and is compared with "
            "the whole call of ours, which does.",
            "Tuned as its documentation says: full reflection, a stream of Arrow batches of up to "
            f"{CHUNK_ROWS:,} rows from connectorx, as many normalize workers as cores and twice as "
            "many load workers, several files for each of them, no compression, no telemetry.",
            "Every way was measured once at two small sizes, and the two fastest at the full size "
            "in every round. The line through the two sizes tells what the others would take; for "
            "the fastest ones it can be compared with what was measured.",
        ]
    )
    report.targets.append(
        Target(
            f"times as fast as dlt's fastest way ({best.name})",
            (whole / ours).median,
            10,
            is_least=True,
        )
    )
