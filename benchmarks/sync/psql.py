"""The yardstick: `psql … copy to stdout | psql … copy from stdin`, in the binary format."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence

from psycopg import sql

from benchmarks.frame.gates import GateError
from benchmarks.frame.servers import Server

_DEFINITION = """
select attname, format_type(atttypid, atttypmod)
from pg_attribute
where attrelid = %s::regclass and attnum > 0 and not attisdropped
order by attnum
"""

_KEYS = """
select pg_class.relname, pg_get_constraintdef(pg_constraint.oid), pg_get_indexdef(indexrelid)
from pg_index
inner join pg_class on pg_index.indrelid = pg_class.oid
left join pg_constraint on pg_index.indexrelid = pg_constraint.conindid and contype = 'p'
where pg_class.relnamespace = 'raw'::regnamespace
order by pg_class.relname, pg_index.indexrelid
"""


class Pipe:
    """Copies tables from one database into equal, logged tables without keys in another."""

    def __init__(self, source: Server, source_name: str, target: Server, target_name: str) -> None:
        self.source, self.source_name = source, source_name
        self.target, self.target_name = target, target_name

    def create(self, tables: Sequence[str]) -> None:
        """Makes the tables, with the source's columns and types and nothing else."""
        with self.source.connect(self.source_name) as connection:
            columns = {
                table: connection.execute(_DEFINITION, [table]).fetchall() for table in tables
            }
        for table in tables:
            definitions = sql.SQL(", ").join(
                sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(type_))
                for name, type_ in columns[table]
            )
            statement = sql.SQL("create table {} ({})").format(sql.Identifier(table), definitions)
            self.target.execute(self.target_name, statement)

    def copy(self, tables: Sequence[str]) -> float:
        """Copies them one after the other.

        Returns:
            Seconds, from the start of the first psql to the end of the last.
        """
        began = time.monotonic()
        for table in tables:
            self._copy(table)
        return time.monotonic() - began

    def _copy(self, table: str) -> None:
        programs = self.source.programs / "psql", self.target.programs / "psql"
        options = ("-X", "-q", "-v", "ON_ERROR_STOP=1", "-c")
        with subprocess.Popen(
            [programs[0], *options, f"copy {table} to stdout (format binary)"],
            env=self.source.environment(self.source_name),
            stdout=subprocess.PIPE,
        ) as reader:
            writer = subprocess.run(
                [programs[1], *options, f"copy {table} from stdin (format binary)"],
                env=self.target.environment(self.target_name),
                stdin=reader.stdout,
                check=False,
            )
        if reader.returncode != 0 or writer.returncode != 0:
            raise GateError(f"psql could not copy {table}.")

    def build(self, keys: Sequence[tuple[str, str]]) -> float:
        """Builds keys and indexes on the copies, and analyzes them.

        Returns:
            Seconds.
        """
        statements = [statement for _, statement in keys]
        statements += [f"analyze {table}" for table in dict.fromkeys(table for table, _ in keys)]
        with self.target.connect(self.target_name) as connection:
            began = time.monotonic()
            for statement in statements:
                connection.execute(statement.encode())
            return time.monotonic() - began


def keys_of_raw(server: Server, dbname: str) -> list[tuple[str, str]]:
    """The keys and indexes that a sync gave raw: the table, and the statement for its bare copy."""
    with server.connect(dbname) as connection:
        rows = connection.execute(_KEYS).fetchall()
    return [
        (
            table,
            f"alter table {table} add {constraint}"
            if constraint
            else definition.replace(f" ON raw.{table} ", f" ON {table} ", 1),
        )
        for table, constraint, definition in rows
    ]
