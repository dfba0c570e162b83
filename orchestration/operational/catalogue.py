"""What a database's system catalogue says about the application's tables, whoever is asking.

Reads pg_catalog alone: information_schema hides what the role has no privilege on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import psycopg
from psycopg.rows import TupleRow


@dataclass(frozen=True)
class Column:
    """A column as it was found.

    Attributes:
        type: As PostgreSQL writes it: `character varying(255)`.
        base_type: The bare name of the type beneath domains and modifiers, `enum` for every enum.
        is_nullable: Whether it may hold NULL.
        has_default: Whether an insert may leave it out though it is not nullable.
        is_readable: Whether the role may select it.
    """

    type: str
    base_type: str
    is_nullable: bool = True
    has_default: bool = False
    is_readable: bool = True


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key; `target` is the referred table's name, qualified where in another schema."""

    columns: tuple[str, ...]
    target: str
    cascades: bool


@dataclass(frozen=True)
class Relation:
    """A table, or what stands in its place.

    Attributes:
        kind: pg_class.relkind: `r` an ordinary table, `p` a partitioned one, `v` a view …
        is_readable: Whether the role may select the whole table; else see its columns.
        hides_rows: Whether row-level security filters what this role sees.
        unreadable_system_columns: Which of xmin and ctid the role may not select.
        columns: By name.
        primary_key: Its columns in order; empty where there is none.
        unique_keys: The columns of every complete unique index, primary key included.
    """

    kind: str = "r"
    is_readable: bool = True
    hides_rows: bool = False
    unreadable_system_columns: tuple[str, ...] = ()
    columns: Mapping[str, Column] = field(default_factory=dict)
    primary_key: tuple[str, ...] = ()
    unique_keys: frozenset[frozenset[str]] = frozenset()
    foreign_keys: frozenset[ForeignKey] = frozenset()


@dataclass(frozen=True)
class Catalogue:
    """What was found.

    Attributes:
        schema: The schema that was looked at.
        schemas: Every schema that is not the system's, with how many of the wanted tables it holds.
        is_usable: Whether the role has USAGE on the schema.
        relations: The schema's relations by name; only the wanted ones have columns and keys.
    """

    schema: str
    schemas: Mapping[str, int]
    is_usable: bool
    relations: Mapping[str, Relation]


def read(connection: psycopg.Connection[TupleRow], schema: str, tables: Iterable[str]) -> Catalogue:
    """Describes a schema's relations, in four queries however many there are.

    Args:
        connection: A connection to the database, as the role whose privileges matter.
        schema: The schema to look at; it need not exist.
        tables: The names of the wanted tables.
    """
    names = list(tables)
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read, read only")
        schemas = connection.execute(_SCHEMAS, {"tables": names}).fetchall()
        relations = connection.execute(_RELATIONS, {"schema": schema}).fetchall()
        wanted = [oid for oid, name, *_ in relations if name in names]
        columns: dict[int, dict[str, Column]] = {}
        for oid, name, *facts in connection.execute(_COLUMNS, {"oids": wanted}):
            columns.setdefault(oid, {})[name] = Column(*facts)
        keys = connection.execute(_KEYS, {"oids": wanted, "schema": schema}).fetchall()

    def described(oid: int, kind: str, is_readable: bool, rls: bool, hidden: list[str]) -> Relation:
        own = [key for key in keys if key[0] == oid]
        return Relation(
            kind=kind,
            is_readable=is_readable,
            hides_rows=rls,
            unreadable_system_columns=tuple(hidden),
            columns=columns.get(oid, {}),
            primary_key=next((tuple(key[2]) for key in own if key[1] == "p"), ()),
            unique_keys=frozenset(frozenset(key[2]) for key in own if key[1] in ("p", "u")),
            foreign_keys=frozenset(
                ForeignKey(tuple(key[2]), target=key[3], cascades=key[4])
                for key in own
                if key[1] == "f"
            ),
        )

    return Catalogue(
        schema=schema,
        schemas={name: count for name, _, count in schemas},
        is_usable=any(name == schema and usable for name, usable, _ in schemas),
        relations={name: described(oid, *facts) for oid, name, *facts in relations},
    )


