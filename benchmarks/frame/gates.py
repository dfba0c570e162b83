"""Whether two tables hold the same rows: all of them, on both sides, or the benchmark fails."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from psycopg import sql

from orchestration.database import Database

_COLUMNS = """
select attname
from pg_attribute
where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped
order by attnum
"""

# The two servers are of one version, so that their hash functions agree. A sum does not depend on
# the order of the rows, and repeated rows count as often as they are there.
_CONTENT = """
select count(*), coalesce(sum(hashtextextended(row({columns})::text, 0)::numeric), 0)::text
from {relation}
where {condition}
"""


class GateError(Exception):
    """A contender failed or its result is wrong, so its time means nothing."""


@dataclass(frozen=True)
class Content:
    """How many rows, and a hash of all their values in any order."""

    rows: int
    hash: str


@dataclass(frozen=True)
class Relation:
    """A table, or the rows of it that count.

    Attributes:
        condition: SQL of this project's own, such as "_deleted_at is null".
        own_columns: Columns that the copy adds, and columns that it leaves out on purpose.
    """

    database: Database
    schema: str
    table: str
    condition: str = "true"
    own_columns: Collection[str] = ()

    @property
    def identifier(self) -> sql.Identifier:
        """Its name in SQL."""
        return sql.Identifier(self.schema, self.table)

    def columns(self) -> set[str]:
        """The names of the columns that both sides should have."""
        with self.database.connect(autocommit=True) as connection:
            rows = connection.execute(_COLUMNS, [self.identifier.as_string(connection)]).fetchall()
        return {name for (name,) in rows} - set(self.own_columns)

    def content(self, columns: Collection[str]) -> Content:
        """Hashes the rows, every column as its text, so that 1.0 is not 1.00."""
        statement = sql.SQL(_CONTENT).format(
            columns=sql.SQL(", ").join(map(sql.Identifier, sorted(columns))),
            relation=self.identifier,
            condition=sql.SQL(self.condition),
        )
        with self.database.connect(autocommit=True) as connection:
            row = connection.execute(statement).fetchone()
        assert row is not None
        return Content(row[0], row[1])


def require_equal(source: Relation, copy: Relation) -> int:
    """Compares all rows of both.

    Returns:
        How many rows both have.

    Raises:
        GateError: A column is missing, or the rows differ.
    """
    ours = copy.columns()
    expected = source.columns() - set(copy.own_columns)
    where = f"{copy.schema}.{copy.table}"
    if expected != ours:
        raise GateError(f"{where} has other columns: {', '.join(sorted(expected ^ ours))}")
    with ThreadPoolExecutor(2) as both:
        sides = [both.submit(side.content, ours) for side in (source, copy)]
        there, here = (side.result() for side in sides)
    if there != here:
        raise GateError(
            f"{where} is wrong: {here.rows:,} rows with hash {here.hash}, "
            f"where the source has {there.rows:,} with hash {there.hash}"
        )
    return here.rows


def require(condition: bool, problem: str) -> None:
    """Fails the benchmark where a result is not as it must be.

    Raises:
        GateError: The condition does not hold.
    """
    if not condition:
        raise GateError(problem)
