"""Rows that no shop should have: they spoil no other shop's figures, and stop no build."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from conftest import PostgresServer
from dbt_in_process import Dbt
from warehouses import filled_warehouse

from orchestration.database import Database
from orchestration.segments import compile_rules

AS_OF = "2025-02-01T00:00:00Z"
JANUARY = datetime(2025, 1, 15, 12, tzinfo=UTC)
HUGE = Decimal("9999999999.99")  # the most that numeric(12, 2) holds
GOOD, HOSTILE, NAN = 1, 2, 3
SELECTS_ALL = '{"not": {"field": "points_balance", "op": "lt", "value": 0}}'


def _purchase(shop: int, number: int, points: int, order_id: str) -> dict[str, Any]:
    return {
        "id": shop * 10_000 + number,
        "customer_id": shop,
        "transaction_type": "earned",
        "source": "purchase",
        "points_amount": points,
        "points_balance_after": points,
        "order_id": order_id,
        "campaign_id": 1 if shop == HOSTILE else None,
        "created_at": JANUARY,
    }


def _conversion(id_: int, customer: int, amount: Decimal | str) -> dict[str, Any]:
    return {
        "id": id_,
        "referral_link_id": 1,
        "referred_customer_id": customer,
        "order_id": f"referred-{id_}",
        "order_amount": amount,
        "converted_at": JANUARY,
    }


TABLES: dict[str, list[dict[str, Any]]] = {
    "shops": [
        {"id": GOOD, "shop_domain": "good.example", "points_per_dollar": 1},
        {"id": HOSTILE, "shop_domain": "o'brien\"s.example", "points_per_dollar": "0.01"},
        {"id": NAN, "shop_domain": "", "points_per_dollar": "NaN"},
    ],
    "tier_definitions": [{"id": 1, "shop_id": GOOD, "name": "Gold", "tier_level": 1}],
    "customer_loyalty_profiles": [
        {
            "id": shop,
            "shop_id": shop,
            "shopify_customer_id": str(shop),
            "points_balance": 2_000_000_000,
            "lifetime_spent": spent,
            "current_tier_id": 1,
            "created_at": JANUARY,
        }
        for shop, spent in ((GOOD, 10), (HOSTILE, HUGE), (NAN, "NaN"))
    ],
    "point_transactions": [
        _purchase(GOOD, 1, 25, "1001"),
        _purchase(GOOD, 2, 40, ""),
        *(_purchase(HOSTILE, number, 2_000_000_000, f"h{number}") for number in range(600)),
        _purchase(NAN, 1, 25, "1001"),
    ],
    "referral_conversions": [
        *(_conversion(id_, HOSTILE, HUGE) for id_ in range(200)),
        _conversion(900, NAN, "NaN"),
    ],
    "campaigns": [
        {
            "id": 1,
            "shop_id": HOSTILE,
            "name": "Tiny",
            "start_date": JANUARY,
            "end_date": "infinity",
            "bonus_multiplier": "0.01",
            "rules": '{"\\u0000": 1e400}',
            "target_tier_ids": '"\\ud800"',
            "budget_limit": "NaN",
        }
    ],
    "reward_definitions": [
        {
            "id": 1,
            "shop_id": HOSTILE,
            "name": "NUL",
            "reward_type": "?",
            "points_cost": 1,
            "reward_value": '{"a": "\\u0000", "a": 1e400}',
        }
    ],
    "customer_segments": [
        {"id": shop, "shop_id": shop, "name": "All", "criteria": SELECTS_ALL}
        for shop in (GOOD, HOSTILE, NAN)
    ],
}


@pytest.fixture(scope="module")
def marts(server: PostgresServer, dbt: Dbt) -> Iterator[Database]:
    names = [server.create_database() for _ in range(2)]
    warehouse = filled_warehouse(server.url(names[0]), server.url(names[1]), TABLES)
    compile_rules(warehouse)
    assert dbt.build(warehouse, AS_OF, data_tests=True) == []
    yield warehouse
    for name in names:
        server.drop_database(name)


def _rows(warehouse: Database, query: str) -> list[tuple[Any, ...]]:
    with warehouse.connect() as connection:
        return connection.execute(query.encode()).fetchall()


def test_amounts_too_large_or_not_numbers_are_null_in_their_own_shop_only(marts: Database) -> None:
    assert _rows(
        marts,
        "select shop_id, count(*), count(amount), sum(amount) from marts.fct_orders"
        " group by shop_id order by shop_id",
    ) == [
        (GOOD, 1, 1, Decimal("25.00")),
        (HOSTILE, 800, 200, 200 * HUGE),  # 2e9 points / (0.01 x 0.01) is beyond numeric(14, 2)
        (NAN, 2, 0, None),
    ]


def test_an_order_without_an_amount_has_no_basis(marts: Database) -> None:
    assert _rows(
        marts,
        "select distinct amount is null, amount_basis from marts.fct_orders order by 1, 2",
    ) == [(False, "implied"), (False, "recorded"), (True, None)]


def test_a_revenue_too_large_for_its_column_is_null_and_points_still_add_up(
    marts: Database,
) -> None:
    assert _rows(
        marts,
        "select shop_id, total_revenue, loyalty_revenue, points_earned from marts.loyalty_analytics"
        " where period_type = 'monthly' and date = '2025-01-01' order by shop_id",
    ) == [
        (GOOD, Decimal("25.00"), Decimal("0.00"), 65),
        (HOSTILE, None, None, 1_200_000_000_000),
        (NAN, Decimal("0.00"), Decimal("0.00"), 25),
    ]


def test_an_empty_order_id_is_no_order(marts: Database) -> None:
    assert _rows(marts, "select order_id from marts.fct_orders where shop_id = 1") == [("1001",)]


def test_a_tier_of_another_shop_has_no_name_here(marts: Database) -> None:
    assert _rows(
        marts, "select shop_id, current_tier_name from marts.dim_customers order by shop_id"
    ) == [(GOOD, "Gold"), (HOSTILE, None), (NAN, None)]


def test_spend_that_is_not_a_number_is_null(marts: Database) -> None:
    assert _rows(
        marts,
        "select shop_id, customer_count, avg_lifetime_value from marts.customer_segments"
        " order by shop_id",
    ) == [
        (GOOD, 1, Decimal("10.00")),
        (HOSTILE, 1, HUGE),
        (NAN, 1, None),
    ]


def test_a_full_refresh_writes_only_what_differs_and_keeps_what_was_built_upon(
    marts: Database, dbt: Dbt
) -> None:
    tables = ["fct_orders", "dim_rewards", "dim_customers", "fct_points_daily", "loyalty_analytics"]
    with marts.connect() as connection:
        connection.execute("create view public.analyst as select * from marts.fct_orders")
        before = {name: _image(marts, name) for name in tables}
        connection.execute("update marts.fct_orders set amount = null where shop_id = 1")
        connection.execute("delete from marts.fct_orders where shop_id = 3")
        connection.execute("insert into marts.fct_orders (shop_id, order_id) values (9, 'gone')")
        connection.execute("update marts.dim_rewards set reward_value = null")
    assert dbt.build(marts, AS_OF, full_refresh=True, data_tests=True) == []
    after = {name: _image(marts, name) for name in tables}
    values = {name: [row for _, row in rows] for name, rows in after.items()}
    assert values == {name: [row for _, row in rows] for name, rows in before.items()}
    rewritten = {name: len(set(after[name]) - set(before[name])) for name in tables}
    assert rewritten == {
        "fct_orders": 3,
        "dim_rewards": 1,
        "dim_customers": 0,
        "fct_points_daily": 0,
        "loyalty_analytics": 0,
    }
    assert _rows(marts, "select count(*) from public.analyst") == [(803,)]


def _image(warehouse: Database, table: str) -> list[tuple[Any, ...]]:
    """Every row as text beside the transaction that wrote it."""
    return _rows(warehouse, f"select xmin::text, t::text from marts.{table} as t order by 2")
