"""DuckDB as a peer: in a process of its own, on the same rows."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.frame.gates import GateError
from benchmarks.marts.duckdb_queries import TABLES
from benchmarks.marts.statements import Column, Statements

SESSION = Path(__file__).with_name("duckdb_session.py")
THREADS = 2

SETTINGS = {"threads": str(THREADS), "preserve_insertion_order": "false"}

_NULL = r"\N"


@dataclass
class DuckDB:
    """A running DuckDB, its database in memory."""

    process: subprocess.Popen[str]
    version: str = ""

    def execute(self, statement: str) -> tuple[float, Sequence[Any]]:
        """Runs a statement.

        Returns:
            Its seconds, taken inside the process, and its first row.

        Raises:
            GateError: DuckDB could not do it.
        """
        answer = self.ask(statement)
        if "error" in answer:
            raise GateError(f"DuckDB failed: {answer['error']}")
        return answer["seconds"], answer["row"] or ()

    def ask(self, question: object) -> Mapping[str, Any]:
        """Sends a line and reads the answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        line = self.process.stdout.readline()
        if not line:
            raise GateError("DuckDB ended early.")
        answer: Mapping[str, Any] = json.loads(line)
        return answer

    def load(self, statements: Statements) -> None:
        """Copies what the models read into its tables."""
        for table, columns in TABLES.items():
            names = ", ".join(columns)
            with tempfile.NamedTemporaryFile(prefix="loyalty-benchmark-", suffix=".csv") as file:
                with statements.connect() as connection:
                    export = (
                        f"copy (select {names} from staging.{table}) "
                        f"to stdout (format csv, null '{_NULL}')"
                    )
                    with connection.cursor().copy(export.encode()) as blocks:
                        for block in blocks:
                            file.write(block)
                file.flush()
                self.execute(
                    f"create table {table} as select * from read_csv('{file.name}', "
                    f"header = false, nullstr = '{_NULL}', columns = {json.dumps(columns)})"
                )

    def run(self, table: str, query: str) -> float:
        """Writes a query's rows into a new table.

        Returns:
            Seconds.
        """
        self.execute(f"drop table if exists {table}")
        return self.execute(f"create table {table} as {query}")[0]

    def require_columns(self, table: str, columns: Sequence[Column]) -> None:
        """Checks that its table has these columns.

        Raises:
            GateError: It has others.
        """
        _, row = self.execute(
            "select string_agg(column_name, ',' order by column_name) "
            f"from information_schema.columns where table_name = '{table}'"
        )
        theirs, ours = set(str(row[0]).split(",")), {column.name for column in columns}
        if theirs != ours:
            raise GateError(
                f"The model {table} has other columns than DuckDB's query: "
                f"{', '.join(sorted(theirs ^ ours))}. Write them into duckdb_queries.py, too."
            )

    def summary(self, table: str, columns: Sequence[Column]) -> tuple[str, ...]:
        """What `Statements.summary` tells of our table."""
        summaries = ", ".join(f"({column.summary})::varchar" for column in columns)
        _, row = self.execute(f"select count(*)::varchar, {summaries} from {table}")
        return tuple(map(str, row))

    def hash(self, table: str, columns: Sequence[Column]) -> tuple[str, ...]:
        """What `Statements.hash` tells of our table."""
        texts = (f"epoch_us({c.name})" if c.is_instant else c.name for c in columns)
        line = " || '|' || ".join(f"coalesce(({text})::varchar, '~')" for text in texts)
        _, row = self.execute(
            f"select sum(('0x' || md5({line})[:15])::bigint)::varchar from {table}"
        )
        return tuple(map(str, row))


@contextmanager
def running(python: Path) -> Iterator[DuckDB | None]:
    """Starts DuckDB; gives None where the peers' Python or DuckDB is missing."""
    try:
        process = subprocess.Popen(
            [python, "-I", SESSION],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )
    except OSError:
        yield None
        return
    with process:
        duckdb = DuckDB(process)
        try:
            duckdb.version = duckdb.ask({"settings": SETTINGS})["version"]
        except GateError:
            yield None
            return
        try:
            yield duckdb
        finally:
            process.kill()
