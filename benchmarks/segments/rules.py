"""The rules that are measured: so many per shop, in the shapes that marketers write."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from psycopg import sql

from orchestration.database import Database

Rule = dict[str, Any]


def _field(name: str, op: str, value: object = None, unit: str | None = None) -> Rule:
    given = {"field": name, "op": op, "value": value, "unit": unit}
    return {key: part for key, part in given.items() if part is not None}


# Each makes a rule of one shape; `n` gives every segment constants of its own.
SHAPES: tuple[Callable[[int], Rule], ...] = (
    lambda n: _field("lifetime_spent", "gt", 200 + n % 800),
    lambda n: {
        "all": [
            _field("points_balance", "gte", 100 + n % 900),
            _field("email_opt_in", "is_true"),
        ]
    },
    lambda n: _field("tier_name", "in", ["Gold", "Platinum", f"Tier {n % 7}"]),
    lambda n: {
        "all": [
            _field("last_order_at", "more_than_ago", 60 + n % 90, "day"),
            _field("lifetime_orders", "gte", 2 + n % 3),
        ]
    },
    lambda n: _field("last_order_at", "within_last", 1 + n % 12, "month"),
    lambda n: {
        "any": [
            _field("is_vip", "is_true"),
            _field("tier_level", "gte", 2 + n % 2),
            _field("lifetime_points_earned", "between", [1000 + n % 100, 5000]),
        ]
    },
    lambda n: {
        "all": [
            _field("birthday", "anniversary_within_next", 1 + n % 4, "week"),
            {"not": _field("is_active", "is_false")},
        ]
    },
    lambda n: {
        "all": [
            _field("last_order_at", "not_within_last", 3 + n % 9, "month"),
            {"not": {"random_sample": {"percent": 10, "seed": f"holdout {n % 50}"}}},
        ]
    },
    lambda n: _field("points_balance", "eq", n % 500),
    lambda n: _field("created_at", "after", f"2025-{1 + n % 12:02d}-01"),
)

EVENTS: tuple[Callable[[int], Rule], ...] = (
    lambda n: {
        "event": "points_earned",
        "aggregate": "sum",
        "of": "points",
        "op": "gte",
        "value": 100 + n % 400,
        "within_last": {"value": 90, "unit": "day"},
    },
    lambda n: {
        "all": [
            _field("lifetime_orders", "gte", 1),
            {
                "event": "order_placed",
                "aggregate": "count",
                "op": "eq",
                "value": 0,
                "within_last": {"value": 30 + n % 60, "unit": "day"},
            },
        ]
    },
    lambda n: {"event": "reward_redeemed", "aggregate": "count", "op": "gte", "value": 1 + n % 4},
    lambda n: {
        "event": "points_earned",
        "aggregate": "days_since_last",
        "op": "between",
        "value": [7, 30 + n % 30],
        "where": [{"field": "source", "op": "eq", "value": "purchase"}],
    },
)


def rules(count: int, shops: int, shapes: tuple[Callable[[int], Rule], ...]) -> Iterator[Rule]:
    """So many rules, shop by shop in turn: one shop's rules have different shapes."""
    for number in range(count):
        in_shop = number // shops
        yield shapes[(number + in_shop) % len(shapes)](number)


_INSERT = """
insert into customer_segments (shop_id, name, criteria)
select
    shops.id,
    'Segment ' || given.position,
    given.criteria
from unnest(%s::json[]) with ordinality as given (criteria, position)
inner join (select id, row_number() over (order by id) - 1 as position from shops) as shops
    on shops.position = (given.position - 1) %% %s
order by given.position
"""

_REPLACE = """
update customer_segments as segments
set criteria = given.criteria
from unnest(%s::json[]) with ordinality as given (criteria, position)
where segments.name = 'Segment ' || given.position
"""


def store(source: Database, made: Iterator[Rule], shops: int) -> None:
    """Makes these the only segments of the operational database, or the rules of those there."""
    texts = [json.dumps(rule) for rule in made]
    with source.connect() as connection:
        if connection.execute(_REPLACE, [texts]).rowcount != len(texts):
            connection.execute("truncate customer_segments cascade")
            connection.execute(_INSERT, [texts, shops])


def change_one(source: Database) -> None:
    """One merchant edits one rule."""
    with source.connect() as connection:
        connection.execute(
            sql.SQL(
                "update customer_segments set criteria = {}"
                " where id = (select min(id) from customer_segments)"
            ).format(sql.Literal(json.dumps(_field("lifetime_spent", "gt", 555))))
        )
