"""Decides, before a row is read, how each table comes into raw and with which columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from orchestration.errors import LoyaltyError
from orchestration.sync.source import Column, SourceTable
from orchestration.sync.types import holds

Mode = Literal["first load", "full pass"]

OWN_COLUMNS = ("_sync_id", "_synced_at", "_deleted_at")
"""What the mirror adds to every table of raw."""

_RAW = """
select
    pg_class.relkind::text,
    pg_attribute.attname,
    format_type(pg_attribute.atttypid, pg_attribute.atttypmod),
    array_position(pg_index.indkey::int2[], pg_attribute.attnum)
from pg_catalog.pg_class
inner join pg_catalog.pg_attribute on pg_class.oid = pg_attribute.attrelid
left join pg_catalog.pg_index on pg_class.oid = pg_index.indrelid and pg_index.indisprimary
where pg_class.oid = to_regclass(format('raw.%%I', %s::text))
    and pg_attribute.attnum > 0 and not pg_attribute.attisdropped
order by pg_attribute.attnum
"""


@dataclass(frozen=True)
class RawTable:
    """A table of raw as it stands, without the mirror's own columns."""

    columns: tuple[Column, ...]
    key: tuple[str, ...]


@dataclass(frozen=True)
class TablePlan:
    """How one table is brought into raw.

    Attributes:
        source: The table to read.
        mode: First load, or a full pass that merges.
        reason: Why that mode.
        columns: raw's columns afterwards, in order, with the types in which they travel.
        added: Columns that raw gets in this sync.
        widened: Columns whose type raw widens in this sync.
        vanished: Columns that only raw has; they turn NULL.
        warnings: What of this the operator should know.
    """

    source: SourceTable
    mode: Mode
    reason: str
    columns: tuple[Column, ...]
    added: tuple[Column, ...] = ()
    widened: tuple[Column, ...] = ()
    vanished: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The table's name, the same in the source and in raw."""
        return self.source.name

    @property
    def travelling(self) -> tuple[Column, ...]:
        """The columns that are read from the source, in order."""
        return tuple(column for column in self.columns if column.name not in self.vanished)

    @property
    def query(self) -> sql.Composed:
        """The source's rows, cast to the types in which they travel."""
        return sql.SQL("select {} from {}").format(
            sql.SQL(", ").join(cast(column) for column in self.travelling),
            sql.Identifier(self.source.schema, self.name),
        )


def cast(column: Column) -> sql.Composed:
    """A column as an expression of its wide type."""
    return sql.SQL("{}::{}").format(sql.Identifier(column.name), type_name(column))


def type_name(column: Column) -> sql.SQL:
    """The column's type as SQL: a spelling from `types`, never text from elsewhere."""
    return sql.SQL(column.type)


def plan_table(source: SourceTable, raw: RawTable | None, *, full: bool) -> TablePlan:
    """Plans one table. A pure function of what the source and raw look like.

    Raises:
        LoyaltyError: The source's key or a column's type changed in a way that raw cannot follow.
    """
    where = f"{source.schema}.{source.name}"
    if raw is None:
        unread = tuple(
            f"{where}.{column} is not mirrored: the login may not read it."
            for column in source.unreadable
        )
        reason = "raw does not have it yet"
        return TablePlan(source, "first load", reason, source.columns, warnings=unread)
    if lost := {column.name for column in raw.columns} & set(source.unreadable):
        # To leave them out would turn in raw to NULL what the source still has.
        raise LoyaltyError(
            f"The login may no longer read {where} (columns {', '.join(sorted(lost))}).",
            remedy=f"Let its owner grant select on {where} again; "
            "`loyalty operational grants` prints the statements.",
        )
    if raw.key != source.key:
        raise LoyaltyError(
            f"The primary key of {where} is ({', '.join(source.key)}), "
            f"but raw.{source.name} was mirrored by ({', '.join(raw.key)}).",
            remedy=f"Drop raw.{source.name} (cascade drops the views on it), sync, then build.",
        )
    ours = {column.name: column for column in raw.columns}
    theirs = {column.name: column for column in source.columns}
    columns: list[Column] = []
    widened: list[Column] = []
    for column in raw.columns:
        now = theirs.get(column.name, column)
        if holds(column.type, now.type):
            columns.append(column)
        elif holds(now.type, column.type):
            columns.append(now)
            widened.append(now)
        else:
            raise LoyaltyError(
                f"{where}.{column.name} is now {now.type}, "
                f"which raw.{source.name}.{column.name} ({column.type}) cannot become.",
                remedy=f"Drop raw.{source.name} (cascade drops the views on it), sync, then build.",
            )
    added = tuple(column for column in source.columns if column.name not in ours)
    vanished = frozenset(ours) - frozenset(theirs)
    warnings = [f"{where}.{column.name} is new; raw mirrors it from now on." for column in added]
    warnings += [f"{where}.{column.name} is now {column.type}; raw follows." for column in widened]
    return TablePlan(
        source,
        "full pass",
        "asked for" if full else "every sync reads whole tables",
        (*columns, *added),
        added,
        tuple(widened),
        vanished,
        tuple(warnings),
    )


def raw_table(connection: psycopg.Connection[TupleRow], name: str) -> RawTable | None:
    """The table of raw as it stands, or None where there is none.

    Raises:
        LoyaltyError: Something that is not a mirror of ours has the name.
    """
    rows = connection.execute(_RAW, [name]).fetchall()
    if not rows:
        return None
    names = {column for _, column, _, _ in rows}
    if rows[0][0] != "r" or not names.issuperset(OWN_COLUMNS):
        raise LoyaltyError(
            f"raw.{name} in the warehouse is not a mirrored table.",
            remedy=f"Rename or drop it: the sync needs the name raw.{name}.",
        )
    key = sorted((position, column) for _, column, _, position in rows if position is not None)
    return RawTable(
        tuple(Column(column, type_) for _, column, type_, _ in rows if column not in OWN_COLUMNS),
        tuple(column for _, column in key),
    )


def plan_tables(
    warehouse: psycopg.Connection[TupleRow], sources: Sequence[SourceTable], *, full: bool
) -> list[TablePlan]:
    """Plans every table, in the order given.

    Raises:
        LoyaltyError: A table cannot be mirrored; names it and the column.
    """
    return [plan_table(s, raw_table(warehouse, s.name), full=full) for s in sources]
