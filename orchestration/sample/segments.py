"""The segments that a shop's marketer has written, from plain to rich."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestration.sample import campaigns
from orchestration.sample.shops import Shop, Tier

AMBASSADORS = "Ambassadors"
"""The manual segment: the application's own members, no rule."""


@dataclass(frozen=True)
class Segment:
    """A segment of a shop; `criteria` is the rule (see segments.md)."""

    name: str
    description: str
    kind: str
    criteria: dict[str, Any]
    is_active: bool | None = True
    auto_update: bool | None = True


def segments_of(shop: Shop, *, broken: bool) -> list[Segment]:
    """A shop's segments; with `broken`, one of them has a rule that names no field."""
    tiers = [tier for tier in shop.tiers if tier.is_active]
    best = [tier.name for tier in tiers[-(len(tiers) // 2) :]]
    spends_well = round(shop.program.order_value * 6, -1)
    reward = next(r for r in shop.rewards if r.kind == "discount_fixed")
    many = 8 * reward.points
    found = [
        Segment(
            campaigns.VIPS,
            "Customers whom the shop has made VIPs.",
            "value",
            {"field": "is_vip", "op": "is_true"},
        ),
        Segment(
            "New this month",
            "Enrolled in the last 30 days.",
            "behavioral",
            {"field": "created_at", "op": "within_last", "value": 30, "unit": "day"},
        ),
        Segment(
            campaigns.WINBACK,
            "Ordered before, but not in the last 90 days, and may be written to.",
            "behavioral",
            _all(
                {"field": "last_order_at", "op": "more_than_ago", "value": 90, "unit": "day"},
                {"field": "email_opt_in", "op": "is_true"},
                {"not": {"field": "is_active", "op": "is_false"}},
            ),
        ),
        _nearly(tiers),
        Segment(
            "Birthday in the next 30 days",
            "For the birthday letter.",
            "demographic",
            _all(
                {"field": "birthday", "op": "anniversary_within_next", "value": 30, "unit": "day"},
                {"field": "email_opt_in", "op": "is_true"},
            ),
        ),
        Segment(
            "High spenders who lapsed",
            f"Spent ${spends_well:.0f} or more, and nothing in the last 120 days.",
            "value",
            _all(
                {"field": "lifetime_spent", "op": "gte", "value": spends_well},
                {"field": "last_order_at", "op": "more_than_ago", "value": 120, "unit": "day"},
            ),
        ),
        Segment(
            "Newsletter holdout",
            "A tenth of the customers whom we write to, VIPs left out: the control group.",
            "behavioral",
            _all(
                {"field": "email_opt_in", "op": "is_true"},
                {"not": {"field": "is_vip", "op": "is_true"}},
                {"random_sample": {"percent": 10, "seed": "newsletter"}},
            ),
        ),
        Segment(
            "Enrolled, never ordered",
            "Members for two weeks or longer without an order.",
            "behavioral",
            _all(
                {"field": "last_order_at", "op": "is_not_set"},
                {"field": "created_at", "op": "more_than_ago", "value": 14, "unit": "day"},
            ),
        ),
        Segment(
            "Top tiers",
            f"Everybody in {' or '.join(best)}.",
            "value",
            {"field": "tier_name", "op": "in", "value": best},
        ),
        Segment(
            "Can afford a reward",
            f"Has the {reward.points} points for “{reward.name}” and ordered within half a year.",
            "behavioral",
            _all(
                {"field": "points_balance", "op": "gte", "value": reward.points},
                {"field": "last_order_at", "op": "within_last", "value": 6, "unit": "month"},
            ),
        ),
        Segment(
            "Text them: loyal and recent",
            "Three orders or more, the last within 60 days, and SMS is welcome.",
            "behavioral",
            _all(
                {"field": "sms_opt_in", "op": "is_true"},
                {"field": "lifetime_orders", "op": "gte", "value": 3},
                {"field": "last_order_at", "op": "within_last", "value": 60, "unit": "day"},
            ),
        ),
        Segment(
            "Wake the hoarders",
            "Many points or a high tier, quiet for two months, not spoken to in person.",
            "value",
            _all(
                {
                    "any": [
                        {"field": "points_balance", "op": "gte", "value": many},
                        _all(
                            {"field": "tier_level", "op": "gte", "value": 3},
                            {"field": "lifetime_points_redeemed", "op": "eq", "value": 0},
                        ),
                    ]
                },
                {"field": "last_order_at", "op": "not_within_last", "value": 2, "unit": "month"},
                {
                    "not": {
                        "any": [
                            {"field": "is_vip", "op": "is_true"},
                            {"field": "is_active", "op": "is_false"},
                        ]
                    }
                },
            ),
        ),
        Segment(
            "Tier ends soon",
            "Holds a tier above the lowest that ends within 45 days.",
            "value",
            _all(
                {"field": "tier_level", "op": "gt", "value": 1},
                {"field": "tier_expires_at", "op": "within_next", "value": 45, "unit": "day"},
            ),
        ),
        Segment(
            AMBASSADORS,
            "Picked by hand in the application; no rule.",
            "demographic",
            {},
            auto_update=False,
        ),
        Segment(
            "Last year's test group",
            "Switched off, kept for its history.",
            "behavioral",
            {"random_sample": {"percent": 50, "seed": "last-year"}},
            is_active=False,
            auto_update=None,
        ),
    ]
    if broken:
        found.append(
            Segment(
                "Points millionaires",
                "A rule with a misspelt field, as a merchant may write one: it stays invalid.",
                "value",
                _all({"field": "point_balance", "op": "gte", "value": 1000}),
            )
        )
    return found


def _all(*conditions: dict[str, Any]) -> dict[str, Any]:
    return {"all": list(conditions)}


def _nearly(tiers: list[Tier]) -> Segment:
    """Those in the tiers below Gold (else the highest one) who have most of what it asks for."""
    goal = next((tier for tier in tiers if tier.name == "Gold"), tiers[-1])
    below = [tier.name for tier in tiers if tier.level < goal.level]
    by_points = goal.min_points > 0
    field, needed = (
        ("points_balance", goal.min_points) if by_points else ("lifetime_spent", goal.min_spend)
    )
    return Segment(
        f"Nearly {goal.name}",
        f"Below {goal.name}, with 70 % or more of the {needed} "
        f"{'points' if by_points else 'dollars'} that it takes.",
        "value",
        _all(
            {"field": field, "op": "between", "value": [round(needed * 0.7), needed]},
            {"field": "tier_name", "op": "in", "value": below},
        ),
    )
