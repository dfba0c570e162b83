"""Decides, before a row is read, how each table comes into raw and with which columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from orchestration.errors import LoyaltyError
from orchestration.sync.memory import FullPass, TableMemory, why_full
from orchestration.sync.point import SourcePoint
from orchestration.sync.source import Column, SourceTable
from orchestration.sync.types import holds

Mode = Literal["first load", "full pass", "incremental"]

OWN_COLUMNS = ("_sync_id", "_synced_at", "_deleted_at")
"""What the mirror adds to every table of raw."""

_RAW = """
select
    pg_class.relkind::text,
    pg_attribute.attname,
    format_type(pg_attribute.atttypid, pg_attribute.atttypmod),
    array_position(pg_index.indkey::int2[], pg_attribute.attnum),
    format('%%s:%%s', pg_class.oid, pg_class.relfilenode)
from pg_catalog.pg_class
inner join pg_catalog.pg_attribute on pg_class.oid = pg_attribute.attrelid
left join pg_catalog.pg_index on pg_class.oid = pg_index.indrelid and pg_index.indisprimary
where pg_class.oid = to_regclass(format('raw.%%I', %s::text))
    and pg_attribute.attnum > 0 and not pg_attribute.attisdropped
order by pg_attribute.attnum
"""


@dataclass(frozen=True)
class RawTable:
    """A table of raw as it stands, without the mirror's own columns.

    Attributes:
        columns: The source's columns.
        key: The primary key's columns.
        version: Changes when the table is emptied, replaced or rewritten.
    """

    columns: tuple[Column, ...]
    key: tuple[str, ...]
    version: str = ""


@dataclass(frozen=True)
class TablePlan:
    """How one table is brought into raw.

    Attributes:
        source: The table to read.
        mode: First load; a full pass, which compares all rows; or incremental, which reads what was
            written since the last sync, and which keys there are.
        reason: Why that mode.
        memory: What the last sync left; None unless incremental.
        ordinal: Its place among the tables of this sync.
        is_source_wide: Whether the reason concerns the whole source, and is worth a warning.
        is_rekeyed: Whether raw has another primary key so far.
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
    memory: TableMemory | None = None
    added: tuple[Column, ...] = ()
    widened: tuple[Column, ...] = ()
    vanished: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()
    ordinal: int = 0
    is_source_wide: bool = False
    is_rekeyed: bool = False

    @property
    def name(self) -> str:
        """The table's name, the same in the source and in raw."""
        return self.source.name

    @property
    def travelling(self) -> tuple[Column, ...]:
        """The columns that are read from the source, in order."""
        return tuple(column for column in self.columns if column.name not in self.vanished)

    @property
    def relation(self) -> sql.Identifier:
        """The table in the source."""
        return sql.Identifier(self.source.schema, self.name)

    @property
    def key_columns(self) -> tuple[Column, ...]:
        """The key's columns, in its order, with the types in which they travel."""
        types = {column.name: column for column in self.columns}
        return tuple(types[name] for name in self.source.key)

    @property
    def has_masks(self) -> bool:
        """Whether the key is one whole number, so that masks can tell which rows exist."""
        return [column.type for column in self.key_columns] == ["bigint"]

    @property
    def query(self) -> sql.Composed:
        """The source's rows to read, cast to the types in which they travel."""
        query = sql.SQL("select {} from {}").format(
            sql.SQL(", ").join(cast(column) for column in self.travelling), self.relation
        )
        if self.memory is None or self.memory.point is None:
            return query
        # Ages wrap around as the numbers do: a row of long ago may look recent, which costs a
        # comparison, but a row written since the horizon is never older than it.
        return sql.SQL("{} where age(xmin) between 0 and age({}::xid)").format(
            query, sql.Literal(str(self.memory.point.horizon % 2**32))
        )


def cast(column: Column) -> sql.Composed:
    """A column as an expression of its wide type."""
    return sql.SQL("{}::{}").format(sql.Identifier(column.name), type_name(column))


