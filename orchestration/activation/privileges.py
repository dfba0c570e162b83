"""Whether the role may do what activation does, asked before anything is written."""

from __future__ import annotations

from psycopg.sql import SQL, Literal

from orchestration.activation import analytics
from orchestration.activation.session import Connection
from orchestration.database import Database
from orchestration.errors import LoyaltyError

_MEMBERSHIP = (
    "segment_id",
    "customer_id",
    "added_at",
    "removed_at",
    "is_active",
    "qualification_reason",
    "qualification_data",
)
_COUNTERS = ("customer_count", "avg_lifetime_value", "avg_points_balance", "last_computed_at")
_PERIOD = ("shop_id", "date", "period_type", *analytics.COLUMNS)

READ: dict[str, tuple[str, ...]] = {
    "shops": ("id",),
    "customer_loyalty_profiles": (
        "id",
        "shop_id",
        "email_opt_in",
        "sms_opt_in",
        "is_active",
        "email",
        "phone",
    ),
    "customer_segments": ("id", "shop_id", "is_active", "auto_update", *_COUNTERS),
    "customer_segment_memberships": ("id", *_MEMBERSHIP),
    "loyalty_analytics": ("id", *_PERIOD),
    "campaigns": (
        "id",
        "shop_id",
        "status",
        "rules",
        "max_participants",
        "target_all_customers",
        "target_customer_ids",
    ),
}
"""The columns that activation reads."""

WRITE: dict[tuple[str, str], tuple[str, ...]] = {
    ("customer_segment_memberships", "insert"): _MEMBERSHIP,
    ("customer_segment_memberships", "update"): _MEMBERSHIP[2:],
    ("customer_segments", "update"): _COUNTERS,
    ("campaigns", "update"): ("target_all_customers", "target_customer_ids"),
    ("loyalty_analytics", "insert"): _PERIOD,
    ("loyalty_analytics", "update"): ("date", *analytics.COLUMNS),
    ("loyalty_analytics", "delete"): (),
}
"""What activation writes: columns by table and privilege; DELETE is of whole tables."""

INSERTED = ("customer_segment_memberships", "loyalty_analytics")
"""The tables whose ids come from a sequence of the application."""


def require(connection: Connection, database: Database, schema: str, *, write: bool) -> None:
    """Makes sure that the tables are there and that the role may read, and write, what it must.

    Args:
        connection: A connection to the application's database, inside a transaction.
        database: Whose connection it is, for messages.
        schema: The schema of the application's tables.
        write: Whether writing is asked for too; a dry run only reads.

    Raises:
        LoyaltyError: Something is missing; it names every missing table, column and privilege.
    """
    _require_columns(connection, database, schema)
    row = connection.execute("show transaction_read_only").fetchone()
    if row and row[0] == "on":
        # A dry run, too, brings what is wanted in temporary tables.
        raise LoyaltyError(
            f"The {database.name} at {database.location} is read-only (a standby?), so nothing "
            "can be written back.",
            remedy=f"Point {database.variable} at the primary server, or use --no-activate.",
        )
    lacking = _lacking(connection, schema, write=write)
    if lacking:
        role = database.fields.get("user", "this role")
        raise LoyaltyError(
            f"The role {role} may not write segments back to the {database.name} at "
            f"{database.location}; it lacks: {'; '.join(lacking)}.",
            remedy="`loyalty operational grants` prints the GRANTs it needs. To run without "
            "writing back: `loyalty run --no-activate`.",
        )


def _require_columns(connection: Connection, database: Database, schema: str) -> None:
    present = set(
        connection.execute(
            """
            select relations.relname::text, attributes.attname::text
            from pg_catalog.pg_class as relations
            inner join pg_catalog.pg_attribute as attributes
                on relations.oid = attributes.attrelid
            inner join pg_catalog.pg_namespace as namespaces
                on relations.relnamespace = namespaces.oid
            where
                namespaces.nspname = %s
                and relations.relname = any(%s)
                and attributes.attnum > 0
                and not attributes.attisdropped
            """,
            [schema, list(READ)],
        ).fetchall()
    )
    tables = {table for table, _ in present}
    missing = [
        table if table not in tables else f"{table}.{column}"
        for table, columns in READ.items()
        for column in columns
        if (table, column) not in present
    ]
    if missing:
        listed = ", ".join(dict.fromkeys(missing))
        raise LoyaltyError(
            f"Schema {schema} of the {database.name} at {database.location} lacks {listed}.",
            remedy="`loyalty operational check` compares it with what is needed.",
        )


def _lacking(connection: Connection, schema: str, *, write: bool) -> list[str]:
    lacking = []
    rows = connection.execute(
        "select has_schema_privilege(%s, 'usage'),"
        " has_database_privilege(current_database(), 'temporary')",
        [schema],
    ).fetchone()
    usage, temporary = rows if rows else (False, False)
    if not usage:
        return [f"USAGE on schema {schema}"]
    if not temporary:
        lacking.append("TEMPORARY on the database")
    wanted = [(table, "select", columns) for table, columns in READ.items()]
    if write:
        wanted += [(table, privilege, columns) for (table, privilege), columns in WRITE.items()]
    asked = SQL(", ").join(
        SQL("({}, {}, {}::text[])").format(Literal(t), Literal(p), Literal(list(c)))
        for t, p, c in wanted
    )
    lacking += [
        text
        for (text,) in connection.execute(
            SQL("""
                select
                    upper(asked.privilege) || ' on ' || asked.relation
                    || coalesce(' (' || asked_columns.listed || ')', '')
                from (values {asked}) as asked (relation, privilege, columns)
                cross join lateral (
                    select string_agg(name, ', ' order by place) as listed
                    from unnest(asked.columns) with ordinality as columns (name, place)
                    where
                        not has_column_privilege(
                            format('%I.%I', {schema}, asked.relation), name, asked.privilege
                        )
                ) as asked_columns
                where
                    asked_columns.listed is not null
                    or (
                        asked.privilege = 'delete'
                        and not has_table_privilege(
                            format('%I.%I', {schema}, asked.relation), 'delete'
                        )
                    )
            """).format(asked=asked, schema=Literal(schema))
        )
    ]
    return lacking + (_lacking_sequences(connection, schema) if write else [])


def _lacking_sequences(connection: Connection, schema: str) -> list[str]:
    """The sequences behind the ids' defaults; identity columns need no privilege."""
    rows = connection.execute(
        """
        select distinct 'USAGE on sequence ' || dependencies.refobjid::regclass::text
        from pg_catalog.pg_class as relations
        inner join pg_catalog.pg_namespace as namespaces
            on relations.relnamespace = namespaces.oid
        inner join pg_catalog.pg_attribute as attributes
            on relations.oid = attributes.attrelid and attributes.attname = 'id'
        inner join pg_catalog.pg_attrdef as defaults
            on relations.oid = defaults.adrelid and attributes.attnum = defaults.adnum
        inner join pg_catalog.pg_depend as dependencies
            on
                defaults.oid = dependencies.objid
                and dependencies.classid = 'pg_catalog.pg_attrdef'::regclass
                and dependencies.refclassid = 'pg_catalog.pg_class'::regclass
        inner join pg_catalog.pg_class as sequences
            on dependencies.refobjid = sequences.oid
        where
            namespaces.nspname = %s
            and relations.relname = any(%s)
            -- A case, as the order of conditions is the planner's to choose.
            and case
                when sequences.relkind = 'S'
                    then not has_sequence_privilege(sequences.oid, 'usage')
            end
        """,
        [schema, list(INSERTED)],
    )
    return [text for (text,) in rows]
