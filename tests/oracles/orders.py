"""Orders one by one, from metrics.md, "Order amounts"."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from oracles.history import History, Row, clean
from oracles.points import EVER_AGO, entries, exists, people
from oracles.tiers import spans_by_customer, tier_held


def to_cents(amount: Fraction) -> Decimal:
    """Rounds half up, away from zero, to cents."""
    exact = Decimal(amount.numerator * 1000) / Decimal(amount.denominator) / 1000
    return exact.quantize(Decimal("0.01"), ROUND_HALF_UP)


def orders(history: History) -> dict[tuple[int, str], Row]:
    """fct_orders by (shop id, order id)."""
    known = people(history)
    shops = {row["id"]: row for row in history.rows("shops")}
    tiers = {row["id"]: row for row in history.rows("tier_definitions")}
    campaigns = {row["id"]: row for row in history.rows("campaigns")}
    spans = spans_by_customer(history)

    purchases: dict[tuple[int, str], list[Row]] = defaultdict(list)
    refunded: dict[tuple[int, str], int] = defaultdict(int)
    promoted: set[tuple[int, str]] = set()
    for rows in entries(history).values():
        for row in rows:
            if not row["order_id"]:
                continue
            key = (known[row["customer_id"]]["shop_id"], row["order_id"])
            if row["transaction_type"] == "earned" and row["source"] == "purchase":
                purchases[key].append(row)
            if row["transaction_type"] == "refunded" and row["points_amount"] < 0:
                refunded[key] -= row["points_amount"]
            if row["transaction_type"] in ("earned", "bonus") and row["campaign_id"] is not None:
                promoted.add(key)

    conversions: dict[tuple[int, str], Row] = {}
    for row in sorted(history.rows("referral_conversions"), key=lambda row: row["id"]):
        if (
            row["order_id"]
            and row["referred_customer_id"] in known
            and exists(row["converted_at"], history.as_of)
        ):
            key = (known[row["referred_customer_id"]]["shop_id"], row["order_id"])
            conversions.setdefault(key, row)

    redeemed_on = {
        (known[row["customer_id"]]["shop_id"], row["used_order_id"])
        for row in history.rows("redemption_logs")
        if row["customer_id"] in known
        and row["used_order_id"]
        and exists(row["redeemed_at"], history.as_of)
    }

    def factor(purchase: Row, shop_id: int) -> Fraction | None:
        rate = shops[shop_id]["points_per_dollar"]
        tier_id = tier_held(spans, purchase["customer_id"], clean(purchase["created_at"]))
        multiplier = tiers[tier_id]["points_multiplier"] if tier_id else None
        campaign = campaigns.get(purchase["campaign_id"])
        bonus = campaign["bonus_multiplier"] if campaign else None
        parts = [
            Fraction(1) if part is None else Fraction(part) for part in (rate, multiplier, bonus)
        ]
        return None if min(parts) <= 0 else parts[0] * parts[1] * parts[2]

    result = {}
    for key in purchases.keys() | conversions.keys():
        shop_id = key[0]
        bought = sorted(
            purchases.get(key, []),
            key=lambda row: (clean(row["created_at"]) or EVER_AGO, row["id"]),
        )
        dated = [row for row in bought if clean(row["created_at"])]
        conversion = conversions.get(key)
        buyer, ordered_at = _buyer(bought, dated, conversion)
        points = sum(row["points_amount"] for row in bought)

        amount: Decimal | None = None
        basis: str | None = None
        if conversion is not None:
            amount, basis = conversion["order_amount"], "recorded"
        else:
            factors = [factor(row, shop_id) for row in bought]
            if all(factors):
                total = sum(
                    Fraction(row["points_amount"]) / known_factor
                    for row, known_factor in zip(bought, factors, strict=True)
                    if known_factor
                )
                kept = max(Fraction(0), 1 - Fraction(refunded[key], points))
                amount, basis = to_cents(total * kept), "implied"
        held = tier_held(spans, buyer, ordered_at)
        levels = [row["tier_level"] for row in tiers.values() if row["shop_id"] == shop_id]
        result[key] = {
            "customer_id": buyer,
            "ordered_at": ordered_at,
            "amount": amount,
            "amount_basis": basis,
            "points_earned": points,
            "is_loyalty_order": key in redeemed_on
            or key in promoted
            or conversion is not None
            or (held is not None and tiers[held]["tier_level"] > min(levels)),
        }
    return result


def _buyer(
    bought: list[Row], dated: list[Row], conversion: Row | None
) -> tuple[int, datetime | None]:
    if dated:
        return dated[0]["customer_id"], clean(dated[0]["created_at"])
    if conversion is not None:
        return conversion["referred_customer_id"], clean(conversion["converted_at"])
    return bought[0]["customer_id"], None
