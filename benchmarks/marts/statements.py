"""Single statements on the warehouse: `create unlogged table … as` a query, timed or explained."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from psycopg import Connection
from psycopg.rows import TupleRow

from benchmarks.frame.servers import Server

SCHEMA = "benchmark"
"""Where results go for as long as they are looked at."""

# As macros/session_settings.sql has them.
_SETTINGS = ("set jit = off", "set timezone = 'UTC'")

_COLUMNS = """
select attname, atttypid::regtype::text
from pg_attribute
where attrelid = %s::regclass and attnum > 0 and not attisdropped
order by attname
"""


@dataclass(frozen=True)
class Column:
    """A column of a result, and its type in PostgreSQL."""

    name: str
    type: str

    @property
    def is_instant(self) -> bool:
        """Whether it is a point in time."""
        return self.type == "timestamp with time zone"

    @property
    def summary(self) -> str:
        """An aggregate of it that is cheap, and the same in DuckDB."""
        return f"sum({self.name})" if self.type == "bigint" else f"count({self.name})"


@dataclass
class Statements:
    """Runs statements of this project's own in the warehouse; collects their plans."""

    server: Server
    dbname: str
    plans: list[str] = field(default_factory=list)

    def connect(self) -> Connection[TupleRow]:
        """A connection with the settings that models have."""
        connection = self.server.connect(self.dbname)
        for setting in _SETTINGS:
            connection.execute(setting.encode())
        return connection

    def create(self, schema: str = SCHEMA) -> None:
        """Makes an empty schema."""
        self.execute(f"drop schema if exists {schema} cascade", f"create schema {schema}")

    def drop(self, schema: str = SCHEMA) -> None:
        """Removes a schema with all that is in it."""
        self.execute(f"drop schema {schema} cascade")

    def execute(self, *statements: str) -> None:
        """Runs statements that are not measured."""
        with self.connect() as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def run(self, table: str, *queries: str, schema: str = SCHEMA) -> float:
        """Writes the rows of queries into a new table.

        Returns:
            Seconds, of all queries.
        """
        self.execute(f"drop table if exists {schema}.{table}")
        self.server.checkpoint()
        into = f"create unlogged table {schema}.{table} as"
        with self.connect() as connection:
            began = time.monotonic()
            for query in queries:
                connection.execute(f"{into} {query}".encode())
                into = f"insert into {schema}.{table}"
            return time.monotonic() - began

    def explain(self, name: str, *queries: str) -> None:
        """Keeps the plans of queries, with their times and buffers."""
        with self.connect() as connection:
            for query in queries:
                rows = connection.execute(f"explain (analyze, buffers) {query}".encode())
                self.plans.append("\n".join([f"-- {name}", *(line for (line,) in rows)]))

    def values(self, query: str) -> tuple[str, ...]:
        """The one row of a query, as text."""
        with self.connect() as connection:
            row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return tuple(str(value) for value in row)

    def columns(self, table: str, schema: str = SCHEMA) -> list[Column]:
        """The columns of a table, by name."""
        with self.connect() as connection:
            rows = connection.execute(_COLUMNS, [f"{schema}.{table}"]).fetchall()
        return [Column(name, type_) for name, type_ in rows]

    def summary(self, table: str, columns: Sequence[Column]) -> tuple[str, ...]:
        """How many rows, and a sum or count of each column."""
        summaries = ", ".join(column.summary for column in columns)
        return self.values(f"select count(*), {summaries} from {SCHEMA}.{table}")

    def hash(self, table: str, columns: Sequence[Column]) -> tuple[str, ...]:
        """A sum of hashes of all rows, which DuckDB computes alike."""
        texts = (
            f"(extract(epoch from {column.name}) * 1000000)::bigint"
            if column.is_instant
            else column.name
            for column in columns
        )
        line = " || '|' || ".join(f"coalesce(({text})::text, '~')" for text in texts)
        return self.values(
            f"select sum(('x' || substr(md5({line}), 1, 15))::bit(60)::bigint) "
            f"from {SCHEMA}.{table}"
        )


def elsewhere(query: str, schema: str, relations: Sequence[str]) -> str:
    """The query, with these relations read from another schema."""
    names = "|".join(map(re.escape, relations))
    return re.sub(rf'"\w+"\."\w+"\."({names})"', rf'"{schema}"."\1"', query)
