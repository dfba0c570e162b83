"""What a condition that does not hold is short of, in words: "80 short", "2 days too early"."""

from __future__ import annotations

import math
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from orchestration.segments.criteria import Anniversary, EventCondition, FieldCondition, Node


@dataclass(frozen=True)
class Bounds:
    """The constants of one condition as the build resolved them, and the instant they stand for.

    Attributes:
        as_of: The instant.
        zone: The shop's time zone.
        moments: Its points in time.
        window_starts: Where its window begins.
        window_ends: The last instant of its window.
        window_days: The local date of that.
    """

    as_of: datetime
    zone: ZoneInfo
    moments: Sequence[datetime] = ()
    window_starts: Sequence[datetime] = ()
    window_ends: Sequence[datetime] = ()
    window_days: Sequence[date] = ()


def shortfall(condition: Node, seen: Any, bounds: Bounds) -> str:
    """Says how far a condition is from holding for a customer.

    Args:
        condition: The condition, which does not hold.
        seen: The value that it saw: a number, text, a boolean or an instant; None: not known.
        bounds: Its points in time.

    Returns:
        The words; none where there is no distance, and the value says it all.
    """
    op = condition.op if isinstance(condition, FieldCondition | EventCondition) else ""
    value = getattr(condition, "value", None)
    if isinstance(condition, Anniversary) and seen is not None:
        return _of_anniversary(seen, bounds)
    if isinstance(seen, datetime) and op in _OF_TIME:
        return _of_time(op, seen, bounds)
    if isinstance(seen, int | float | Decimal) and not isinstance(seen, bool):
        return of_number(op, Decimal(str(seen)), value)
    return ""


def of_number(op: str, seen: Decimal, value: Any) -> str:
    """Says how far a number is from what an operator asks for."""
    if op == "between":
        first, second = value
        return of_number("gte", seen, first) if seen < first else of_number("lte", seen, second)
    if op not in ("eq", "gt", "gte", "lt", "lte"):
        return ""
    apart = number(abs(seen - value))
    if seen == value:
        return f"exactly that, and {'more' if op == 'gt' else 'less'} is asked for"
    side = "short" if seen < value else "too many"
    return f"more than {apart} {side}" if op in ("gt", "lt") else f"{apart} {side}"


def number(value: Decimal | int | float) -> str:
    """A number as messages show it: without an exponent or needless zeros."""
    text = f"{Decimal(str(value)):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def value_in_words(value: Any, zone: ZoneInfo) -> str:
    """A value that a rule saw, as a line of text shows it; instants in the shop's time."""
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value.astimezone(zone):%Y-%m-%d %H:%M}"
    return number(value) if isinstance(value, int | float | Decimal) else str(value)


_OF_TIME = ("before", "after", "between", "within_last", "within_next", "more_than_ago")


def _of_time(op: str, seen: datetime, bounds: Bounds) -> str:
    first: datetime
    last: datetime
    match op:
        case "before":
            return _apart(bounds.moments[0], seen, "too late")
        case "after":
            return _apart(seen, bounds.moments[0], "too early")
        case "more_than_ago":
            return _apart(bounds.window_starts[0], seen, "too recent")
        case "between":
            first, last = bounds.moments
        case "within_last":
            first, last = bounds.window_starts[0], bounds.as_of
        case _:
            first, last = bounds.as_of, bounds.window_ends[0]
    return _apart(seen, first, "too early") if seen < first else _apart(last, seen, "too late")


def _of_anniversary(seen: datetime, bounds: Bounds) -> str:
    today, last = bounds.as_of.astimezone(bounds.zone).date(), bounds.window_days[0]
    born = seen.astimezone(bounds.zone).date()
    for year in range(max(born.year + 1, today.year), max(born.year, today.year) + 2):
        day = date(year, born.month, min(born.day, monthrange(year, born.month)[1]))
        if day > last:
            return f"the next is on {day.isoformat()}, {_count((day - last).days, 'day')} too late"
    return "there is none"


def _apart(earlier: datetime, later: datetime, how: str) -> str:
    """The time between two instants, rounded up, as in "2 days too early"."""
    between = later - earlier
    if not between:
        return f"just {how}"
    lengths = {"day": timedelta(days=1), "hour": timedelta(hours=1), "minute": timedelta(minutes=1)}
    unit = next((unit for unit, length in lengths.items() if between >= length), "minute")
    return f"{_count(math.ceil(between / lengths[unit]), unit)} {how}"


def _count(number: int, unit: str) -> str:
    return f"{number:,} {unit}{'' if number == 1 else 's'}"
