"""Redemptions, campaigns and referral links one by one, from metrics.md, "Program KPIs"."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

from oracles.history import History, Row, clean
from oracles.orders import orders, to_cents
from oracles.points import entries, exists, people

POINT_VALUE = Fraction(1, 100)


def happened(moment: Any, as_of: datetime) -> datetime | None:
    """The instant, where it is known and not later than as_of."""
    usable = clean(moment)
    return usable if usable is not None and usable <= as_of else None


def rate(part: Fraction, whole: Fraction | int) -> Decimal | None:
    """part / whole in millionths, rounded half up; None where the divisor is 0."""
    if whole == 0:
        return None
    millionths = abs(part) / whole * 1_000_000
    rounded = int(millionths + Fraction(1, 2))
    return Decimal(rounded if part >= 0 else -rounded) / 1_000_000


def redemptions(history: History) -> dict[int, Row]:
    """fct_redemptions by redemption id."""
    known = people(history)
    bought = orders(history)
    result = {}
    for row in history.rows("redemption_logs"):
        if row["customer_id"] not in known or not exists(row["redeemed_at"], history.as_of):
            continue
        shop_id = known[row["customer_id"]]["shop_id"]
        redeemed, used = clean(row["redeemed_at"]), happened(row.get("used_at"), history.as_of)
        days = None
        if redeemed and used and used >= redeemed:
            exact = Decimal((used - redeemed) // timedelta(microseconds=1)) / 86_400_000_000
            days = exact.quantize(Decimal("0.0001"), ROUND_HALF_UP)
        order_id = (row.get("used_order_id") or None) if used else None
        order = bought.get((shop_id, order_id)) if order_id else None
        result[row["id"]] = {
            "shop_id": shop_id,
            "customer_id": row["customer_id"],
            "reward_id": row.get("reward_id"),
            "status": row["status"],
            "is_counted": row["status"] not in ("failed", "cancelled"),
            "points_spent": row["points_spent"],
            "discount_amount": row.get("discount_amount"),
            "redeemed_at": redeemed,
            "expires_at": clean(row.get("expires_at")),
            "used_at": used,
            "is_used": used is not None,
            "days_to_use": days,
            "used_order_id": order_id,
            "order_amount": order["amount"] if order else None,
        }
    return result


def campaign_performance(history: History) -> dict[int, Row]:
    """fct_campaign_performance by campaign id."""
    known = people(history)
    bought = orders(history)
    ledger = [row for rows in entries(history).values() for row in rows]
    result = {}
    for campaign in history.rows("campaigns"):
        shop_id = campaign["shop_id"]
        mine = {person for person, row in known.items() if row["shop_id"] == shop_id}
        joined = [
            row
            for row in history.rows("campaign_participations")
            if row["campaign_id"] == campaign["id"]
            and row["customer_id"] in mine
            and exists(row["joined_at"], history.as_of)
        ]
        times = [moment for row in joined if (moment := clean(row["joined_at"]))]
        participants = len({row["customer_id"] for row in joined})
        earned = [
            row
            for row in ledger
            if row["campaign_id"] == campaign["id"]
            and row["customer_id"] in mine
            and row["transaction_type"] in ("earned", "bonus")
        ]
        order_ids = {row.get("order_id") for row in earned if row.get("order_id")}
        sold = [
            bought[shop_id, order_id] for order_id in order_ids if (shop_id, order_id) in bought
        ]
        bonus = _bonus_points(earned, campaign.get("bonus_multiplier"))
        cost = None if bonus is None else to_cents(bonus * POINT_VALUE)
        limit, spent = campaign.get("budget_limit"), campaign.get("current_spend")
        most, counted = campaign.get("max_participants"), campaign.get("current_participants")
        result[campaign["id"]] = {
            "shop_id": shop_id,
            "participants": participants,
            "completed_participants": len(
                {
                    row["customer_id"]
                    for row in joined
                    if happened(row.get("completed_at"), history.as_of)
                }
            ),
            "first_joined_at": min(times, default=None),
            "last_joined_at": max(times, default=None),
            "max_participants": most,
            "is_max_participants_reached": most is not None and participants >= most,
            "recorded_participants": counted,
            "participants_difference": None if counted is None else counted - participants,
            "points_earned": sum(row["points_amount"] for row in earned),
            "orders": len(sold),
            "spend": sum((row["amount"] or Decimal(0) for row in sold), Decimal(0)),
            "bonus_points": bonus,
            "bonus_cost": cost,
            "budget_limit": limit,
            "budget_used": cost,
            "budget_share": rate(Fraction(cost), Fraction(limit))
            if limit and cost is not None
            else None,
            "is_over_budget": _is_over(cost, limit),
            "recorded_spend": spent,
            "spend_difference": spent - cost if None not in (spent, cost) else None,
        }
    return result


def _bonus_points(earned: list[Row], multiplier: Decimal | None) -> int | None:
    """What was given on top: gifts as a whole, of other points what the multiplier added."""
    gifts = base_and_bonus = 0
    for row in earned:
        if row["transaction_type"] == "bonus" or row["source"] == "campaign":
            gifts += row["points_amount"]
        else:
            base_and_bonus += row["points_amount"]
    factor = Fraction(1) if multiplier is None else Fraction(multiplier)
    if base_and_bonus == 0:
        return gifts
    if factor <= 0:
        return None
    bonus = gifts + base_and_bonus * (1 - 1 / max(factor, Fraction(1)))
    whole = int(abs(bonus) + Fraction(1, 2))
    return whole if bonus >= 0 else -whole


def _is_over(cost: Decimal | None, limit: Decimal | None) -> bool | None:
    if limit is None:
        return False
    return None if cost is None else cost > limit


def referral_funnel(history: History) -> dict[int, Row]:
    """fct_referral_funnel by link id."""
    known = people(history)
    clicks: dict[int, list[Row]] = defaultdict(list)
    for row in history.rows("referral_clicks"):
        if exists(row["clicked_at"], history.as_of):
            clicks[row["referral_link_id"]].append(row)
    conversions: dict[int, list[Row]] = defaultdict(list)
    for row in history.rows("referral_conversions"):
        if exists(row["converted_at"], history.as_of):
            conversions[row["referral_link_id"]].append(row)
    return {
        link["id"]: {
            "shop_id": known[link["customer_id"]]["shop_id"],
            "customer_id": link["customer_id"],
            "is_active": link.get("is_active") is not False,
            "created_at": clean(link["created_at"]),
            "recorded_clicks": link.get("clicks"),
            "recorded_conversions": link.get("conversions"),
            "recorded_revenue": link.get("total_revenue"),
            "recorded_points_awarded": link.get("total_points_awarded"),
            **_funnel(link, clicks[link["id"]], conversions[link["id"]], known, history.as_of),
        }
        for link in history.rows("referral_links")
        if link["customer_id"] in known and exists(link["created_at"], history.as_of)
    }


def _funnel(
    link: Row, clicks: list[Row], conversions: list[Row], known: dict[int, Row], as_of: datetime
) -> Row:
    clickers: set[Any] = set()
    unidentified = 0
    for click in clicks:
        address, browser = click["ip_address"] or None, click["user_agent"] or None
        if address is None and browser is None:
            unidentified += 1
        else:
            clickers.add((address, browser))
    visitors = len(clickers) + unidentified

    self_referrals = repeated = 0
    credited: dict[Any, Row] = {}
    for row in sorted(conversions, key=lambda row: row["id"]):
        referred = known.get(row["referred_customer_id"])
        if referred is None or referred["shop_id"] != known[link["customer_id"]]["shop_id"]:
            continue
        if row["referred_customer_id"] == link["customer_id"]:
            self_referrals += 1
            continue
        key = row.get("order_id") or ("no order", row["id"])
        if key in credited:
            repeated += 1
            if "completed" not in (row["status"], credited[key]["status"]):
                continue
            if credited[key]["status"] == "completed":
                continue
        credited[key] = row
    statuses = [row["status"] for row in credited.values()]
    completed = [row for row in credited.values() if row["status"] == "completed"]
    known_statuses = ("completed", "pending", "cancelled")
    return {
        "clicks": len(clicks),
        "unidentified_clicks": unidentified,
        "unique_clickers": visitors,
        "converted_clicks": sum(
            bool(row.get("converted")) and exists(row["converted_at"], as_of) for row in clicks
        ),
        "conversions": len(credited),
        "completed_conversions": len(completed),
        "pending_conversions": statuses.count("pending"),
        "cancelled_conversions": statuses.count("cancelled"),
        "other_conversions": sum(status not in known_statuses for status in statuses),
        "self_referrals": self_referrals,
        "repeated_conversions": repeated,
        "conversion_rate": rate(Fraction(len(completed)), visitors),
        "revenue": sum((row["order_amount"] for row in completed), Decimal(0)),
        "referrer_points_awarded": sum(
            row.get("referrer_points_awarded") or 0 for row in credited.values()
        ),
        "referee_points_awarded": sum(
            row.get("referee_points_awarded") or 0 for row in credited.values()
        ),
    }
