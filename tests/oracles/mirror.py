"""What raw must hold after a sync, from architecture.md, "sync: the mirror": a mirror in Python.

Values are compared as text, which shows every byte of them: 1.0 is not 1.00. A row's stamps are
told by the number of the sync that wrote them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

Key = tuple[str, ...]
Values = dict[str, str | None]

Places = dict[str, tuple[dict[str, str], dict[Key, tuple[str, str]]]]

OWN = ("_sync_id", "_synced_at", "_deleted_at")


@dataclass(frozen=True)
class Seen:
    """A table of the source as a sync saw it."""

    columns: frozenset[str]
    rows: Mapping[Key, Values]


@dataclass(frozen=True)
class Row:
    """A row of raw: its values, the sync that last changed it, and whether that one buried it."""

    values: Values
    sync_id: int
    is_deleted: bool


@dataclass(frozen=True)
class Change:
    """What a sync did to a table: the rows' values from before, None where there was no row."""

    written: Mapping[Key, Values | None]
    deleted: Mapping[Key, Values]


@dataclass
class Mirror:
    """raw, by table."""

    columns: dict[str, frozenset[str]] = field(default_factory=dict)
    rows: dict[str, dict[Key, Row]] = field(default_factory=dict)

    def copy(self) -> Mirror:
        return Mirror(dict(self.columns), {name: dict(rows) for name, rows in self.rows.items()})

    def sync(self, sync_id: int, seen: Mapping[str, Seen]) -> dict[str, Change]:
        """Makes these tables equal to the source; the others stay as they are."""
        return {name: self._table(sync_id, name, table) for name, table in seen.items()}

    def _table(self, sync_id: int, name: str, seen: Seen) -> Change:
        # A dropped column stays, NULL on live rows. A new one is NULL on tombstones.
        columns = self.columns.get(name, frozenset()) | seen.columns
        before = self.rows.get(name, {})
        after: dict[Key, Row] = {}
        written: dict[Key, Values | None] = {}
        deleted: dict[Key, Values] = {}
        for key, old in before.items():
            kept = _with(columns, old)
            after[key] = kept
            if key not in seen.rows and not old.is_deleted:
                after[key] = Row(kept.values, sync_id, is_deleted=True)
                deleted[key] = old.values
        for key, values in seen.rows.items():
            now = _with(columns, Row(values, sync_id, is_deleted=False))
            was = after.get(key)
            if was is None or was.is_deleted or was.values != now.values:
                written[key] = before[key].values if was else None
                after[key] = now
        self.columns[name], self.rows[name] = columns, after
        return Change(written, deleted)


def _with(columns: frozenset[str], row: Row) -> Row:
    """The row with all columns: NULL where it has none."""
    if row.values.keys() == columns:
        return row
    return Row(dict.fromkeys(columns) | row.values, row.sync_id, row.is_deleted)


def differences(expected: Mirror, found: Mirror) -> list[str]:
    """What is wrong with the second, a line each; a few lines are enough."""
    return [] if expected == found else list(islice(_differences(expected, found), 20))


def _differences(expected: Mirror, found: Mirror) -> Iterator[str]:
    for name in sorted(expected.rows.keys() | found.rows.keys()):
        if expected.columns.get(name) != found.columns.get(name):
            yield f"{name}: columns {found.columns.get(name)}, not {expected.columns.get(name)}"
        wanted, there = expected.rows.get(name, {}), found.rows.get(name, {})
        for key in sorted(wanted.keys() | there.keys()):
            if wanted.get(key) != there.get(key):
                yield f"{name} {key}: {there.get(key)}, not {wanted.get(key)}"


def read_source(
    connection: psycopg.Connection[TupleRow], name: str, schema: str = "public"
) -> Seen:
    """A table's committed rows, by its primary key."""
    columns, key = _describe(connection, schema, name)
    rows = connection.execute(_select(schema, name, [*key, *columns]))
    return Seen(
        frozenset(columns),
        {row[: len(key)]: dict(zip(columns, row[len(key) :], strict=True)) for row in rows},
    )


def read_raw(connection: psycopg.Connection[TupleRow], *names: str) -> Mirror:
    """raw's tables as they are, whose times must be those of the syncs that they name."""
    found = Mirror()
    for name in names:
        columns, key = _describe(connection, "raw", name)
        if not columns:
            continue
        columns = [column for column in columns if column not in OWN]
        rows = found.rows[name] = {}
        for row in connection.execute(_select("raw", name, [*key, *columns], _STAMPS)):
            sync_id, is_its_time, is_deleted, is_its_deletion = row[-4:]
            assert is_its_time, f"raw.{name} {row}: _synced_at is not that of its sync"
            assert is_its_deletion or not is_deleted, f"raw.{name} {row}: nor is _deleted_at"
            values = dict(zip(columns, row[len(key) : -4], strict=True))
            rows[row[: len(key)]] = Row(values, sync_id, is_deleted)
        found.columns[name] = frozenset(columns)
    return found


def places(connection: psycopg.Connection[TupleRow], *names: str) -> Places:
    """Per table the types of its columns, and where each row lies and who wrote it there."""
    found: Places = {}
    for name in names:
        columns, key = _describe(connection, "raw", name)
        if columns:
            types = connection.execute(_TYPES, ["raw", name]).fetchall()
            query = _select("raw", name, key, sql.SQL("ctid::text, xmin::text"))
            rows = {row[:-2]: row[-2:] for row in connection.execute(query)}
            found[name] = dict(types), rows
    return found


_STAMPS = sql.SQL(
    "_sync_id, _synced_at = (select snapshot_at from ops.sync_runs where sync_id = _sync_id), "
    "_deleted_at is not null, _deleted_at = _synced_at"
)

_COLUMNS = """
select pg_attribute.attname::text, pg_attribute.attnum = any(pg_index.indkey::int2[])
from pg_class
inner join pg_namespace on pg_class.relnamespace = pg_namespace.oid
inner join pg_attribute on pg_class.oid = pg_attribute.attrelid
left join pg_index on pg_class.oid = pg_index.indrelid and pg_index.indisprimary
where pg_namespace.nspname = %s and pg_class.relname = %s
    and pg_attribute.attnum > 0 and not pg_attribute.attisdropped
order by pg_attribute.attnum
"""


_TYPES = """
select pg_attribute.attname::text, format_type(pg_attribute.atttypid, pg_attribute.atttypmod)
from pg_attribute
where attrelid = to_regclass(format('%%I.%%I', %s::text, %s::text))
    and attnum > 0 and not attisdropped
"""


def _describe(
    connection: psycopg.Connection[TupleRow], schema: str, name: str
) -> tuple[list[str], list[str]]:
    """The columns, and those of the primary key, whose order tells nothing about the rows."""
    rows = connection.execute(_COLUMNS, [schema, name]).fetchall()
    return [column for column, _ in rows], sorted(column for column, is_key in rows if is_key)


def _select(schema: str, name: str, columns: list[str], *extra: sql.Composable) -> sql.Composed:
    texts = [sql.SQL("{}::text").format(sql.Identifier(column)) for column in columns]
    return sql.SQL("select {} from {}").format(
        sql.SQL(", ").join([*texts, *extra]), sql.Identifier(schema, name)
    )
