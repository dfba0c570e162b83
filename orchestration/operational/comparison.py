"""Which differences between a database and the v2 schema matter to the warehouse, and how much."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from orchestration.operational.access import INSERTED_COLUMNS, columns_read
from orchestration.operational.catalogue import Catalogue, Column, ForeignKey, Relation
from orchestration.operational.migrate import VERSION_TABLE
from orchestration.operational.tables import metadata

_FAMILIES: dict[type[Any], frozenset[str]] = {
    sa.Integer: frozenset({"int2", "int4", "int8"}),
    sa.Numeric: frozenset({"numeric", "float4", "float8", "int2", "int4", "int8"}),
    sa.String: frozenset({"varchar", "text", "bpchar", "name", "enum", "citext"}),
    sa.Boolean: frozenset({"bool"}),
    sa.DateTime: frozenset({"timestamptz"}),
    sa.JSON: frozenset({"json", "jsonb"}),
}
_IN_A_TABLES_PLACE = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}
_WITHOUT = {
    "xmin": "every sync reads the whole table",
    "ctid": "the table is not read in several streams",
}
_DIALECT = sa.make_url("postgresql+psycopg://").get_dialect()()


class Severity(StrEnum):
    """How much a difference matters."""

    ERROR = "error"  # the sync cannot work
    WARNING = "warning"  # it works, and somebody should know
    INFO = "info"  # a deployment's own additions and wider types


@dataclass(frozen=True)
class Difference:
    """One difference; `table` and `column` say where, both None where it is the whole schema's."""

    severity: Severity
    table: str | None
    column: str | None
    problem: str

    @property
    def place(self) -> str:
        """`table.column`, `table`, or nothing."""
        return ".".join(part for part in (self.table, self.column) if part)

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}" if self.place else self.problem


def compare(catalogue: Catalogue) -> list[Difference]:
    """Lists every difference that the warehouse has an opinion on, the gravest first.

    Nothing that only our own copy declares is asked for: defaults, checks, archive flags.
    """
    if unusable := _unusable(catalogue):
        return [unusable]
    found: list[Difference] = []
    if not catalogue.is_usable:
        problem = (
            f"the role has no USAGE on schema {catalogue.schema}: see `loyalty operational grants`"
        )
        found.append(Difference(Severity.ERROR, None, None, problem))
    for table in metadata.sorted_tables:
        relation = catalogue.relations.get(table.name)
        found += _compare_table(table, relation)
    for name in sorted(catalogue.relations.keys() - metadata.tables.keys() - {VERSION_TABLE}):
        found.append(
            Difference(Severity.INFO, name, None, "not one of the 15 tables; not mirrored")
        )
    order = list(Severity)
    return sorted(found, key=lambda difference: order.index(difference.severity))


def _unusable(catalogue: Catalogue) -> Difference | None:
    """The one message where there is nothing to compare."""
    if catalogue.relations.keys() & metadata.tables.keys():
        return None
    holders = {name: count for name, count in catalogue.schemas.items() if count}
    if holders:
        places = ", ".join(f"{name} ({count} of the 15)" for name, count in holders.items())
        elsewhere = f"tables of these names are in {places}: set LOYALTY_OPERATIONAL_SCHEMA"
    else:
        schemas = ", ".join(catalogue.schemas) or "none"
        elsewhere = (
            f"no schema of this database holds any of them (schemas: {schemas}): check "
            "LOYALTY_OPERATIONAL_URL, set LOYALTY_OPERATIONAL_SCHEMA, or create them with "
            "`loyalty operational create`"
        )
    missing = (
        f"none of the 15 tables is in schema {catalogue.schema}"
        if catalogue.schema in catalogue.schemas
        else f"schema {catalogue.schema} does not exist"
    )
    return Difference(Severity.ERROR, None, None, f"{missing}; {elsewhere}")


def _compare_table(table: sa.Table, relation: Relation | None) -> Iterator[Difference]:
    if relation is None:
        yield Difference(Severity.ERROR, table.name, None, "the table is missing")
        return
    if relation.kind in _IN_A_TABLES_PLACE:
        kind = _IN_A_TABLES_PLACE[relation.kind]
        yield Difference(Severity.ERROR, table.name, None, f"is {kind}; a table is needed")
        return

    needed = columns_read(table)
    yield from _compare_privileges(table.name, relation, [column.name for column in needed])
    for column in needed:
        yield from _compare_column(table.name, column, relation.columns.get(column.name))
    yield from _compare_keys(table, relation)
    for name, extra in relation.columns.items():
        if name not in table.columns:
            yield _extra_column(table.name, name, extra)


