"""What the application must hold after an activation, computed row by row in plain Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Row:
    """A row of customer_segment_memberships; `row_id` is None for one that is yet to come."""

    row_id: int | None
    segment_id: int
    customer_id: int
    added_at: datetime | None
    removed_at: datetime | None
    is_active: bool | None
    reason: str | None
    data: Any


@dataclass(frozen=True)
class Stay:
    """A stay in the warehouse."""

    segment_id: int
    customer_id: int
    added_at: datetime
    removed_at: datetime | None
    reason: str | None
    data: Any


def memberships(
    rows: Iterable[Row],
    stays: Iterable[Stay],
    segments: Mapping[int, int],
    customers: Mapping[int, int],
    since: Mapping[int, datetime],
    as_of: datetime,
    now: datetime,
) -> set[Row]:
    """The application's rows afterwards.

    Args:
        rows: Its rows before.
        stays: The warehouse's stays.
        segments: Shops of the segments that are valid in the warehouse and still ours there.
        customers: Shops of the customers that the application has.
        since: As of when each segment was last written in full: ends before that were told then.
        as_of: As of when the warehouse was built.
        now: The application's time: a row of between as_of and now is not the warehouse's to judge.
    """

    def is_later(row: Row) -> bool:
        times = (row.added_at, row.removed_at)
        return any(as_of < time <= now for time in times if time is not None)

    open_stays = {(s.segment_id, s.customer_id): s for s in stays if s.removed_at is None}
    ends: dict[tuple[int, int], datetime] = {}
    for stay in stays:
        told = since.get(stay.segment_id)
        if stay.removed_at is not None and (told is None or stay.removed_at > told):
            key = (stay.segment_id, stay.customer_id)
            ends[key] = max(ends.get(key, stay.removed_at), stay.removed_at)
    after: set[Row] = set()
    groups: dict[tuple[int, int], list[Row]] = defaultdict(list)
    for row in rows:
        if row.segment_id in segments:
            groups[row.segment_id, row.customer_id].append(row)
        else:
            after.add(row)
    for key, group in groups.items():
        first, *others = sorted(group, key=lambda r: (r.is_active is False, r.row_id))
        segment_id, customer_id = key
        if is_later(first):
            after.add(first)
        elif key not in open_stays:
            after.add(_left(first, ends.get(key, as_of)))
        elif customers.get(customer_id) == segments[segment_id]:
            after.add(_member(first.row_id, open_stays[key]))
        else:
            after.add(_left(first, as_of))
        after |= {other if is_later(other) else _left(other, as_of) for other in others}
    for key, stay in open_stays.items():
        shop = segments.get(stay.segment_id)
        if key not in groups and shop is not None and customers.get(stay.customer_id) == shop:
            after.add(_member(None, stay))
    return after


def _member(row_id: int | None, stay: Stay) -> Row:
    return Row(
        row_id, stay.segment_id, stay.customer_id, stay.added_at, None, True, stay.reason, stay.data
    )


def _left(row: Row, when: datetime) -> Row:
    if row.is_active is False:
        return row
    moment = when if row.added_at is None else max(when, row.added_at)
    return replace(row, is_active=False, removed_at=moment)


@dataclass(frozen=True)
class Period:
    """A row of loyalty_analytics, by what tells it from others."""

    shop_id: int
    period_type: str
    moment: datetime
    revenue: Decimal | None


def analytics(
    rows: Iterable[Period],
    wanted: Mapping[tuple[int, str, date], Decimal | None],
    zones: Mapping[int, str],
    ours: set[tuple[int, str, datetime]],
) -> set[Period]:
    """The application's analytics afterwards, if nothing is held.

    Args:
        rows: Its rows before.
        wanted: The marts' revenue by shop, period type and local date.
        zones: The shops' time zones.
        ours: The rows, by their key, that earlier activations wrote.
    """
    before = {(row.shop_id, row.period_type, row.moment): row for row in rows}
    after = dict(before)
    for key in ours:
        if key[0] in zones:
            after.pop(key, None)
    for shop_id, kind, day in wanted:
        after.pop((shop_id, kind, datetime.combine(day, time(), ZoneInfo("UTC"))), None)
    for (shop_id, kind, day), revenue in wanted.items():
        moment = datetime.combine(day, time(), ZoneInfo(zones[shop_id])).astimezone(ZoneInfo("UTC"))
        utc = (shop_id, kind, datetime.combine(day, time(), ZoneInfo("UTC")))
        exact = (shop_id, kind, moment)
        if exact in before and utc in before and exact != utc and utc not in ours:
            after[utc] = before[utc]  # the application's double of a row that is right stays
        after[exact] = Period(shop_id, kind, moment, revenue)
    return set(after.values())
