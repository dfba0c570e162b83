"""The rule language in plain Python, written from its specification: what SQL must agree with.

It reads the rule's JSON itself and shares no code with the package. Rules are taken to be valid.
"""

from __future__ import annotations

import hashlib
import json
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

NEGATIONS = {"neq": "eq", "not_in": "in", "not_within_last": "within_last"}


@dataclass(frozen=True)
class Segment:
    """A segment of a shop: what is kept of its members, and its rule, if that is what decides."""

    status: str
    """rule (a good one), invalid, inactive or manual."""
    criteria: str
    active_rows: frozenset[int] = frozenset()
    """Ids of the customers whom the application holds active."""
    stays: tuple[tuple[int, datetime, datetime | None], ...] = ()
    """Of a customer, from when, until when."""


@dataclass(frozen=True)
class Shop:
    domain: str
    timezone: str
    segments: dict[str, Segment] = field(default_factory=dict, compare=False)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


Customer = Mapping[str, Any]
"""Field values by name, `shopify_customer_id` among them; times are in UTC.

`id` is what stays and rows of the application name, `events` the customer's events by name, each
with its fields and `occurred_at`.
"""


def selects(criteria: str, customer: Customer, shop: Shop, as_of: datetime) -> bool:
    """Whether a rule selects a customer of its own shop."""
    rule = json.loads(criteria, parse_float=Decimal, parse_int=Decimal)
    return rule != {} and holds(rule, customer, shop, as_of)


def holds(rule: dict[str, Any], customer: Customer, shop: Shop, as_of: datetime) -> bool:
    if "all" in rule:
        return all(holds(part, customer, shop, as_of) for part in rule["all"])
    if "any" in rule:
        return any(holds(part, customer, shop, as_of) for part in rule["any"])
    if "not" in rule:
        return not holds(rule["not"], customer, shop, as_of)
    if "random_sample" in rule:
        return is_sampled(rule["random_sample"], customer, shop)
    if "segment" in rule:
        return is_in(rule, customer, shop, as_of)
    if "event" in rule:
        return number_holds(rule, aggregate(rule, customer, shop, as_of))
    return condition_holds(rule, customer[rule["field"]], shop, as_of)


def condition_holds(rule: dict[str, Any], value: Any, shop: Shop, as_of: datetime) -> bool:
    op = rule["op"]
    if op in NEGATIONS:
        return not field_holds({**rule, "op": NEGATIONS[op]}, value, shop, as_of)
    return field_holds(rule, value, shop, as_of)


def is_in(rule: dict[str, Any], customer: Customer, shop: Shop, as_of: datetime) -> bool:
    """Whether the customer is a member, or, with a window, was one in it."""
    segment, person = shop.segments[rule["segment"]], customer["id"]
    stays = [(added, removed) for one, added, removed in segment.stays if one == person]
    if not stays and person in segment.active_rows:
        stays = [(as_of, None)]  # where there is none yet, the application's row opens one
    if segment.status == "rule":
        is_member = selects(segment.criteria, customer, shop, as_of)
    elif segment.status == "manual":
        is_member = person in segment.active_rows
    else:
        is_member = any(removed is None for _, removed in stays)
    if "held_within_last" not in rule:
        return is_member
    start = window_start(rule["held_within_last"], shop, as_of)
    return is_member or any(
        added <= as_of and (removed is None or removed >= start) for added, removed in stays
    )


def aggregate(
    rule: dict[str, Any], customer: Customer, shop: Shop, as_of: datetime
) -> Fraction | None:
    """What the customer's events come to."""
    events = [
        event for event in customer["events"][rule["event"]] if counts(rule, event, shop, as_of)
    ]
    if rule["aggregate"].startswith("days_since"):
        dates = [e["occurred_at"].astimezone(shop.zone).date() for e in events if e["occurred_at"]]
        if not dates:
            return None
        date_wanted = max(dates) if rule["aggregate"] == "days_since_last" else min(dates)
        return Fraction((as_of.astimezone(shop.zone).date() - date_wanted).days)
    if rule["aggregate"] == "count":
        return Fraction(len(events))
    values = [Fraction(event[rule["of"]]) for event in events if event[rule["of"]] is not None]
    if rule["aggregate"] == "sum":
        return sum(values, Fraction(0))
    if not values:
        return None
    if rule["aggregate"] == "avg":
        return sum(values, Fraction(0)) / len(values)
    return min(values) if rule["aggregate"] == "min" else max(values)


def counts(rule: dict[str, Any], event: Mapping[str, Any], shop: Shop, as_of: datetime) -> bool:
    """Whether an event has happened, in the rule's window, and is one of those that it wants."""
    at = event["occurred_at"]
    if at is not None and at > as_of:
        return False
    if "within_last" in rule:
        if at is None or at < window_start(rule["within_last"], shop, as_of):
            return False
    elif "between" in rule:
        first, second = (moment(text, shop) for text in rule["between"])
        if at is None or not first <= at < second:
            return False
    wanted = rule.get("where", [])
    return all(condition_holds(test, event[test["field"]], shop, as_of) for test in wanted)


