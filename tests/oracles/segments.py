"""The rule language in plain Python, written from its specification: what SQL must agree with.

It reads the rule's JSON itself and shares no code with the package. Rules are taken to be valid.
"""

from __future__ import annotations

import hashlib
import json
from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

NEGATIONS = {"neq": "eq", "not_in": "in", "not_within_last": "within_last"}


@dataclass(frozen=True)
class Shop:
    domain: str
    timezone: str

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


Customer = Mapping[str, Any]
"""Field values by name, `shopify_customer_id` among them; times are in UTC."""


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
    op, value = rule["op"], customer[rule["field"]]
    if op in NEGATIONS:
        return not field_holds({**rule, "op": NEGATIONS[op]}, value, shop, as_of)
    return field_holds(rule, value, shop, as_of)


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
    wanted = fold(rule["value"])
    seen = fold(value)
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
    if unit == "hour":
        start, end = as_of - timedelta(hours=count), as_of + timedelta(hours=count)
        is_before_end = value <= end
    else:
        start = midnight(move(today, -count, unit), shop)
        is_before_end = value < midnight(move(today, count, unit) + timedelta(days=1), shop)
    match op:
        case "within_last":
            return start <= value <= as_of
        case "within_next":
            return as_of <= value and is_before_end
        case "more_than_ago":
            return value < start
    raise AssertionError(op)


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
