"""Whether a database is one that the warehouse can read: asked by users, and before every sync."""

from __future__ import annotations

from orchestration.database import Database
from orchestration.errors import LoyaltyError
from orchestration.operational import catalogue
from orchestration.operational.comparison import Difference, Severity, compare
from orchestration.operational.tables import metadata

SHOWN = 10
"""How many problems an error message lists."""


def check(database: Database, schema: str = "public") -> list[Difference]:
    """Compares a database with what the warehouse needs; only reads its catalogue.

    Args:
        database: The application's database.
        schema: The schema that should hold its tables.

    Returns:
        Every difference by table and column, the gravest first; empty where there is none.

    Raises:
        LoyaltyError: The database cannot be reached.
    """
    with database.connect(autocommit=True) as connection:
        return compare(catalogue.read(connection, schema, metadata.tables))


def require(database: Database, schema: str = "public") -> None:
    """Refuses a database that cannot be synced.

    Raises:
        LoyaltyError: It cannot be reached, or has differences that are errors: the first
            ten are named.
    """
    errors = [str(found) for found in check(database, schema) if found.severity is Severity.ERROR]
    if not errors:
        return
    where = f"Schema {schema} of the {database.name} at {database.location} cannot be read"
    if len(errors) == 1:
        raise LoyaltyError(f"{where}: {errors[0]}.", remedy=_REMEDY)
    listed = [f"  - {error}" for error in errors[:SHOWN]]
    if len(errors) > SHOWN:
        listed.append(f"  … and {len(errors) - SHOWN} more")
    raise LoyaltyError("\n".join([f"{where}:", *listed]), remedy=_REMEDY)


_REMEDY = "`loyalty operational check` lists every difference."
