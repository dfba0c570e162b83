"""What the operational database has: tables, columns, keys, as its catalogue describes them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import psycopg
from psycopg.rows import TupleRow

from orchestration.errors import LoyaltyError
from orchestration.sync.types import PgType, shape, wide_type

_SECRET_WORDS = frozenset(
    {"token", "secret", "password", "passwd", "key", "apikey", "accesstoken", "secretkey"}
)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

_RESERVED = frozenset(
    {"_sync_id", "_synced_at", "_deleted_at", "_is_new", "_is_back", "_image", "_place", "_nth"}
)
"""What raw and scratch call their own columns."""

_COLUMNS = """
select
    pg_class.relname,
    pg_class.relkind::text,
    greatest(pg_class.reltuples, 0)::bigint as estimated_rows,
    pg_attribute.attname,
    pg_attribute.atttypid,
    concat_ws(
        ' ',
        pg_attribute.attnum,
        pg_attribute.atttypmod,
        case
            when pg_attribute.attgenerated <> ''
                then pg_get_expr(pg_attrdef.adbin, pg_attrdef.adrelid)
        end
    ) as version,
    has_column_privilege(pg_class.oid, pg_attribute.attnum, 'select') as is_readable,
    array_position(pg_index.indkey::int2[], pg_attribute.attnum) as key_position,
    coalesce(pg_index.indnkeyatts, 0) as key_columns
from pg_catalog.pg_class
inner join pg_catalog.pg_namespace on pg_class.relnamespace = pg_namespace.oid
inner join pg_catalog.pg_attribute on pg_class.oid = pg_attribute.attrelid
left join pg_catalog.pg_index on pg_class.oid = pg_index.indrelid and pg_index.indisprimary
left join pg_catalog.pg_attrdef
    on pg_attribute.attrelid = pg_attrdef.adrelid and pg_attribute.attnum = pg_attrdef.adnum
where pg_namespace.nspname = %s and pg_class.relname = any(%s)
    and pg_class.relkind in ('r', 'p', 'v', 'm', 'f')
    and pg_attribute.attnum > 0 and not pg_attribute.attisdropped
order by pg_class.relname, pg_attribute.attnum
"""

_TYPES = """
with
enumerations as (
    select enumtypid, array_agg(enumlabel::text order by enumsortorder) as labels
    from pg_catalog.pg_enum
    group by enumtypid
),
composites as (
    select
        attrelid,
        array_agg(attname::text order by attnum) as labels,
        array_agg(atttypid::bigint order by attnum) as attributes
    from pg_catalog.pg_attribute
    where attnum > 0 and not attisdropped
    group by attrelid
)
select
    pg_type.oid, pg_type.typname, pg_namespace.nspname = 'pg_catalog', pg_type.typtype::text,
    pg_type.typbasetype, coalesce(pg_range.rngsubtype, pg_type.typelem), pg_type.typarray,
    coalesce(enumerations.labels, composites.labels, '{}'), coalesce(composites.attributes, '{}')
from pg_catalog.pg_type
inner join pg_catalog.pg_namespace on pg_type.typnamespace = pg_namespace.oid
left join pg_catalog.pg_range on pg_type.oid in (pg_range.rngtypid, pg_range.rngmultitypid)
left join enumerations on pg_type.oid = enumerations.enumtypid
left join composites on pg_type.typrelid = composites.attrelid and pg_type.typtype = 'c'
"""

# A table with all that belongs to it: partitions, and tables that inherit from it.
_STORAGE = """
with recursive parts (name, root, oid) as (
    select pg_class.relname, pg_class.oid, pg_class.oid
    from pg_catalog.pg_class
    inner join pg_catalog.pg_namespace on pg_class.relnamespace = pg_namespace.oid
    where pg_namespace.nspname = %s and pg_class.relname = any(%s)
        and pg_class.relkind in ('r', 'p')
    union
    select parts.name, parts.root, pg_inherits.inhrelid
    from parts
    inner join pg_catalog.pg_inherits on parts.oid = pg_inherits.inhparent
)
select
    parts.name,
    string_agg(format('%%s:%%s', parts.oid, pg_class.relfilenode), ' ' order by parts.oid),
    bool_and(pg_class.relkind = 'p' or pg_am.amname = 'heap' is true) as is_heap,
    count(*) > 1 and bool_or(pg_class.relkind = 'r' and parts.oid = parts.root) as is_inherited,
    has_column_privilege(parts.root, 'xmin', 'select') as shows_writer
from parts
inner join pg_catalog.pg_class on parts.oid = pg_class.oid
left join pg_catalog.pg_am on pg_class.relam = pg_am.oid
group by parts.name, parts.root
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
        columns: What is mirrored, with the types in which it travels.
        key: The primary key's columns.
        estimated_rows: By the source planner's statistics; 0 when unknown.
        columns_version: Changes when the columns or their types do: values may then have changed
            without a row having been written.
        storage_version: Changes when the table is replaced, rewritten, or gets another partition:
            rows may then have come with writers of long ago.
        untracked: Why its changed rows cannot be told by their writers; None where they can.
        unreadable: Columns that the login may not read; they are left out.
    """

    schema: str
    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    estimated_rows: int
    columns_version: str = ""
    storage_version: str = ""
    untracked: str | None = None
    unreadable: tuple[str, ...] = ()

    @property
    def versions(self) -> tuple[str, str]:
        """What changes with the table's columns, and with its storage."""
        return self.columns_version, self.storage_version


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
    types = {
        oid: PgType(name, is_builtin, kind, base, element, array, tuple(labels), tuple(attributes))
        for oid, name, is_builtin, kind, base, element, array, labels, attributes in (
            connection.execute(_TYPES)
        )
    }
    storage = {
        name: tuple(rest) for name, *rest in connection.execute(_STORAGE, [schema, list(names)])
    }
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
    return {
        name: replace(
            _table(schema, name, columns, types),
            storage_version=_digest([storage[name][0]]),
            untracked=_untracked(schema, name, *storage[name][1:]),
        )
        for name, columns in found.items()
    }


def _untracked(
    schema: str, name: str, is_heap: bool, is_inherited: bool, shows_writer: bool
) -> str | None:
    if is_inherited:
        return "tables inherit from it, so that keys may repeat"
    if not is_heap:
        return "it is, or has a part, not stored as PostgreSQL's own heap"
    if not shows_writer:
        return f"the login may not read xmin: grant select (xmin, ctid) on {schema}.{name} to it"
    return None


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


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
    versions: list[str] = []
    key: dict[int, str] = {}
    for _, _, column, oid, version, is_readable, key_position, key_columns in rows:
        if key_position is not None and key_position < key_columns:
            key[key_position] = column
        if is_secret(column):
            continue
        if is_readable:
            columns.append(Column(column, wide_type(oid, types)))
            versions.append(f"{column} {version} {shape(oid, types)}")
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
    if reserved := mirrored & _RESERVED:
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
        columns_version=_digest(versions),
        unreadable=tuple(unreadable),
    )