def type_name(column: Column) -> sql.SQL:
    """The column's type as SQL: a spelling from `types`, never text from elsewhere."""
    return sql.SQL(column.type)


def plan_table(
    source: SourceTable,
    raw: RawTable | None,
    point: SourcePoint,
    memory: TableMemory | None,
    *,
    full: bool,
) -> TablePlan:
    """Plans one table. A pure function of what the source and raw look like.

    Raises:
        LoyaltyError: A column's type changed in a way that raw cannot follow, or is not readable.
    """
    where = f"{source.schema}.{source.name}"
    if raw is None:
        unread = tuple(
            f"{where}.{column} is not mirrored: the login may not read it."
            for column in source.unreadable
        )
        if source.untracked and "login" in source.untracked:
            unread = (*unread, _read_whole(where, source.untracked))
        reason = "raw does not have it yet"
        return TablePlan(source, "first load", reason, source.columns, warnings=unread)
    if lost := {column.name for column in raw.columns} & set(source.unreadable):
        # To leave them out would turn in raw to NULL what the source still has.
        raise LoyaltyError(
            f"The login may no longer read {where} (columns {', '.join(sorted(lost))}).",
            remedy=f"Let its owner grant select on {where} again; "
            "`loyalty operational grants` prints the statements.",
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
    why = FullPass("asked for", None) if full else why_full(source, point, memory)
    if why is None and (added or widened):
        why = FullPass("raw lacks columns of it", "table")
    if why is None and memory and memory.raw_version != raw.version:
        why = FullPass("raw's table was emptied, replaced or rewritten", "table")
    if raw.key != source.key:
        why = FullPass(
            f"its primary key is now ({', '.join(source.key)}), raw had ({', '.join(raw.key)})",
            "table",
        )
    if why is None:
        reason = "what was written since the last sync"
        return TablePlan(source, "incremental", reason, tuple(columns), memory, vanished=vanished)
    if why.scope == "table" and (raw.key != source.key or not warnings):
        warnings.append(_read_whole(where, why.reason))
    return TablePlan(
        source,
        "full pass",
        why.reason,
        (*columns, *added),
        None,
        added,
        tuple(widened),
        vanished,
        tuple(warnings),
        is_source_wide=why.scope == "source",
        is_rekeyed=raw.key != source.key,
    )


def _read_whole(where: str, reason: str) -> str:
    return f"{where} is read whole: {reason}."


def raw_table(connection: psycopg.Connection[TupleRow], name: str) -> RawTable | None:
    """The table of raw as it stands, or None where there is none.

    Raises:
        LoyaltyError: Something that is not a mirror of ours has the name.
    """
    rows = connection.execute(_RAW, [name]).fetchall()
    if not rows:
        return None
    names = {column for _, column, *_ in rows}
    if rows[0][0] != "r" or not names.issuperset(OWN_COLUMNS):
        raise LoyaltyError(
            f"raw.{name} in the warehouse is not a mirrored table.",
            remedy=f"Rename or drop it: the sync needs the name raw.{name}.",
        )
    key = sorted((position, column) for _, column, _, position, _ in rows if position is not None)
    return RawTable(
        tuple(Column(column, type_) for _, column, type_, *_ in rows if column not in OWN_COLUMNS),
        tuple(column for _, column in key),
        rows[0][4],
    )


def plan_tables(
    warehouse: psycopg.Connection[TupleRow],
    sources: Sequence[SourceTable],
    point: SourcePoint,
    memories: Mapping[str, TableMemory],
    *,
    full: bool,
) -> list[TablePlan]:
    """Plans every table, in the order given.

    Raises:
        LoyaltyError: A table cannot be mirrored; names it and the column.
    """
    return [
        replace(
            plan_table(s, raw_table(warehouse, s.name), point, memories.get(s.name), full=full),
            ordinal=ordinal,
        )
        for ordinal, s in enumerate(sources)
    ]