_SCHEMAS = """
select
    pg_namespace.nspname::text,
    has_schema_privilege(pg_namespace.oid, 'usage'),
    count(pg_class.oid)
from pg_catalog.pg_namespace
left join pg_catalog.pg_class
    on pg_class.relnamespace = pg_namespace.oid
    and pg_class.relkind in ('r', 'p')
    and pg_class.relname = any(%(tables)s::text[])
where pg_namespace.nspname !~ '^pg_' and pg_namespace.nspname <> 'information_schema'
group by pg_namespace.oid, pg_namespace.nspname
order by pg_namespace.nspname
"""

# Partitions and what belongs to an extension are nobody's tables of their own.
_RELATIONS = """
select
    pg_class.oid,
    pg_class.relname::text,
    pg_class.relkind::text,
    coalesce(has_table_privilege(pg_class.oid, 'select'), false),
    coalesce(row_security_active(pg_class.oid), false),
    case
        when pg_class.relkind not in ('r', 'p') then array[]::text[]
        else array(
            select system_column
            from unnest(array['xmin', 'ctid']) as system_column
            where not has_column_privilege(pg_class.oid, system_column, 'select')
        )
    end
from pg_catalog.pg_class
join pg_catalog.pg_namespace on pg_namespace.oid = pg_class.relnamespace
where
    pg_namespace.nspname = %(schema)s
    and pg_class.relkind in ('r', 'p', 'v', 'm', 'f')
    and not pg_class.relispartition
    and not exists (
        select
        from pg_catalog.pg_depend
        where
            pg_depend.classid = 'pg_catalog.pg_class'::regclass
            and pg_depend.objid = pg_class.oid
            and pg_depend.deptype = 'e'
    )
order by pg_class.relname
"""

_COLUMNS = """
with recursive found as (
    select
        pg_attribute.attrelid,
        pg_attribute.attnum,
        pg_attribute.attname,
        pg_attribute.atttypid,
        pg_attribute.atttypmod,
        pg_attribute.attnotnull,
        pg_attribute.atthasdef or pg_attribute.attidentity <> '' as has_default
    from pg_catalog.pg_attribute
    where
        pg_attribute.attrelid = any(%(oids)s::oid[])
        and pg_attribute.attnum > 0
        and not pg_attribute.attisdropped
),

beneath as (
    select distinct atttypid as type_oid, atttypid as base_oid
    from found
    union all
    select beneath.type_oid, pg_type.typbasetype
    from beneath
    join pg_catalog.pg_type on pg_type.oid = beneath.base_oid
    where pg_type.typtype = 'd'
)

select
    found.attrelid,
    found.attname::text,
    format_type(found.atttypid, found.atttypmod),
    case when pg_type.typtype = 'e' then 'enum' else pg_type.typname::text end,
    not found.attnotnull,
    found.has_default,
    coalesce(has_column_privilege(found.attrelid, found.attnum, 'select'), false)
from found
join beneath on beneath.type_oid = found.atttypid
join pg_catalog.pg_type on pg_type.oid = beneath.base_oid and pg_type.typtype <> 'd'
order by found.attrelid, found.attnum
"""

_KEYS = """
select
    pg_index.indrelid,
    case when pg_index.indisprimary then 'p' else 'u' end,
    array(
        select pg_attribute.attname::text
        from unnest(pg_index.indkey::int2[]) with ordinality as key (attnum, place)
        join pg_catalog.pg_attribute
            on pg_attribute.attrelid = pg_index.indrelid and pg_attribute.attnum = key.attnum
        where key.place <= pg_index.indnkeyatts
        order by key.place
    ),
    null,
    false
from pg_catalog.pg_index
where
    pg_index.indrelid = any(%(oids)s::oid[])
    and pg_index.indisunique
    and pg_index.indisvalid
    and pg_index.indpred is null
    and pg_index.indexprs is null
union all
select
    pg_constraint.conrelid,
    'f',
    array(
        select pg_attribute.attname::text
        from unnest(pg_constraint.conkey) with ordinality as key (attnum, place)
        join pg_catalog.pg_attribute
            on pg_attribute.attrelid = pg_constraint.conrelid and pg_attribute.attnum = key.attnum
        order by key.place
    ),
    case when pg_namespace.nspname = %(schema)s then '' else pg_namespace.nspname || '.' end
    || target.relname,
    pg_constraint.confdeltype = 'c'
from pg_catalog.pg_constraint
join pg_catalog.pg_class as target on target.oid = pg_constraint.confrelid
join pg_catalog.pg_namespace on pg_namespace.oid = target.relnamespace
where pg_constraint.conrelid = any(%(oids)s::oid[]) and pg_constraint.contype = 'f'
"""
