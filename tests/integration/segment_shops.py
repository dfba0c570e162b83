"""Two small shops with a history, and rules of every kind for them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

NOW = datetime.now(UTC).replace(microsecond=0)
ONE, TWO = "one.example", "two.example"
TIERS = ("Bronze", "Gold", "'; drop table raw.shops; --")
"""The third is what a merchant may call a tier."""
PER_SHOP = 40


def _ago(draw: Random, days: int) -> datetime | None:
    return None if draw.random() < 0.15 else NOW - timedelta(days=days * draw.random())


def _customer(draw: Random, id_: int, shop: int) -> dict[str, Any]:
    maybe = (None, True, False)
    return {
        "id": id_,
        "shop_id": shop,
        "shopify_customer_id": f"61{id_:04}",
        "email": draw.choice((None, f"c{id_}@mail.example")),
        "phone": draw.choice((None, f"+1555{id_:07}")),
        "first_name": draw.choice(("Zoë", "=1+1", None, "Ann")),
        "last_name": "Smith",
        "points_balance": draw.choice((None, 0, 50, 500, 900)),
        "lifetime_points_earned": draw.choice((0, 700, 2000)),
        "lifetime_spent": draw.choice((None, 0, "99.50", 600)),
        "lifetime_orders": draw.randint(0, 5),
        "current_tier_id": draw.choice((None, 10 * shop + 1, 10 * shop + 2, 10 * shop + 3)),
        "last_purchase_at": _ago(draw, 120),
        "last_login_at": _ago(draw, 30),
        "tier_expires_at": NOW + timedelta(days=draw.randint(1, 90)),
        "birthday": draw.choice((None, datetime(1990, draw.randint(1, 12), 29 - 1, tzinfo=UTC))),
        "created_at": _ago(draw, 400),
        "is_vip": draw.choice(maybe),
        "is_active": draw.choice((*maybe, True)),
        "email_opt_in": draw.choice(maybe),
        "sms_opt_in": draw.choice(maybe),
    }


def _transaction(draw: Random, id_: int, customer: int) -> dict[str, Any]:
    kind, points = draw.choice((("earned", 50), ("bonus", 20), ("redeemed", -30)))
    return {
        "id": id_,
        "customer_id": customer,
        "transaction_type": kind,
        "points_amount": points,
        "source": draw.choice(("purchase", "referral", None)),
        "order_id": f"o{id_}" if kind == "earned" else None,
        "created_at": _ago(draw, 200),
    }


def segment(id_: int, name: str, rule: Any, shop: int = 1, **flags: Any) -> dict[str, Any]:
    criteria = rule if isinstance(rule, str) else json.dumps(rule)
    return {"id": id_, "shop_id": shop, "name": name, "criteria": criteria, **flags}


def field(name: str, op: str, value: Any = None, unit: str | None = None) -> dict[str, Any]:
    given = {"value": value, "unit": unit}
    return {"field": name, "op": op, **{key: v for key, v in given.items() if v is not None}}


RICH = field("points_balance", "gte", 500)
BOUGHT = {"event": "order_placed", "aggregate": "count", "op": "gte", "value": 2}
LATELY = {"within_last": {"value": 60, "unit": "day"}}
GOOD: dict[str, Any] = {
    "Rich": RICH,
    "Nobody": {},
    "Young": field("birthday", "anniversary_within_next", 60, "day"),
    "Quiet": {"not": field("last_order_at", "within_last", 30, "day")},
    "Golden or odd": {
        "any": [field("tier_name", "eq", "gold"), field("tier_name", "eq", TIERS[2])]
    },
    "Half": {"random_sample": {"percent": 50, "seed": "{{ 1 }} %s"}},
    "Bought twice": BOUGHT,
    "Bought twice lately": {**BOUGHT, **LATELY},
    "By referral": {
        "event": "points_earned",
        "aggregate": "sum",
        "of": "points",
        "op": "gte",
        "value": 50,
        "where": [field("source", "eq", "referral")],
    },
    "Never redeemed": {"event": "points_redeemed", "aggregate": "count", "op": "eq", "value": 0},
    "Rich but not half": {"all": [{"segment": "Rich"}, {"not": {"segment": "Half"}}]},
    "Was rich": {"segment": "Rich", "held_within_last": {"value": 7, "unit": "day"}},
    "Picked too": {"any": [{"segment": "Picked"}, RICH]},
    "Reads the broken": {"all": [{"segment": "Broken"}, field("is_vip", "is_not_set")]},
    "Nested": {
        "all": [
            {
                "any": [
                    RICH,
                    {"not": {"all": [field("lifetime_orders", "between", [1, 3]), BOUGHT]}},
                ]
            },
            field("created_at", "more_than_ago", 3, "week"),
            field("tier_expires_at", "within_next", 2, "month"),
        ]
    },
}
BROKEN = {"all": [RICH, {"field": "points_balanc", "op": "gte", "value": 1}]}
SEGMENTS = [
    *(segment(id_, name, rule) for id_, (name, rule) in enumerate(GOOD.items(), start=1)),
    *(segment(100 + id_, name, rule, shop=2) for id_, (name, rule) in enumerate(GOOD.items())),
    segment(50, "Broken", BROKEN),
    segment(51, "Picked", "{}", auto_update=False),
    segment(52, "Resting", RICH, is_active=False),
    segment(53, "Twins", RICH),
    segment(54, "twins", RICH),
    segment(150, "Broken", BROKEN, shop=2),
    segment(151, "Picked", "{}", shop=2, auto_update=False),
    segment(152, "Only of two", RICH, shop=2),
]


def tables(seed: int = 1) -> dict[str, list[dict[str, Any]]]:
    """The application's rows."""
    draw = Random(seed)
    shops = {number: range(number * 100, number * 100 + PER_SHOP) for number in (1, 2)}
    people = [(id_, shop) for shop, ids in shops.items() for id_ in ids]
    return {
        "shops": [{"id": 1, "shop_domain": ONE}, {"id": 2, "shop_domain": TWO}],
        "tier_definitions": [
            {"id": 10 * shop + level, "shop_id": shop, "name": name, "tier_level": level}
            for shop in shops
            for level, name in enumerate(TIERS, start=1)
        ],
        "customer_loyalty_profiles": [_customer(draw, id_, shop) for id_, shop in people],
        "point_transactions": [
            _transaction(draw, id_ * 10 + turn, id_) for id_, _ in people for turn in range(8)
        ],
        "customer_segments": SEGMENTS,
        "customer_segment_memberships": [
            {"id": id_, "segment_id": 51, "customer_id": 100 + id_, "added_at": NOW}
            for id_ in range(5)
        ]
        + [{"id": 90, "segment_id": 50, "customer_id": 139, "added_at": NOW}],
    }
