"""Creating our own copy of the application's schema, on every supported server."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from psycopg import conninfo, errors, sql

from orchestration.database import Database
from orchestration.errors import LoyaltyError
from orchestration.operational import check, create
from orchestration.operational.migrate import VERSION_TABLE
from orchestration.operational.tables import metadata

FOREIGN = Path(__file__).resolve().parents[1] / "fixtures" / "foreign_operational.sql"
MAJORS = [15, 16, 18]

SHAPE = """
select pg_class.relname, 'column', pg_attribute.attname,
    concat_ws(' ', format_type(pg_attribute.atttypid, pg_attribute.atttypmod),
        case when pg_attribute.attnotnull then 'not null' end,
        pg_get_expr(pg_attrdef.adbin, pg_attrdef.adrelid))
from pg_attribute
join pg_class on pg_class.oid = pg_attribute.attrelid and pg_class.relkind = 'r'
left join pg_attrdef
    on pg_attrdef.adrelid = pg_attribute.attrelid and pg_attrdef.adnum = pg_attribute.attnum
where pg_class.relnamespace = current_schema()::regnamespace and pg_attribute.attnum > 0
union all
select pg_class.relname, 'constraint', pg_constraint.conname,
    pg_get_constraintdef(pg_constraint.oid)
from pg_constraint
join pg_class on pg_class.oid = pg_constraint.conrelid
where pg_class.relnamespace = current_schema()::regnamespace
union all
select tablename, 'index', indexname, indexdef from pg_indexes where schemaname = current_schema()
"""
"""Every column, default, constraint and index of the current schema, as PostgreSQL writes it."""


def database(url: str) -> Database:
    return Database("operational database", url, "LOYALTY_OPERATIONAL_URL")


def as_role(url: str) -> tuple[str, str]:
    """A new role without privileges, and the URL with which it logs in."""
    role = f"role_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("create role {} login password 'x'").format(sql.Identifier(role))
        )
    return role, conninfo.make_conninfo(url, user=role, password="x")


def engine(url: str) -> sa.Engine:
    return sa.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=sa.NullPool
    )


@pytest.mark.parametrize("major", MAJORS)
def test_the_migrations_build_exactly_the_tables_that_are_declared(
    major: int, new_database_on: Callable[[int], str]
) -> None:
    migrated, declared = new_database_on(major), new_database_on(major)
    assert create(database(migrated)) == ["0001"]
    metadata.create_all(engine(declared))

    with psycopg.connect(migrated) as ours, psycopg.connect(declared) as theirs:
        shape = {row for row in ours.execute(SHAPE) if row[0] != VERSION_TABLE}
        assert shape == set(theirs.execute(SHAPE))
    with engine(migrated).connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": VERSION_TABLE,
                "compare_type": True,
                "compare_server_default": True,
            },
        )
        assert compare_metadata(context, metadata) == []
    assert check(database(migrated)) == []


def test_creating_again_changes_nothing(new_database: Callable[[], str]) -> None:
    url = new_database()
    create(database(url))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("insert into shops (shop_domain) values ('a.example')")
        assert create(database(url)) == []
        assert connection.execute("select shop_domain from shops").fetchall() == [("a.example",)]


def test_a_schema_is_made_where_it_does_not_exist_and_public_stays_empty(
    new_database: Callable[[], str],
) -> None:
    url = new_database()
    schema = 'Crm "EU", 100%'
    assert create(database(url), schema) == ["0001"]
    assert create(database(url), schema) == []
    assert check(database(url), schema) == []
    with psycopg.connect(url) as connection:
        assert connection.execute(
            "select count(*) from pg_class where relnamespace = 'public'::regnamespace"
        ).fetchone() == (0,)
        foreign_keys = connection.execute(
            "select count(*) from pg_constraint where contype = 'f'"
            " and connamespace = %s::regnamespace"
            " and (select relnamespace from pg_class where oid = confrelid) = connamespace",
            [sql.Identifier(schema).as_string()],
        ).fetchone()
        assert foreign_keys == (sum(len(t.foreign_keys) for t in metadata.tables.values()),)


def test_two_schemas_of_one_database_hold_a_copy_each(new_database: Callable[[], str]) -> None:
    url = new_database()
    assert create(database(url)) == ["0001"]
    assert create(database(url), "second") == ["0001"]
    assert check(database(url), "second") == []


def test_two_at_once_create_it_once(new_database: Callable[[], str]) -> None:
    url = new_database()
    barrier = threading.Barrier(2)
    results: list[list[str]] = []

    def run() -> None:
        barrier.wait()
        results.append(create(database(url), "app"))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [[], ["0001"]]


def test_a_real_deployment_is_refused_and_left_as_it_was(
    new_database: Callable[[], str],
) -> None:
    url = new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(FOREIGN.read_bytes())
        before = connection.execute(SHAPE).fetchall()
        with pytest.raises(LoyaltyError, match="which this project did not create"):
            create(database(url))
        assert connection.execute(SHAPE).fetchall() == before


def test_one_table_or_view_of_that_name_is_enough_to_refuse(
    new_database: Callable[[], str],
) -> None:
    url = new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create view campaigns as select 1 as id")
    with pytest.raises(LoyaltyError, match="already holds campaigns, which"):
        create(database(url))


def test_the_applications_own_alembic_version_is_left_alone(
    new_database: Callable[[], str],
) -> None:
    url = new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create table alembic_version (version_num varchar(32) primary key)")
        connection.execute("insert into alembic_version values ('theirs')")
        create(database(url))
        assert connection.execute("select * from alembic_version").fetchall() == [("theirs",)]


def test_a_copy_of_a_newer_version_is_refused(new_database: Callable[[], str]) -> None:
    url = new_database()
    create(database(url))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"update {VERSION_TABLE} set version_num = '9999'")
    with pytest.raises(LoyaltyError, match="cannot be brought up to date"):
        create(database(url))


def test_a_table_that_was_dropped_since_is_named(new_database: Callable[[], str]) -> None:
    url = new_database()
    create(database(url))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("drop table referral_clicks")
    with pytest.raises(LoyaltyError, match="lacks referral_clicks now"):
        create(database(url))


def test_a_role_that_may_not_create_is_told_so(new_database: Callable[[], str]) -> None:
    url = new_database()
    _, limited = as_role(url)
    for schema in ("public", "new_schema"):
        with pytest.raises(LoyaltyError, match="cannot be created in schema"):
            create(database(limited), schema)


def test_a_name_that_something_else_has_taken_is_named(new_database: Callable[[], str]) -> None:
    url = new_database()
    with psycopg.connect(url) as connection:
        connection.execute("create domain campaigns as integer")
    with pytest.raises(LoyaltyError, match='type "campaigns" already exists'):
        create(database(url))


def test_our_copy_enforces_enumerations_and_minimums_but_allows_null(
    new_database: Callable[[], str],
) -> None:
    url = new_database()
    create(database(url))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("insert into shops (shop_domain) values ('a.example')")
        connection.execute(
            "insert into tier_definitions (shop_id, name, tier_level, tier_type)"
            " values (1, 'Bronze', 1, null)"
        )
        for tier_type, level in (("mystery", 2), ("hybrid", 0)):
            with pytest.raises(errors.CheckViolation):
                connection.execute(
                    "insert into tier_definitions (shop_id, name, tier_level, tier_type)"
                    " values (1, 'Silver', %s, %s)",
                    [level, tier_type],
                )


def test_our_copy_fills_in_the_applications_defaults(new_database: Callable[[], str]) -> None:
    url = new_database()
    create(database(url))
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(
            "insert into shops (shop_domain) values ('a.example') returning"
            " loyalty_enabled, points_per_dollar::text, welcome_points, brand_color,"
            " points_expire_days, created_at is not null, updated_at, archived_at"
        ).fetchone()
    assert row == (True, "1.00", 100, "#8B5CF6", 365, True, None, None)


def test_deleting_a_shop_takes_its_customers_along_but_a_used_campaign_holds_it_back(
    new_database: Callable[[], str],
) -> None:
    url = new_database()
    create(database(url))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("insert into shops (shop_domain) values ('a.example')")
        connection.execute(
            "insert into tier_definitions (shop_id, name, tier_level) values (1, 'Bronze', 1)"
        )
        connection.execute(
            "insert into customer_loyalty_profiles (shop_id, shopify_customer_id, current_tier_id)"
            " values (1, '1', 1)"
        )
        connection.execute(
            "insert into campaigns (shop_id, name, start_date, end_date)"
            " values (1, 'Spring', '2025-03-01', '2025-04-01')"
        )
        connection.execute(
            "insert into point_transactions (customer_id, transaction_type, points_amount,"
            " points_balance_after, source, campaign_id) values (1, 'earned', 1, 1, 'purchase', 1)"
        )
        # The application's own schema has no cascade there either.
        with pytest.raises(errors.ForeignKeyViolation):
            connection.execute("delete from shops")
        connection.execute("update point_transactions set campaign_id = null")
        connection.execute("delete from shops")
        assert connection.execute("select count(*) from point_transactions").fetchone() == (0,)
        assert connection.execute("select count(*) from tier_definitions").fetchone() == (0,)
