"""Tier standings customer by customer and tier by tier, from metrics.md, "Tiers"."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from oracles.history import History, Row, clean
from oracles.orders import orders
from oracles.points import entries, people
from oracles.tiers import spans_by_customer


class Qualified(NamedTuple):
    """What counts towards a tier."""

    points: int
    spend: Decimal
    orders: int


def standings(history: History) -> dict[int, Row]:
    """tier_standings by customer id."""
    tiers: dict[int, list[Row]] = defaultdict(list)
    for row in history.rows("tier_definitions"):
        tiers[row["shop_id"]].append(row)
    earned = entries(history)
    bought: dict[int, list[Row]] = defaultdict(list)
    for order in orders(history).values():
        bought[order["customer_id"]].append(order)
    spans = spans_by_customer(history)

    result = {}
    for person, profile in people(history).items():
        mine = tiers[profile["shop_id"]]

        def counted(tier: Row, person: int = person) -> Qualified:
            days = min(_default(tier["qualification_period_days"], 365), 36_500)
            since = history.as_of - timedelta(hours=24 * days) if days > 0 else None
            points = sum(
                row["points_amount"]
                for row in earned.get(person, [])
                if row["transaction_type"] in ("earned", "bonus")
                and _in_window(clean(row["created_at"]), since)
            )
            recent = [row for row in bought[person] if _in_window(row["ordered_at"], since)]
            known = [row["amount"] for row in recent if row["amount"] is not None]
            return Qualified(points, sum(known, Decimal(0)), len(recent))

        reachable = [row for row in mine if _default(row["is_active"], True)]
        eligible = max(
            (row for row in reachable if not any(_missing(row, counted(row)))),
            key=lambda row: row["tier_level"],
            default=None,
        )
        current = next((row for row in mine if row["id"] == profile["current_tier_id"]), None)
        level = current["tier_level"] if current else 0
        following = min(
            (row for row in reachable if row["tier_level"] > level),
            key=lambda row: row["tier_level"],
            default=None,
        )
        measured_by = following or current
        qualified = counted(measured_by) if measured_by else Qualified(*[None] * 3)  # type: ignore[arg-type]
        missing = _missing(following, qualified) if following else (None, None, None)
        open_tiers = [span["tier_id"] for span in spans.get(person, []) if span["is_current"]]
        history_tier = open_tiers[0] if open_tiers else None
        eligible_level = eligible["tier_level"] if eligible else 0
        result[person] = {
            "shop_id": profile["shop_id"],
            "current_tier_id": profile["current_tier_id"],
            "eligible_tier_id": eligible["id"] if eligible else None,
            "next_tier_id": following["id"] if following else None,
            "history_tier_id": history_tier,
            "qualifying_points": qualified.points,
            "qualifying_spend": qualified.spend,
            "qualifying_orders": qualified.orders,
            "points_to_next": missing[0],
            "spend_to_next": missing[1],
            "orders_to_next": missing[2],
            "is_at_risk": current is not None
            and bool(current["requires_maintenance"])
            and eligible_level < level,
            "is_mismatched": profile["current_tier_id"] != history_tier,
        }
    return result


def _in_window(moment: datetime | None, since: datetime | None) -> bool:
    """A lifetime (None) holds everything, undated rows too; other windows what is dated in them."""
    return since is None or (moment is not None and moment >= since)


def _default(value: Any, default: Any) -> Any:
    return default if value is None else value


def _missing(tier: Row, qualified: Qualified) -> tuple[int, Decimal, int]:
    """What is missing to the minimums that a tier's type looks at: points, spend, orders."""
    by_points = tier["tier_type"] != "spend_based"
    by_spend = tier["tier_type"] != "points_based"
    points = _default(tier["min_points_required"], 0) if by_points else 0
    spend = _default(tier["min_spend_required"], Decimal(0)) if by_spend else Decimal(0)
    count = _default(tier["min_orders_required"], 0) if by_spend else 0
    return (
        max(points - qualified.points, 0) if points else 0,
        max(spend - qualified.spend, Decimal(0)) if spend else Decimal(0),
        max(count - qualified.orders, 0) if count else 0,
    )