def number_holds(rule: dict[str, Any], seen: Fraction | None) -> bool:
    op = rule["op"]
    if op in ("is_set", "is_not_set"):
        return (seen is None) == (op == "is_not_set")
    if op in NEGATIONS:
        return not number_holds({**rule, "op": NEGATIONS[op]}, seen)
    if seen is None:
        return False
    value = rule["value"]
    wanted = [Fraction(one) for one in value] if isinstance(value, list) else Fraction(value)
    return scalar_holds(op, seen, wanted)


def is_stale(criteria: str, shop: Shop) -> bool:
    """Whether a good rule reads a segment that is invalid, or is stale itself."""
    return any(
        shop.segments[name].status == "invalid"
        or (shop.segments[name].status == "rule" and is_stale(shop.segments[name].criteria, shop))
        for name in named(json.loads(criteria))
    )


def named(rule: dict[str, Any]) -> list[str]:
    """The segments that a rule names."""
    if "segment" in rule:
        return [rule["segment"]]
    parts = rule.get("all") or rule.get("any") or ([rule["not"]] if "not" in rule else [])
    return [name for part in parts for name in named(part)]


def is_sampled(sample: dict[str, Any], customer: Customer, shop: Shop) -> bool:
    text = f"{sample['seed']}:{shop.domain}:{customer['shopify_customer_id']}"
    number = int(hashlib.md5(text.encode()).hexdigest()[:8], 16)
    return number < sample["percent"] * 2**32 / 100


def field_holds(rule: dict[str, Any], value: Any, shop: Shop, as_of: datetime) -> bool:
    op = rule["op"]
    if op == "is_set":
        return value is not None
    if op == "is_not_set":
        return value is None
    if value is None:
        return False
    if op in ("is_true", "is_false"):
        return value is (op == "is_true")
    if isinstance(value, datetime):
        return time_holds(rule, value, shop, as_of)
    return scalar_holds(op, fold(value), fold(rule["value"]))


def scalar_holds(op: str, seen: Any, wanted: Any) -> bool:
    match op:
        case "eq":
            return bool(seen == wanted)
        case "gt":
            return bool(seen > wanted)
        case "gte":
            return bool(seen >= wanted)
        case "lt":
            return bool(seen < wanted)
        case "lte":
            return bool(seen <= wanted)
        case "between":
            return bool(wanted[0] <= seen <= wanted[1])
        case "in":
            return seen in wanted
        case "contains":
            return wanted in seen
        case "starts_with":
            return bool(seen.startswith(wanted))
        case "ends_with":
            return bool(seen.endswith(wanted))
    raise AssertionError(op)


def fold(value: Any) -> Any:
    if isinstance(value, list):
        return [fold(item) for item in value]
    return value.lower() if isinstance(value, str) else value


def time_holds(rule: dict[str, Any], value: datetime, shop: Shop, as_of: datetime) -> bool:
    op = rule["op"]
    if op == "before":
        return value < moment(rule["value"], shop)
    if op == "after":
        return value > moment(rule["value"], shop)
    if op == "between":
        first, second = (moment(text, shop) for text in rule["value"])
        return first <= value < second
    count, unit = int(rule["value"]), rule["unit"]
    today = as_of.astimezone(shop.zone).date()
    if op == "anniversary_within_next":
        last = move(today, count, unit)
        born = value.astimezone(shop.zone).date()
        return any(
            today <= anniversary(born, year) <= last
            for year in range(max(born.year + 1, today.year), last.year + 1)
        )
    start = window_start(rule, shop, as_of)
    if unit == "hour":
        is_before_end = value <= as_of + timedelta(hours=count)
    else:
        is_before_end = value < midnight(move(today, count, unit) + timedelta(days=1), shop)
    match op:
        case "within_last":
            return start <= value <= as_of
        case "within_next":
            return as_of <= value and is_before_end
        case "more_than_ago":
            return value < start
    raise AssertionError(op)


def window_start(window: Mapping[str, Any], shop: Shop, as_of: datetime) -> datetime:
    """Where a window of so many hours, days, weeks or months up to as_of begins."""
    count, unit = int(window["value"]), window["unit"]
    if unit == "hour":
        return as_of - timedelta(hours=count)
    return midnight(move(as_of.astimezone(shop.zone).date(), -count, unit), shop)


def anniversary(born: date, year: int) -> date:
    return date(year, born.month, min(born.day, monthrange(year, born.month)[1]))


def move(day: date, count: int, unit: str) -> date:
    if unit == "month":
        months = day.year * 12 + day.month - 1 + count
        year, month = divmod(months, 12)
        return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
    return day + timedelta(days=count * (7 if unit == "week" else 1))


def midnight(day: date, shop: Shop) -> datetime:
    """The first instant of a local day, also where midnight comes twice or not at all."""
    return datetime.combine(day, time(), shop.zone).astimezone(UTC)


def moment(text: str, shop: Shop) -> datetime:
    """An instant; of a local time that comes twice the second, of a missing one as if before."""
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo:
        return parsed.astimezone(UTC)
    first, second = (parsed.replace(tzinfo=shop.zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    is_missing = first.astimezone(shop.zone).replace(tzinfo=None) != parsed
    return first if is_missing else second
