"""What the tables are made of: the metadata, constraint names, and the recurring columns."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Integer,
    MetaData,
    Numeric,
    text,
)

OURS = "ours"
"""Key of `Column.info` that marks a column which only this project's copy of the schema has."""

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)
"""The 15 tables, without a schema: the connection's search_path says where they are."""


def identity() -> Column[int]:
    """The serial primary key that every table has."""
    return Column("id", Integer, primary_key=True)


def reference(name: str, table: str, *, nullable: bool = False) -> Column[int]:
    """A foreign key: a required one goes with what it refers to, an optional one holds it back."""
    ondelete = None if nullable else "CASCADE"
    return Column(name, Integer, ForeignKey(f"{table}.id", ondelete=ondelete), nullable=nullable)


def integer(name: str, default: int | None = None) -> Column[int]:
    """A nullable integer."""
    return Column(name, Integer, server_default=_literal(default))


def money(name: str, default: str | None = None, *, precision: int = 12) -> Column[Decimal]:
    """A nullable number with two decimals."""
    return Column(name, Numeric(precision, 2), server_default=_literal(default))


def flag(name: str, default: bool) -> Column[bool]:
    """A nullable boolean."""
    return Column(name, Boolean, server_default=text("true" if default else "false"))


def moment(name: str, *, default_now: bool = False, nullable: bool = True) -> Column[Any]:
    """A timestamp with time zone."""
    return Column(
        name,
        DateTime(timezone=True),
        nullable=nullable,
        server_default=text("now()") if default_now else None,
    )


def archived_at() -> Column[Any]:
    """When the row was archived, which our own copy does instead of deleting it."""
    return Column("archived_at", DateTime(timezone=True), info={OURS: True})


def one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    """Only these values; a nullable column may be NULL besides."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} in ({listed})", name=f"{column}_known")


def positive(column: str) -> CheckConstraint:
    """Above zero, where it is given."""
    return CheckConstraint(f"{column} > 0", name=f"{column}_positive")


def nonnegative(column: str) -> CheckConstraint:
    """Zero or more, where it is given."""
    return CheckConstraint(f"{column} >= 0", name=f"{column}_nonnegative")


def _literal(value: object) -> Any:
    return None if value is None else text(str(value))
