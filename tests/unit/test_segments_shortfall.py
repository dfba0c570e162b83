"""What is lacking, in words, at the edges of every kind of condition."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from orchestration.segments import load_catalogue, parse
from orchestration.segments.shortfall import Bounds, shortfall, value_in_words

NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def words(seen: Any, **condition: Any) -> str:
    """What a condition is short of; its window is of 30 days, its moment is now."""
    rule = parse(json.dumps(condition), load_catalogue())
    assert rule is not None
    bounds = Bounds(
        as_of=NOW,
        zone=NEW_YORK,
        moments=(NOW, NOW + DAY),
        window_starts=(NOW - 30 * DAY,),
        window_ends=(NOW + 30 * DAY,),
        window_days=(date(2026, 4, 9),),
    )
    return shortfall(rule, seen, bounds)


@pytest.mark.parametrize(
    ("seen", "op", "value", "said"),
    [
        (420, "gte", 500, "80 short"),
        (420, "gt", 500, "more than 80 short"),
        (500, "gt", 500, "exactly that, and more is asked for"),
        (580, "lte", 500, "80 too many"),
        (500, "lt", 500, "exactly that, and less is asked for"),
        (1, "eq", 3, "2 short"),
        (10, "between", [20, 30], "10 short"),
        (35, "between", [20, 30], "5 too many"),
        (0, "gte", 1_500_000, "1,500,000 short"),
        (5, "in", [1, 2], ""),
        (5, "neq", 5, ""),
    ],
)
def test_a_number_says_how_far_it_is(seen: int, op: str, value: Any, said: str) -> None:
    assert words(Decimal(seen), field="points_balance", op=op, value=value) == said


def test_decimals_are_shown_as_they_are() -> None:
    said = words(Decimal("499.50"), field="lifetime_spent", op="gte", value=500)
    assert said == "0.5 short"


@pytest.mark.parametrize(
    ("seen", "op", "said"),
    [
        (NOW - 32 * DAY, "within_last", "2 days too early"),
        (NOW - 30 * DAY - timedelta(minutes=90), "within_last", "2 hours too early"),
        (NOW - 30 * DAY - timedelta(microseconds=1), "within_last", "1 minute too early"),
        (NOW + DAY, "within_last", "1 day too late"),
        (NOW - 3 * DAY, "within_next", "3 days too early"),
        (NOW + 35 * DAY, "within_next", "5 days too late"),
        (NOW - 20 * DAY, "more_than_ago", "10 days too recent"),
        (NOW - 20 * DAY, "not_within_last", ""),
    ],
)
def test_a_time_says_how_far_it_is_from_the_window(seen: datetime, op: str, said: str) -> None:
    assert words(seen, field="last_order_at", op=op, value=30, unit="day") == said


@pytest.mark.parametrize(
    ("seen", "op", "value", "said"),
    [
        (NOW + 2 * DAY, "before", "2026-03-10", "2 days too late"),
        (NOW, "before", "2026-03-10", "just too late"),
        (NOW - DAY, "after", "2026-03-10", "1 day too early"),
        (NOW - 2 * DAY, "between", ["2026-03-10", "2026-03-11"], "2 days too early"),
        (NOW + 3 * DAY, "between", ["2026-03-10", "2026-03-11"], "2 days too late"),
    ],
)
def test_a_time_says_how_far_it_is_from_a_moment(
    seen: datetime, op: str, value: Any, said: str
) -> None:
    assert words(seen, field="created_at", op=op, value=value) == said


@pytest.mark.parametrize(
    ("born", "said"),
    [
        (datetime(1990, 5, 1, 12, tzinfo=UTC), "the next is on 2026-05-01, 22 days too late"),
        (datetime(1990, 3, 1, 12, tzinfo=UTC), "the next is on 2027-03-01, 326 days too late"),
        (datetime(1992, 2, 29, 12, tzinfo=UTC), "the next is on 2027-02-28, 325 days too late"),
        (datetime(2026, 3, 9, 12, tzinfo=UTC), "the next is on 2027-03-09, 334 days too late"),
        # The local date counts: it is still the ninth there.
        (datetime(1990, 4, 10, 3, tzinfo=UTC), "the next is on 2027-04-09, 365 days too late"),
    ],
)
def test_an_anniversary_says_when_it_is(born: datetime, said: str) -> None:
    assert words(born, field="birthday", op="anniversary_within_next", value=30, unit="day") == said


def test_what_the_value_says_itself_needs_no_words() -> None:
    assert words("Silver", field="tier_name", op="eq", value="Gold") == ""
    assert words(None, field="points_balance", op="gte", value=5) == ""
    assert words(False, field="is_vip", op="is_true") == ""


def test_values_are_shown_as_people_read_them() -> None:
    shown = [value_in_words(v, NEW_YORK) for v in (None, True, Decimal("1500.50"), "Gold", NOW)]
    assert shown == ["not known", "yes", "1,500.5", "Gold", "2026-03-10 08:00"]
