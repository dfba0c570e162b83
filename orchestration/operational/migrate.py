"""Creates our own copy of the schema, or brings it up to date; never touches anybody else's."""

from __future__ import annotations

from pathlib import Path

import psycopg
import sqlalchemy as sa
from psycopg import errors

from orchestration.database import Database
from orchestration.errors import LoyaltyError
from orchestration.operational.tables import metadata

VERSION_TABLE = "loyalty_schema_version"
"""Where Alembic records the revision; a name of our own, as the application may use Alembic too."""

_MIGRATIONS = Path(__file__).parent / "migrations"


def create(database: Database, schema: str = "public") -> list[str]:
    """Creates the schema's 15 tables or applies the revisions that it lacks; all of them or none.

    Idempotent. Two at once wait for each other.

    Args:
        database: The database to create them in.
        schema: The PostgreSQL schema; it is created where it does not exist.

    Returns:
        The revisions that were applied, in order; empty where it was up to date.

    Raises:
        LoyaltyError: Tables of these names exist that we did not create, the role may not create
            them, or the schema is of a newer version of this project.
    """
    engine = sa.create_engine(
        "postgresql+psycopg://", creator=database.connect, poolclass=sa.NullPool
    )
    try:
        with engine.begin() as connection:
            return _create(connection, database, schema)
    except sa.exc.DBAPIError as error:
        raise _in_plain_words(error, database, schema) from error
    finally:
        engine.dispose()


def _create(connection: sa.Connection, database: Database, schema: str) -> list[str]:
    # Every command imports this module, and nearly none of them needs Alembic, which takes long.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    connection.execute(sa.text("select pg_advisory_xact_lock(hashtext('loyalty.operational'))"))
    if not connection.scalar(
        sa.text("select exists (select from pg_catalog.pg_namespace where nspname = :schema)"),
        {"schema": schema},
    ):
        connection.execute(sa.schema.CreateSchema(schema))
    # Nothing else is on the path, so that no name can be found, or made, in another schema.
    connection.execute(
        sa.text("select set_config('search_path', quote_ident(:schema), true)"),
        {"schema": schema},
    )

    found = _relations(connection, schema)
    if VERSION_TABLE not in found and (strangers := sorted(found & metadata.tables.keys())):
        raise LoyaltyError(
            f"Schema {schema} of the {database.name} at {database.location} already holds "
            f"{_enumerate(strangers)}, which this project did not create; nothing was changed.",
            remedy="If this is the application's database, it needs no create: see "
            "`loyalty operational check`. Otherwise name an empty schema in "
            "LOYALTY_OPERATIONAL_SCHEMA.",
        )

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    applied: list[str] = []
    config.attributes.update(
        connection=connection, schema=schema, version_table=VERSION_TABLE, applied=applied
    )
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise LoyaltyError(
            f"Schema {schema} of the {database.name} at {database.location} cannot be brought up "
            f"to date: {error}.",
            remedy="It was created by a newer version of this project: install that version.",
        ) from error

    if missing := sorted(metadata.tables.keys() - _relations(connection, schema)):
        raise LoyaltyError(
            f"Schema {schema} of the {database.name} at {database.location} was created by this "
            f"project, but lacks {_enumerate(missing)} now; nothing was changed.",
            remedy="Restore it from a backup, or drop the schema's tables, "
            f"{VERSION_TABLE} included, and run `loyalty operational create` again.",
        )
    return applied


def _relations(connection: sa.Connection, schema: str) -> set[str]:
    rows = connection.scalars(
        sa.text(
            "select pg_class.relname"
            " from pg_catalog.pg_class"
            " join pg_catalog.pg_namespace on pg_namespace.oid = pg_class.relnamespace"
            " where pg_namespace.nspname = :schema"
            " and pg_class.relkind in ('r', 'p', 'v', 'm', 'f')"
        ),
        {"schema": schema},
    )
    return set(rows)


def _in_plain_words(error: sa.exc.DBAPIError, database: Database, schema: str) -> LoyaltyError:
    said = error.orig.diag.message_primary if isinstance(error.orig, psycopg.Error) else None
    if isinstance(error.orig, errors.InsufficientPrivilege | errors.ReadOnlySqlTransaction):
        remedy = (
            "Its role needs CREATE on the schema, or on the database where the schema does not "
            "exist yet. A database that the application already filled needs no create."
        )
    else:
        remedy = "Nothing was changed. Name an empty schema in LOYALTY_OPERATIONAL_SCHEMA?"
    return LoyaltyError(
        f"The tables cannot be created in schema {schema} of the {database.name} at "
        f"{database.location}: {said or error.orig}.",
        remedy=remedy,
    )


def _enumerate(names: list[str]) -> str:
    if len(names) > 3:
        return f"{', '.join(names[:3])} and {len(names) - 3} more of the 15 tables"
    return " and ".join(names)
