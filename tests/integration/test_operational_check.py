"""Checking real databases: a foreign deployment, and everything that can be wrong with one."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo, errors, sql
from sqlalchemy import CheckConstraint
from typer.testing import CliRunner

from orchestration.cli.operational import app
from orchestration.database import Database
from orchestration.errors import LoyaltyError
from orchestration.operational import Difference, Severity, check, create, grants, require
from orchestration.operational.tables import metadata

FOREIGN = Path(__file__).resolve().parents[1] / "fixtures" / "foreign_operational.sql"
ADDITIONS = [
    "campaigns.tags",
    "customer_loyalty_profiles.favourite_store",
    "gift_cards",
    "point_transactions.channel",
    "redemption_logs.Staff Note",
    "shops.webhook_secret",
]


def database(url: str) -> Database:
    return Database("operational database", url, "LOYALTY_OPERATIONAL_URL")


def execute(url: str, *statements: str | bytes) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode() if isinstance(statement, str) else statement)


def login(url: str) -> tuple[str, str]:
    """A new role without privileges, and the URL with which it logs in."""
    role = f"role_{uuid.uuid4().hex[:12]}"
    execute(url, f"create role {role} login password 'x'")
    return role, conninfo.make_conninfo(url, user=role, password="x")


def beyond_additions(differences: list[Difference]) -> list[tuple[str, str]]:
    return [(str(each.severity), each.place) for each in differences if each.place not in ADDITIONS]


@pytest.fixture
def foreign(new_database: Callable[[], str]) -> str:
    url = new_database()
    execute(url, FOREIGN.read_bytes())
    return url


@pytest.mark.parametrize("major", [15, 16, 18])
def test_a_foreign_deployment_has_no_errors_and_its_additions_are_noted(
    major: int, new_database_on: Callable[[int], str]
) -> None:
    url = new_database_on(major)
    execute(url, FOREIGN.read_bytes())
    found = check(database(url))
    assert sorted(each.place for each in found) == ADDITIONS
    assert {each.severity for each in found} == {Severity.INFO}
    require(database(url))


def test_the_foreign_deployment_holds_every_nullable_column_with_and_without_a_value(
    foreign: str,
) -> None:
    with psycopg.connect(foreign) as connection:
        columns = connection.execute(
            "select attrelid::regclass::text, attname, attnotnull from pg_attribute"
            " join pg_class on pg_class.oid = attrelid"
            " where relnamespace = 'public'::regnamespace and relkind = 'r'"
            " and attnum > 0 and relname <> 'gift_cards'"
        ).fetchall()
        for table, column, not_null in columns:
            counted = connection.execute(
                sql.SQL("select count({0}), count(*) from {1}").format(
                    sql.Identifier(column), sql.Identifier(table)
                )
            ).fetchone()
            assert counted
            values, rows = counted
            assert values, f"{table}.{column} never has a value"
            assert not_null or values < rows, f"{table}.{column} is never NULL"


def test_the_rows_of_the_foreign_deployment_are_legal_by_the_documented_checks(
    foreign: str,
) -> None:
    with psycopg.connect(foreign) as connection:
        for table in metadata.tables.values():
            for check_ in table.constraints:
                if isinstance(check_, CheckConstraint) and " in (" not in str(check_.sqltext):
                    broken = connection.execute(
                        f"select count(*) from {table.name} where not ({check_.sqltext})".encode()
                    ).fetchone()
                    assert broken == (0,), check_.name


def test_the_ids_of_the_foreign_deployment_go_on_after_its_rows(foreign: str) -> None:
    execute(
        foreign,
        "insert into customer_segment_memberships (segment_id, customer_id) values (22, 202)",
    )


def test_a_missing_table_and_a_missing_column_are_errors(foreign: str) -> None:
    execute(
        foreign,
        "drop table referral_clicks",
        "alter table point_transactions drop column expired_at",
    )
    assert beyond_additions(check(database(foreign))) == [
        ("error", "point_transactions.expired_at"),
        ("error", "referral_clicks"),
    ]


@pytest.mark.parametrize("kind", ["view", "materialized view"])
def test_a_view_in_a_tables_place_is_an_error(foreign: str, kind: str) -> None:
    execute(
        foreign,
        "alter table loyalty_analytics rename to analytics_2",
        f"create {kind} loyalty_analytics as select * from analytics_2",
    )
    found = [each for each in check(database(foreign)) if each.severity is Severity.ERROR]
    assert [str(each) for each in found] == [f"loyalty_analytics: is a {kind}; a table is needed"]


def test_a_partitioned_table_is_looked_at_and_its_partitions_are_not_extra(foreign: str) -> None:
    execute(
        foreign,
        "alter table loyalty_analytics rename to analytics_2",
        "create table loyalty_analytics (like analytics_2 including defaults)"
        " partition by hash (id)",
        "create table loyalty_analytics_0 partition of loyalty_analytics"
        " for values with (modulus 1, remainder 0)",
        "alter table loyalty_analytics add primary key (id)",
    )
    assert beyond_additions(check(database(foreign))) == [
        ("warning", "loyalty_analytics"),  # (shop_id, date, period_type) is not unique
        ("warning", "loyalty_analytics.shop_id"),  # no foreign key
        ("info", "analytics_2"),
    ]


def test_a_key_that_holds_the_id_and_what_the_table_is_partitioned_by_is_a_warning(
    foreign: str,
) -> None:
    execute(
        foreign,
        "alter table point_transactions rename to transactions_2",
        "create table point_transactions (like transactions_2 including defaults)"
        " partition by range (created_at)",
        "alter table point_transactions add primary key (id, created_at)",
    )
    found = [str(each) for each in check(database(foreign)) if each.severity is not Severity.INFO]
    assert "point_transactions: its primary key is (id, created_at): ids may repeat" in found
    require(database(foreign))


def test_wrong_types_are_errors_and_wider_ones_notes(foreign: str) -> None:
    execute(
        foreign,
        "create domain money_amount as numeric(12, 2)",
        "create domain big_money as money_amount",
        "create type tier_kind as enum ('points_based', 'spend_based', 'hybrid', 'mystery')",
        "alter table shops alter created_at type timestamp",
        "alter table shops alter welcome_points type text",
        "alter table point_transactions alter points_amount type bigint",
        "alter table referral_conversions alter order_amount type big_money",
        "alter table tier_definitions alter tier_type type tier_kind using tier_type::tier_kind",
        "alter table campaigns alter rules type jsonb",
    )
    found = check(database(foreign))
    assert beyond_additions(found) == [
        ("error", "shops.welcome_points"),
        ("error", "shops.created_at"),
        ("info", "campaigns.rules"),
        ("info", "tier_definitions.tier_type"),
        ("info", "point_transactions.points_amount"),
        ("info", "referral_conversions.order_amount"),
    ]


def test_missing_keys_are_told_apart_by_what_they_break(foreign: str) -> None:
    execute(
        foreign,
        "alter table referral_clicks drop constraint referral_clicks_pkey",
        "alter table shops drop constraint shops_shop_domain_key",
        "create unique index on shops (shop_domain) where loyalty_enabled",
        "alter table redemption_logs drop constraint redemption_logs_reward_id_fkey",
        "alter table referral_links alter referral_url drop not null",
        "alter table customer_segment_memberships alter id drop default",
    )
    assert beyond_additions(check(database(foreign))) == [
        ("error", "referral_clicks"),
        ("warning", "shops"),
        ("warning", "customer_segment_memberships.id"),
        ("warning", "redemption_logs.reward_id"),
        ("warning", "referral_links.referral_url"),
    ]


def test_a_role_without_privileges_sees_why_it_cannot_sync(foreign: str) -> None:
    _, url = login(foreign)
    found = [each for each in check(database(url)) if each.severity is Severity.ERROR]
    assert len(found) == 15
    assert {each.column for each in found} == {None}
    with pytest.raises(LoyaltyError, match="… and 5 more"):
        require(database(url))


def test_a_role_without_usage_on_the_schema_is_told_so(new_database: Callable[[], str]) -> None:
    url = new_database()
    create(database(url), "app")
    role, limited = login(url)
    execute(url, f"grant select on all tables in schema app to {role}")
    with pytest.raises(LoyaltyError, match="no USAGE on schema app"):
        require(database(limited), "app")


def test_the_printed_grants_are_enough_to_check_read_and_activate_and_no_more(
    foreign: str,
) -> None:
    role, url = login(foreign)
    execute(foreign, grants("public", role))
    assert beyond_additions(check(database(url))) == []
    require(database(url))
    execute(
        url,
        "select id, shop_domain, xmin, ctid from shops",
        "select from shops limit 0",
        "insert into customer_segment_memberships (segment_id, customer_id) values (22, 202)",
        "update customer_segment_memberships set is_active = false where customer_id = 202",
        "update customer_segments set customer_count = 1, last_computed_at = '2025-01-01'",
        "update campaigns set target_customer_ids = '[1]', target_all_customers = false",
        "insert into loyalty_analytics (shop_id, date, period_type) values (1, '2025-01-01', 'x')",
        "delete from loyalty_analytics where period_type = 'x'",
    )
    for statement in (
        "select access_token from shops",
        "update customer_segments set criteria = '{}'",
        "update campaigns set rules = '{}'",
        "delete from customer_segment_memberships",
        "insert into shops (shop_domain) values ('mine.example')",
        "update customer_loyalty_profiles set points_balance = 1",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            execute(url, statement)


def test_the_grants_of_a_reader_allow_no_write(foreign: str) -> None:
    role, url = login(foreign)
    execute(foreign, grants("public", role, activation=False))
    require(database(url))
    with pytest.raises(errors.InsufficientPrivilege):
        execute(url, "update customer_segments set customer_count = 1")


def test_row_level_security_that_filters_this_role_is_an_error_as_it_is_to_the_sync(
    foreign: str,
) -> None:
    role, url = login(foreign)
    execute(
        foreign,
        f"grant select on all tables in schema public to {role}",
        "alter table shops enable row level security",
    )
    assert beyond_additions(check(database(url))) == [("error", "shops")]
    assert beyond_additions(check(database(foreign))) == []


def test_an_empty_database_is_one_message(new_database: Callable[[], str]) -> None:
    with pytest.raises(LoyaltyError, match="none of the 15 tables is in schema public") as raised:
        require(database(new_database()))
    assert "loyalty operational create" in str(raised.value)


def test_tables_in_another_schema_are_pointed_to(new_database: Callable[[], str]) -> None:
    url = new_database()
    create(database(url), "app")
    found = check(database(url))
    assert len(found) == 1
    assert "app (15 of the 15): set LOYALTY_OPERATIONAL_SCHEMA" in found[0].problem


def test_names_that_only_the_search_path_would_find_are_not_taken_for_the_schemas(
    new_database: Callable[[], str],
) -> None:
    url = new_database()
    create(database(url))
    execute(url, "create schema app", "create table app.shops (id serial primary key)")
    found = check(database(url), "app")
    assert ("error", "campaigns") in beyond_additions(found)


@pytest.fixture
def command_line(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    def run(url: str, *arguments: str) -> tuple[int, str]:
        monkeypatch.setenv("LOYALTY_OPERATIONAL_URL", url)
        monkeypatch.setenv("LOYALTY_WAREHOUSE_URL", url)
        result = CliRunner().invoke(app, list(arguments))
        return result.exit_code, result.output

    return run


def test_the_command_creates_checks_and_says_so(
    new_database: Callable[[], str], command_line: Callable[..., tuple[int, str]]
) -> None:
    url = new_database()
    code, output = command_line(url, "check")
    assert code == 1
    assert "cannot be synced: errors 1" in output
    code, output = command_line(url, "create")
    assert code == 0
    assert "Created the 15 tables in schema public" in output
    code, output = command_line(url, "create", "--json")
    assert json.loads(output) == {"schema": "public", "applied": []}
    code, output = command_line(url, "check")
    assert code == 0
    assert "can be synced" in output


def test_the_command_lists_differences_as_json(
    foreign: str, command_line: Callable[..., tuple[int, str]]
) -> None:
    execute(foreign, "drop table referral_clicks")
    code, output = command_line(foreign, "check", "--json")
    answer = json.loads(output)
    assert code == 1
    assert answer["ok"] is False
    assert answer["differences"][0] == {
        "severity": "error",
        "table": "referral_clicks",
        "column": None,
        "problem": "the table is missing",
    }


def test_the_command_prints_grants_without_a_database(
    command_line: Callable[..., tuple[int, str]],
) -> None:
    code, output = command_line("postgresql://nobody@127.0.0.1:1/none", "grants", "--role", "etl")
    assert code == 0
    assert output == grants("public", "etl")
