"""Tier progressions by walking each customer's history, from metrics.md, "Tiers"."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from oracles.history import History, Row, clean
from oracles.points import EVER_AGO, exists, people


def progressions(history: History) -> dict[int, Row]:
    """fct_tier_progressions by the id of the tier history row."""
    known = people(history)
    levels = {row["id"]: row["tier_level"] for row in history.rows("tier_definitions")}
    by_customer: dict[int, list[Row]] = defaultdict(list)
    for row in history.rows("customer_tier_history"):
        if row["customer_id"] in known and exists(row["achieved_at"], history.as_of):
            by_customer[row["customer_id"]].append(row)
    result = {}
    for rows in by_customer.values():
        rows.sort(key=lambda row: (clean(row["achieved_at"]) or EVER_AGO, row["id"]))
        for index, row in enumerate(rows):
            ended = clean(row["ended_at"])
            if ended is not None and ended > history.as_of:
                ended = None
            following = clean(rows[index + 1]["achieved_at"]) if index + 1 < len(rows) else None
            ends = [moment for moment in (ended, following) if moment is not None]
            before = rows[index - 1]["tier_id"] if index else None
            change = levels[row["tier_id"]] - levels[before] if before else None
            result[row["id"]] = {
                "customer_id": row["customer_id"],
                "tier_id": row["tier_id"],
                "from_tier_id": before,
                "direction": _direction(change),
                "valid_from": clean(row["achieved_at"]),
                "valid_to": min(ends) if ends else None,
                "is_current": not ends,
            }
    return result


def _direction(change: int | None) -> str:
    if change is None:
        return "initial"
    if change == 0:
        return "renewal"
    return "upgrade" if change > 0 else "downgrade"


def holds(span: Row, moment: datetime) -> bool:
    """Whether the span holds at the instant: spans are half-open [valid_from, valid_to)."""
    began = span["valid_from"] is None or span["valid_from"] <= moment
    return began and (span["valid_to"] is None or span["valid_to"] > moment)


def tier_held(spans: dict[int, list[Row]], customer_id: int, moment: datetime | None) -> int | None:
    """The tier that a customer held at an instant; None where none, or the time is unknown."""
    if moment is None:
        return None
    held = [span["tier_id"] for span in spans.get(customer_id, []) if holds(span, moment)]
    assert len(held) <= 1
    return held[0] if held else None


def spans_by_customer(history: History) -> dict[int, list[Row]]:
    """The progressions of each customer."""
    found: dict[int, list[Row]] = defaultdict(list)
    for span in progressions(history).values():
        found[span["customer_id"]].append(span)
    return found
