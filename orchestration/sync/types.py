"""Which type a source column travels and is stored as: wide, so that raw need never change it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_WIDE = {
    "bool": "boolean",
    "int2": "bigint",
    "int4": "bigint",
    "int8": "bigint",
    "oid": "bigint",
    # Their text changes with what they point to, and nothing tells when.
    **dict.fromkeys(
        (
            "regclass",
            "regcollation",
            "regconfig",
            "regdictionary",
            "regnamespace",
            "regoper",
            "regoperator",
            "regproc",
            "regprocedure",
            "regrole",
            "regtype",
        ),
        "bigint",
    ),
    "float4": "double precision",
    "float8": "double precision",
    "numeric": "numeric",
    "money": "numeric",
    "json": "json",
    # jsonb cannot hold all that json can, so a column of either kind is json in raw.
    "jsonb": "json",
    "date": "date",
    "time": "time without time zone",
    "timetz": "time with time zone",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "interval": "interval",
    "uuid": "uuid",
    "bytea": "bytea",
    "inet": "inet",
    "cidr": "cidr",
    "macaddr": "macaddr",
    "macaddr8": "macaddr8",
    "bit": "bit varying",
    "varbit": "bit varying",
}
"""Built-in types with a type of their own in raw, as `format_type` spells it; others are text."""

_WIDER = {
    ("bigint", "numeric"),
    ("date", "timestamp without time zone"),
    ("date", "timestamp with time zone"),
}
"""(type, a type that holds every value of it unharmed), beside text, which holds all."""


@dataclass(frozen=True)
class PgType:
    """A row of pg_type, as far as it matters here; oids are 0 where there is none.

    Attributes:
        labels: An enumeration's labels, in their order; a composite's attribute names.
        attributes: The types of a composite's attributes.
    """

    name: str
    is_builtin: bool
    kind: str
    base: int
    element: int
    array: int
    labels: tuple[str, ...] = ()
    attributes: tuple[int, ...] = ()


def wide_type(oid: int, types: Mapping[int, PgType]) -> str:
    """The type that raw gives a column of this source type.

    Domains become their base type; enumerations, composites and types of extensions become text;
    arrays become arrays of the element's wide type.
    """
    while oid in types and types[oid].kind == "d":
        oid = types[oid].base
    kind = types.get(oid)
    if kind is None:
        return "text"
    if kind.element and kind.element in types and types[kind.element].array == oid:
        return f"{wide_type(kind.element, types)}[]"
    return _WIDE.get(kind.name, "text") if kind.is_builtin else "text"


def shape(oid: int, types: Mapping[int, PgType]) -> str:
    """What decides how a type's values read as text, beside the values themselves.

    Renaming an enumeration's label, say, changes what every row shows without writing one.
    """
    kind = types.get(oid)
    if kind is None:
        return str(oid)
    within = [part for part in (kind.base, kind.element, *kind.attributes) if part]
    parts = [shape(part, types) for part in within] if not kind.is_builtin or kind.element else []
    return f"{oid}{list(kind.labels) or ''}{parts or ''}"


def holds(wide: str, narrow: str) -> bool:
    """Whether a column of the first type can hold every value of the second."""
    return wide in (narrow, "text") or (narrow, wide) in _WIDER
