"""The sample in a database: consistent but for what it declares, repeatable, and of any size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from datetime import date
from typing import Any

import psycopg
import pytest
from psycopg import sql

from orchestration import operational
from orchestration.database import Database
from orchestration.errors import LoyaltyError
from orchestration.sample import Irregularities, SampleSummary, generate
from orchestration.sample.target import TABLES
from tests.conftest import PostgresServer

UNTIL = date(2026, 3, 1)
SHOPS, CUSTOMERS, TRANSACTIONS = 3, 900, 15_000


def empty(url: str, schema: str = "public") -> Database:
    database = Database("operational database", url, "LOYALTY_OPERATIONAL_URL")
    operational.create(database, schema)
    return database


def fingerprints(database: Database, schema: str = "public") -> dict[str, str]:
    query = sql.SQL("select md5(string_agg(rows::text, ',' order by id)) from {} as rows")
    with database.connect() as connection:
        return {
            table: connection.execute(query.format(sql.Identifier(schema, table))).fetchone()[0]  # type: ignore[index]
            for table in TABLES
        }


@pytest.fixture(scope="module")
def sample(server: PostgresServer) -> Iterator[tuple[Database, SampleSummary]]:
    name = server.create_database()
    database = empty(server.url(name))
    summary = generate(
        database,
        "public",
        shops=SHOPS,
        customers=CUSTOMERS,
        transactions=TRANSACTIONS,
        seed=4,
        until=UNTIL,
    )
    yield database, summary
    server.drop_database(name)


Ask = Callable[[str], Any]


@pytest.fixture
def ask(sample: tuple[Database, SampleSummary]) -> Iterator[Ask]:
    """Answers a query with its only value, or with its only row."""
    with sample[0].connect() as connection:

        def answer(query: str) -> Any:
            row = connection.execute(query.encode()).fetchone()
            assert row is not None
            return row[0] if len(row) == 1 else row

        yield answer


@pytest.fixture
def irregular(sample: tuple[Database, SampleSummary]) -> dict[str, int]:
    return sample[1].irregular


def test_it_has_exactly_what_was_asked_for(sample: tuple[Database, SampleSummary]) -> None:
    rows = sample[1].rows
    assert rows["shops"] == SHOPS
    assert rows["customer_loyalty_profiles"] == CUSTOMERS
    assert rows["point_transactions"] == TRANSACTIONS
    assert all(rows[table] for table in TABLES if table != "loyalty_analytics")


def test_each_declared_irregularity_is_counted_and_rare(irregular: dict[str, int]) -> None:
    assert set(irregular) == {field.name for field in fields(Irregularities)}
    assert irregular["invalid_rules"] == 1
    assert all(count < 0.02 * TRANSACTIONS for count in irregular.values())


def test_our_schema_finds_nothing_missing(sample: tuple[Database, SampleSummary]) -> None:
    operational.require(sample[0], "public")


def test_profiles_agree_with_the_ledger_but_for_migrated_balances(
    ask: Ask, irregular: dict[str, int]
) -> None:
    balance, earned, redeemed, orders = ask(
        """
        with ledger as (
            select
                customer_id,
                sum(points_amount) as balance,
                sum(points_amount) filter (where transaction_type in ('earned', 'bonus')) as earned,
                -sum(points_amount) filter (where transaction_type = 'redeemed') as redeemed,
                count(*) filter (where transaction_type = 'earned') as orders
            from point_transactions group by customer_id
        )
        select
            count(*) filter (where points_balance <> coalesce(balance, 0)),
            count(*) filter (where lifetime_points_earned <> coalesce(earned, 0)),
            count(*) filter (where lifetime_points_redeemed <> coalesce(redeemed, 0)),
            count(*) filter (where lifetime_orders <> coalesce(orders, 0))
        from customer_loyalty_profiles left join ledger on ledger.customer_id = id
        """
    )
    assert (balance, earned, redeemed, orders) == (irregular["migrated_balance"], 0, 0, 0)


def test_recorded_balances_follow_but_for_the_strays_and_never_fall_below_zero(
    ask: Ask, irregular: dict[str, int]
) -> None:
    lowest, strays = ask(
        """
        with running as (
            select
                *,
                sum(points_amount) over (
                    partition by customer_id order by created_at nulls first, id
                ) as balance
            from point_transactions
        ),
        drifts as (
            select
                running.balance,
                points_balance_after - running.balance as drift,
                points_balance - last_value(running.balance) over (
                    partition by customer_id order by running.created_at nulls first, running.id
                    rows between unbounded preceding and unbounded following
                ) as migrated
            from running
            inner join customer_loyalty_profiles on customer_loyalty_profiles.id = customer_id
        )
        select min(balance), count(*) filter (where drift <> migrated) from drifts
        """
    )
    assert lowest >= 0
    assert strays == irregular["stray_balance_after"]


def test_points_of_an_order_are_amount_times_rate_times_tier_times_campaign(ask: Ask) -> None:
    orders, wrong = ask(
        """
        select
            count(*),
            count(*) filter (
                where abs(
                    points_amount - order_amount * coalesce(points_per_dollar, 1)
                    * coalesce(tier.points_multiplier, 1) * coalesce(bonus_multiplier, 1)
                ) > 0.5
            )
        from point_transactions
        inner join referral_conversions using (order_id)
        inner join customer_loyalty_profiles as profile on profile.id = customer_id
        inner join shops on shops.id = profile.shop_id
        left join campaigns on campaigns.id = campaign_id
        left join lateral (
            select points_multiplier
            from customer_tier_history
            inner join tier_definitions on tier_definitions.id = tier_id
            where
                customer_tier_history.customer_id = point_transactions.customer_id
                and achieved_at <= point_transactions.created_at
            order by achieved_at desc limit 1
        ) as tier on true
        where transaction_type = 'earned'
        """
    )
    assert orders > 20
    assert wrong == 0


def test_points_that_came_of_age_are_gone_but_for_customers_whom_the_job_skipped(
    ask: Ask, irregular: dict[str, int]
) -> None:
    unposted, left, expired = ask(
        """
        with due as (
            select
                customer_id,
                bool_or(expired_at is null) filter (
                    where expires_at <= timestamptz '2026-02-28'
                ) as is_unposted,
                sum(points_amount) filter (
                    where expires_at <= timestamptz '2026-02-28'
                ) + sum(least(points_amount, 0)) as points,
                count(*) filter (where transaction_type = 'expired') as expired
            from point_transactions group by customer_id
        )
        select
            count(*) filter (where is_unposted),
            count(*) filter (where points > 0 and not is_unposted),
            sum(expired)
        from due
        """
    )
    assert 0 < unposted <= irregular["unposted_expiry"]
    assert left == 0
    assert expired > 100


def test_the_tier_of_a_profile_is_the_open_one_of_its_history_but_where_it_was_lost(
    ask: Ask, irregular: dict[str, int]
) -> None:
    assert (
        ask(
            """
        select count(*)
        from customer_loyalty_profiles as profile
        left join customer_tier_history as history
            on history.customer_id = profile.id and history.is_current
        where profile.current_tier_id is distinct from history.tier_id
        """
        )
        == irregular["null_tier"]
    )
    assert (
        ask(
            """
        with history as (
            select
                *,
                lead(achieved_at) over (
                    partition by customer_id order by achieved_at, id
                ) as next_at
            from customer_tier_history
        )
        select count(*) from history
        where ended_at is distinct from next_at or is_current <> (next_at is null)
        """
        )
        == 0
    )


def test_tiers_are_earned_by_their_rules_and_some_are_lost(ask: Ask) -> None:
    assert (
        ask(
            """
        select count(*)
        from customer_tier_history as history
        inner join tier_definitions as tier on tier.id = tier_id
        where
            reason = 'qualification'
            and (
                points_at_achievement < min_points_required
                or spend_at_achievement < min_spend_required
                or orders_at_achievement < min_orders_required
            )
        """
        )
        == 0
    )
    assert ask("select count(*) from customer_tier_history where reason = 'downgrade'") > 0
    assert (
        ask(
            """
        select min(customers) from (
            select count(profile.id) as customers
            from tier_definitions as tier
            left join customer_loyalty_profiles as profile on profile.current_tier_id = tier.id
            where tier.is_active group by tier.id
        ) as tiers
        """
        )
        > 0
    )


def test_redemptions_and_their_entries_are_linked_and_used_on_an_own_order(ask: Ask) -> None:
    assert ask("select count(*) from redemption_logs where used_order_id is not null") > 100
    assert (
        ask(
            """
        select count(*)
        from redemption_logs as redemption
        left join point_transactions as entry
            on entry.redemption_id = redemption.id and transaction_type = 'redeemed'
        where
            entry.id is null or entry.customer_id <> redemption.customer_id
            or entry.points_amount <> -points_spent or entry.created_at <> redeemed_at
            or used_order_id is not null and not exists (
                select from point_transactions as orders
                where
                    orders.order_id = used_order_id and orders.transaction_type = 'earned'
                    and orders.customer_id = redemption.customer_id
            )
        """
        )
        == 0
    )


def test_a_plausible_share_of_points_is_redeemed(ask: Ask) -> None:
    share = ask(
        """
        select
            -sum(points_amount) filter (where transaction_type = 'redeemed')::float
            / sum(points_amount) filter (where transaction_type in ('earned', 'bonus'))
        from point_transactions
        """
    )
    assert 0.2 < share < 0.5


def test_nothing_happens_before_enrolment_nor_after_the_end(ask: Ask) -> None:
    assert (
        ask(
            """
        select count(*)
        from point_transactions as entry
        inner join customer_loyalty_profiles as profile on profile.id = customer_id
        where entry.created_at < profile.created_at or entry.created_at >= '2026-03-01Z'
        """
        )
        == 0
    )
    assert ask("select max(created_at) < '2026-03-01Z' from customer_loyalty_profiles")


def test_ids_follow_time_but_for_late_commits_and_undated_entries(
    ask: Ask, irregular: dict[str, int]
) -> None:
    late = ask(
        """
        select count(*) from (
            select created_at, max(created_at) over (order by id) as latest from point_transactions
        ) as entries
        where created_at < latest
        """
    )
    assert 0 < late <= irregular["late_commit"]
    undated = ask("select count(*) from point_transactions where created_at is null")
    assert undated == irregular["undated_transaction"]


def test_december_has_more_orders_than_february(ask: Ask) -> None:
    december, february = ask(
        """
        select
            count(*) filter (where created_at >= '2025-12-01Z' and created_at < '2026-01-01Z'),
            count(*) filter (where created_at >= '2026-02-01Z')
        from point_transactions where transaction_type = 'earned'
        """
    )
    assert december > february * 1.2


def test_referrals_lead_from_a_click_to_the_first_order_of_another_customer(ask: Ask) -> None:
    conversions, wrong = ask(
        """
        select
            count(*),
            count(*) filter (
                where referrer.id = referred.id or referrer.shop_id <> referred.shop_id
                or not exists (
                    select from referral_clicks as click
                    where
                        click.referral_link_id = link.id and converted
                        and conversion_order_id = conversion.order_id
                        and clicked_at < referred.created_at
                )
            )
        from referral_conversions as conversion
        inner join referral_links as link on link.id = referral_link_id
        inner join customer_loyalty_profiles as referrer on referrer.id = link.customer_id
        inner join customer_loyalty_profiles as referred on referred.id = referred_customer_id
        """
    )
    assert conversions > 20
    assert wrong == 0


def test_new_rows_get_ids_beyond_the_sample(sample: tuple[Database, SampleSummary]) -> None:
    with sample[0].connect() as connection:
        row = connection.execute(
            "insert into shops (shop_domain) values ('new.example') returning id"
        ).fetchone()
        connection.rollback()
    assert row == (SHOPS + 1,)


def test_a_database_that_holds_rows_is_refused(sample: tuple[Database, SampleSummary]) -> None:
    with pytest.raises(LoyaltyError, match="has rows already, in shops"):
        generate(sample[0], "public", shops=1, customers=1, transactions=1)


def test_missing_tables_are_named_with_the_command_that_creates_them(
    new_database: Callable[[], str],
) -> None:
    database = Database("operational database", new_database(), "LOYALTY_OPERATIONAL_URL")
    with pytest.raises(LoyaltyError, match="lacks shops, tier_definitions") as refused:
        generate(database, "public", shops=1, customers=1, transactions=1)
    assert "loyalty operational create" in refused.value.remedy


@pytest.mark.parametrize("wrong", [{"shops": 0}, {"days": 0}, {"customers": 0}, {"seed": -1}])
def test_numbers_without_sense_are_refused_before_connecting(wrong: dict[str, int]) -> None:
    nowhere = Database("operational database", "postgresql://nowhere.invalid/x", "X")
    numbers = {"shops": 1, "customers": 1, "transactions": 1, **wrong}
    with pytest.raises(LoyaltyError, match="need"):
        generate(nowhere, "public", **numbers)


def test_the_same_seed_gives_the_same_bytes_on_any_version_and_another_seed_others(
    new_database: Callable[[], str], new_database_on: Callable[[int], str]
) -> None:
    first, second, third = empty(new_database()), empty(new_database_on(16)), empty(new_database())
    size = {"shops": 2, "customers": 60, "transactions": 700, "days": 400}
    for database, seed in ((first, 1), (second, 1), (third, 2)):
        generate(database, "public", **size, seed=seed, until=UNTIL)
    assert fingerprints(first) == fingerprints(second)
    assert fingerprints(first)["point_transactions"] != fingerprints(third)["point_transactions"]


@pytest.mark.parametrize(
    ("shops", "customers", "transactions", "days"),
    [
        (1, 0, 0, 10),
        (1, 1, 0, 730),
        (1, 1, 1, 1),
        (3, 2, 7, 5),
        (2, 500, 10, 60),
        (1, 1, 2_000, 1),
        (30, 40, 400, 200),
    ],
)
def test_any_size_works_and_is_hit_exactly(
    new_database: Callable[[], str], shops: int, customers: int, transactions: int, days: int
) -> None:
    database = empty(new_database(), "shop data")
    summary = generate(
        database,
        "shop data",
        shops=shops,
        customers=customers,
        transactions=transactions,
        days=days,
        until=UNTIL,
    )
    assert summary.rows["shops"] == shops
    assert summary.rows["customer_loyalty_profiles"] == customers
    assert summary.rows["point_transactions"] == transactions


def test_a_sample_that_fails_halfway_leaves_nothing(new_database: Callable[[], str]) -> None:
    database = empty(new_database())
    with database.connect() as connection:
        connection.execute("alter table referral_conversions drop column order_id")
        connection.commit()
    with pytest.raises(psycopg.errors.UndefinedColumn):
        generate(database, "public", shops=1, customers=300, transactions=3_000, until=UNTIL)
    with database.connect() as connection:
        assert connection.execute("select count(*) from shops").fetchone() == (0,)
