"""Who went from which tier to which, month by month, from metrics.md, "Tiers": "Tier migration"."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from oracles.analytics import loyalty_analytics, midnight, next_period
from oracles.history import History, Row
from oracles.points import EVER_AGO, people
from oracles.tiers import spans_by_customer, tier_held

MICROSECOND = timedelta(microseconds=1)


def migrations(history: History) -> dict[tuple[int, date, str, str], Row]:
    """fct_tier_migrations by (shop id, month, from_state, to_state)."""
    months: dict[int, list[date]] = {}
    for shop_id, period_type, first in loyalty_analytics(history):
        if period_type == "monthly":
            months.setdefault(shop_id, []).append(first)
    spans = spans_by_customer(history)
    known = people(history)
    result = {}
    for shop in history.rows("shops"):
        members = [person for person, row in known.items() if row["shop_id"] == shop["id"]]
        for month in months.get(shop["id"], []):
            start = midnight(month, history.zone(shop))
            end = midnight(next_period("monthly", month), history.zone(shop))
            moves: Counter[tuple[int | None, int | None]] = Counter()
            for person in members:
                # A state at an instant is that just before it; the open month ends at as_of.
                before = tier_held(spans, person, start - MICROSECOND)
                after = tier_held(spans, person, min(end - MICROSECOND, history.as_of))
                if before or after or _held_between(spans.get(person, []), start, end):
                    moves[before, after] += 1
            starters: Counter[int | None] = Counter()
            for (before, _), customers in moves.items():
                starters[before] += customers
            for (before, after), customers in moves.items():
                share = Decimal(customers) / Decimal(starters[before])
                key = (shop["id"], month, str(before or "new"), str(after or "left"))
                result[key] = {
                    "from_tier_id": before,
                    "to_tier_id": after,
                    "customers": customers,
                    "share": share.quantize(Decimal("0.000001"), ROUND_HALF_UP),
                    "is_complete": end <= history.as_of,
                }
    return result


def _held_between(spans: list[Row], start: datetime, end: datetime) -> bool:
    """Whether some tier was held, for however short, in [start, end)."""
    for span in spans:
        began = span["valid_from"] or EVER_AGO
        ended = span["valid_to"] or end
        if max(began, start) < min(ended, end):
            return True
    return False