def _compare_privileges(table: str, relation: Relation, needed: list[str]) -> Iterator[Difference]:
    if relation.hides_rows:
        yield Difference(
            Severity.ERROR,
            table,
            None,
            "row-level security applies to this role, and what it hides would count as deleted: "
            "let the role bypass it (alter role … bypassrls)",
        )
    if relation.is_readable:
        return
    refused = [
        name
        for name in needed
        if name in relation.columns and not relation.columns[name].is_readable
    ]
    if not any(column.is_readable for column in relation.columns.values()):
        yield Difference(
            Severity.ERROR,
            table,
            None,
            "the role may not select from it: see `loyalty operational grants`",
        )
        return
    for name in refused:
        yield Difference(Severity.ERROR, table, name, "the role may not select it")
    for name in relation.unreadable_system_columns:
        yield Difference(
            Severity.WARNING, table, name, f"the role may not select it, so {_WITHOUT[name]}"
        )


def _compare_column(
    table: str, expected: sa.Column[object], found: Column | None
) -> Iterator[Difference]:
    if found is None:
        yield Difference(Severity.ERROR, table, expected.name, "the column is missing")
        return
    wanted = _type_name(expected)
    if found.base_type == "timestamp" and isinstance(expected.type, sa.DateTime):
        yield Difference(
            Severity.ERROR,
            table,
            expected.name,
            f"is {found.type}, which names no instant; {wanted} is needed",
        )
    elif found.base_type not in _family(expected):
        yield Difference(
            Severity.ERROR, table, expected.name, f"is {found.type}; {wanted} is needed"
        )
    elif found.type != wanted:
        yield Difference(Severity.INFO, table, expected.name, f"is {found.type}, usually {wanted}")
    if found.is_nullable and not expected.nullable and not expected.primary_key:
        yield Difference(
            Severity.WARNING, table, expected.name, "may hold NULL, which it should not"
        )
    elif expected.nullable and not found.is_nullable:
        yield Difference(Severity.INFO, table, expected.name, "is not nullable, usually it is")


def _compare_keys(table: sa.Table, relation: Relation) -> Iterator[Difference]:
    key = tuple(column.name for column in table.primary_key)
    if relation.kind == "p" and set(key) < set(relation.primary_key):
        # A partitioned table's key must hold what it is partitioned by.
        problem = f"its primary key is ({', '.join(relation.primary_key)}): ids may repeat"
        yield Difference(Severity.WARNING, table.name, None, problem)
    elif relation.primary_key != key:
        problem = (
            f"its primary key is ({', '.join(relation.primary_key)}); (id) is needed"
            if relation.primary_key
            else "it has no primary key; (id) is needed"
        )
        yield Difference(Severity.ERROR, table.name, None, problem)
    elif (
        table.name in INSERTED_COLUMNS
        and "id" in relation.columns
        and not relation.columns["id"].has_default
    ):
        yield Difference(
            Severity.WARNING,
            table.name,
            "id",
            "has no default (serial or identity), so activation cannot insert rows",
        )

    for unique in table.constraints:
        if isinstance(unique, sa.UniqueConstraint):
            columns = [column.name for column in unique.columns]
            if not any(found <= set(columns) for found in relation.unique_keys):
                problem = f"({', '.join(columns)}) is not unique"
                yield Difference(Severity.WARNING, table.name, None, problem)

    found_keys = {found.columns: found for found in relation.foreign_keys}
    for reference in sorted(table.foreign_keys, key=lambda key: key.parent.name):
        column = reference.parent.name
        wanted = ForeignKey(
            (column,), reference.column.table.name, cascades=reference.ondelete == "CASCADE"
        )
        if problem_found := _foreign_key_problem(wanted, found_keys.get((column,))):
            yield Difference(Severity.WARNING, table.name, column, problem_found)


def _foreign_key_problem(wanted: ForeignKey, found: ForeignKey | None) -> str:
    if found is None:
        return f"no foreign key to {wanted.target}: it may point at rows that do not exist"
    if found.target != wanted.target:
        return f"refers to {found.target} instead of {wanted.target}"
    if found.cascades != wanted.cascades:
        does, usually = ("cascades", "does not") if found.cascades else ("does not cascade", "does")
        return f"its foreign key {does} on delete, usually it {usually}"
    return ""


def _extra_column(table: str, name: str, extra: Column) -> Difference:
    if table in INSERTED_COLUMNS and not extra.is_nullable and not extra.has_default:
        return Difference(
            Severity.WARNING,
            table,
            name,
            f"an extra column ({extra.type}) that is not nullable and has no default, "
            "so activation cannot insert rows",
        )
    hidden = "" if extra.is_readable else " that the role may not select, so it is not mirrored"
    return Difference(Severity.INFO, table, name, f"an extra column ({extra.type}){hidden}")


def _family(column: sa.Column[object]) -> frozenset[str]:
    return next(names for kind, names in _FAMILIES.items() if isinstance(column.type, kind))


def _type_name(column: sa.Column[object]) -> str:
    """The column's type as format_type() would write it."""
    compiled = column.type.compile(dialect=_DIALECT)
    return compiled.lower().replace("varchar", "character varying").replace(", ", ",")
