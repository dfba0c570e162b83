"""What the operational database has: tables, columns, keys, as its catalogue describes them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg.rows import TupleRow

from orchestration.errors import LoyaltyError
from orchestration.sync.types import PgType, wide_type

_SECRET_WORDS = frozenset(
    {"token", "secret", "password", "passwd", "key", "apikey", "accesstoken", "secretkey"}
)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

_COLUMNS = """
select
    pg_class.relname,
    pg_class.relkind::text,
    greatest(pg_class.reltuples, 0)::bigint as estimated_rows,
    pg_attribute.attname,
    pg_attribute.atttypid,
    has_column_privilege(pg_class.oid, pg_attribute.attnum, 'select') as is_readable,
    array_position(pg_index.indkey::int2[], pg_attribute.attnum) as key_position,
    coalesce(pg_index.indnkeyatts, 0) as key_columns
from pg_catalog.pg_class
inner join pg_catalog.pg_namespace on pg_class.relnamespace = pg_namespace.oid
inner join pg_catalog.pg_attribute on pg_class.oid = pg_attribute.attrelid
left join pg_catalog.pg_index on pg_class.oid = pg_index.indrelid and pg_index.indisprimary
where pg_namespace.nspname = %s and pg_class.relname = any(%s)
    and pg_class.relkind in ('r', 'p', 'v', 'm', 'f')
    and pg_attribute.attnum > 0 and not pg_attribute.attisdropped
order by pg_class.relname, pg_attribute.attnum
"""

_TYPES = """
select
    pg_type.oid, pg_type.typname, pg_namespace.nspname = 'pg_catalog', pg_type.typtype::text,
    pg_type.typbasetype, pg_type.typelem, pg_type.typarray
from pg_catalog.pg_type
inner join pg_catalog.pg_namespace on pg_type.typnamespace = pg_namespace.oid
"""


@dataclass(frozen=True)
class Column:
    """A column as it travels: its name and its wide type."""

    name: str
    type: str


@dataclass(frozen=True)
class SourceTable:
    """A table of the source, without the columns that are never mirrored.

    Attributes:
        unreadable: Columns that the login may not read; they are left out.
    """

    schema: str
    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    estimated_rows: int
    unreadable: tuple[str, ...] = ()


def is_secret(column: str) -> bool:
    """Whether a column's name says that it holds a credential: such columns are never mirrored."""
    words = {word.lower() for word in _WORDS.findall(column)}
    return bool(_SECRET_WORDS & (words | {word.removesuffix("s") for word in words}))


def describe(
    connection: psycopg.Connection[TupleRow], schema: str, names: Sequence[str]
) -> dict[str, SourceTable]:
    """Describes tables of the source, in the order asked for.

    Raises:
        LoyaltyError: A table is missing, is no table, has no primary key or may not be read.
    """
    _require_schema(connection, schema)
    types = {oid: PgType(*rest) for oid, *rest in connection.execute(_TYPES)}
    rows = connection.execute(_COLUMNS, [schema, list(names)]).fetchall()
    found: dict[str, list[TupleRow]] = {name: [] for name in names}
    for name, *column in rows:
        found[name].append(tuple(column))
    missing = [f"{schema}.{name}" for name, columns in found.items() if not columns]
    if missing:
        raise LoyaltyError(
            f"The operational database has no table {', '.join(missing)}.",
            remedy="Check LOYALTY_OPERATIONAL_URL and LOYALTY_OPERATIONAL_SCHEMA; "
            "`loyalty operational check` lists every difference.",
        )
    return {name: _table(schema, name, columns, types) for name, columns in found.items()}


def _require_schema(connection: psycopg.Connection[TupleRow], schema: str) -> None:
    row = connection.execute(
        "select has_schema_privilege(oid, 'usage'), current_user "
        "from pg_catalog.pg_namespace where nspname = %s",
        [schema],
    ).fetchone()
    if row is None:
        raise LoyaltyError(
            f"The operational database has no schema {schema}.",
            remedy="Set LOYALTY_OPERATIONAL_SCHEMA to the schema of the application's tables.",
        )
    if not row[0]:
        raise LoyaltyError(
            f"The role {row[1]} may not use the schema {schema} of the operational database.",
            remedy=f"Let its owner run: grant usage on schema {schema} to {row[1]}.",
        )


def _table(
    schema: str, name: str, rows: Sequence[TupleRow], types: Mapping[int, PgType]
) -> SourceTable:
    where = f"{schema}.{name} of the operational database"
    kind, estimated_rows = rows[0][0], rows[0][1]
    if kind not in ("r", "p"):
        raise LoyaltyError(
            f"{where} is not a table but a view or a foreign table, which has no primary key.",
            remedy="Point LOYALTY_OPERATIONAL_SCHEMA at the schema with the application's tables.",
        )
    columns: list[Column] = []
    unreadable: list[str] = []
    key: dict[int, str] = {}
    for _, _, column, oid, is_readable, key_position, key_columns in rows:
        if key_position is not None and key_position < key_columns:
            key[key_position] = column
        if is_secret(column):
            continue
        if is_readable:
            columns.append(Column(column, wide_type(oid, types)))
        else:
            unreadable.append(column)
    if unreadable and (not columns or set(unreadable) & set(key.values())):
        raise LoyaltyError(
            f"The login may not read {where} (columns {', '.join(unreadable)}).",
            remedy=f"Let its owner grant select on {schema}.{name}; "
            "`loyalty operational grants` prints the statements.",
        )
    if not key:
        raise LoyaltyError(
            f"{where} has no primary key, so its rows cannot be told apart.",
            remedy=f"Add one, for example: alter table {schema}.{name} add primary key (id).",
        )
    mirrored = {column.name for column in columns}
    if hidden := [column for column in key.values() if column not in mirrored]:
        raise LoyaltyError(
            f"The primary key of {where} holds {', '.join(hidden)}, "
            "which is not mirrored because it is named like a credential.",
            remedy="Leave this table out of the sync.",
        )
    if reserved := mirrored & {"_sync_id", "_synced_at", "_deleted_at"}:
        raise LoyaltyError(
            f"{where} has a column {', '.join(sorted(reserved))}, a name that the mirror needs.",
            remedy="Rename the column in the source.",
        )
    return SourceTable(
        schema,
        name,
        tuple(columns),
        tuple(key[at] for at in sorted(key)),
        estimated_rows,
        tuple(unreadable),
    )
