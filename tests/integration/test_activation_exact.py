"""Random applications and warehouses: after an activation every row is what the oracle says."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from activation_world import AS_OF, World, new_world, shared_world, world
from oracles.activation import Period, Row, Stay, analytics, memberships

__all__ = ["new_world", "shared_world", "world"]

NOW = datetime.now(UTC)
SHOPS = (1, 2, 3)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia")
STATUSES = ("valid", "valid", "valid", "manual", "invalid", "inactive")
KINDS = ("daily", "weekly", "monthly")
DAYS = [date(2026, 3, 1) + timedelta(days=n) for n in range(9)]


@pytest.fixture(scope="module")
def loose_world(shared_world: World) -> World:
    """A world in which the application never declared what is unique."""
    shared_world.application.execute(
        "alter table customer_segment_memberships drop constraint if exists"
        " customer_segment_memberships_segment_id_customer_id_key"
    )
    return shared_world


def moment(rng: random.Random, as_of: datetime) -> datetime:
    """Before the build mostly, sometimes after it, seldom in a future that nobody has seen."""
    if rng.random() < 0.15:
        return as_of + timedelta(hours=rng.randrange(1, 24))
    if rng.random() < 0.1:
        return datetime(2999, 1, 1, tzinfo=UTC)
    return as_of - timedelta(hours=rng.randrange(1, 500))


def fill(world: World, rng: random.Random) -> None:
    for shop_id in SHOPS:
        world.shop(shop_id, timezone=rng.choice(ZONES))
        world.customers(shop_id, range(100 * shop_id, 100 * shop_id + 12))
        for segment_id in range(10 * shop_id, 10 * shop_id + 5):
            world.segment(
                segment_id, shop_id, status=rng.choice(STATUSES), in_application=rng.random() < 0.9
            )


def shake(world: World, rng: random.Random, as_of: datetime) -> None:
    """Changes a little of everything, on both sides."""
    segments = {s for (s,) in world.rows("select id from customer_segments")}
    customers = {c for (c,) in world.rows("select id from customer_loyalty_profiles")}
    for shop_id in SHOPS:
        for segment_id in range(10 * shop_id, 10 * shop_id + 5):
            for customer_id in range(100 * shop_id, 100 * shop_id + 13):
                if rng.random() < 0.3:
                    move(world, rng, as_of, segment_id, shop_id, customer_id)
                if rng.random() < 0.15 and segment_id in segments and customer_id in customers:
                    world.members(
                        segment_id,
                        [customer_id] * rng.choice((1, 1, 2)),
                        added_at=rng.choice((None, moment(rng, as_of))),
                        is_active=rng.choice((True, True, False, None)),
                        removed_at=rng.choice((None, None, moment(rng, as_of))),
                        qualification_data=rng.choice((None, '{"points":1}', "[]")),
                    )
    if customers:
        world.rows(
            "delete from customer_loyalty_profiles where id = %s returning id",
            rng.choice(sorted(customers)),
        )
    world.rows(
        "update customer_segments set auto_update = false where id = %s returning id",
        rng.choice(sorted(segments)),
    )
    world.rows(
        "update customer_loyalty_profiles set shop_id = %s where id = any(%s) returning id",
        rng.choice(SHOPS),
        rng.choices(sorted(customers), k=2),
    )


def move(
    world: World,
    rng: random.Random,
    as_of: datetime,
    segment_id: int,
    shop_id: int,
    customer_id: int,
) -> None:
    """Closes the customer's stay, or opens one."""
    closed = world.marts.execute(
        "update marts.customer_segment_memberships set removed_at = %s, is_active = false"
        " where segment_id = %s and customer_id = %s and is_active returning 1",
        [as_of, segment_id, customer_id],
    ).fetchone()
    if closed is None:
        reason = rng.choice((None, "tab\tand\nline \\ and 'quote'", "points over 100"))
        world.stays(segment_id, shop_id, [customer_id], added_at=as_of, reason=reason)


def rows(world: World) -> list[Row]:
    return [
        Row(*values)
        for values in world.rows(
            "select id, segment_id, customer_id, added_at, removed_at, is_active,"
            " qualification_reason, qualification_data::text from customer_segment_memberships"
        )
    ]


def stays(world: World) -> list[Stay]:
    return [
        Stay(*values)
        for values in world.marts.execute(
            "select segment_id, customer_id, added_at, removed_at, qualification_reason,"
            " qualification_data::text from marts.customer_segment_memberships"
        )
    ]


def ours(world: World) -> dict[int, int]:
    valid = world.marts.execute(
        "select segment_id from marts.customer_segments where rule_status = 'valid'"
    ).fetchall()
    return dict(
        world.rows(
            "select id, shop_id from customer_segments where coalesce(auto_update, true)"
            " and coalesce(is_active, true) and id = any(%s)",
            [segment_id for (segment_id,) in valid],
        )
    )


@pytest.mark.parametrize("seed", range(3))
def test_memberships_are_exact(loose_world: World, seed: int) -> None:
    world, rng = loose_world, random.Random(seed)
    world.clear()
    fill(world, rng)
    for step in range(3):
        as_of = AS_OF + timedelta(days=step)
        shake(world, rng, as_of)
        world.built(as_of)
        before = rows(world)
        known = {row.row_id for row in before}
        customers = dict(world.rows("select id, shop_id from customer_loyalty_profiles"))
        since = dict(world.marts.execute("select * from ops.activated_segments").fetchall())
        expected = memberships(before, stays(world), ours(world), customers, since, as_of, NOW)
        world.activate(allow_large_changes=True)
        assert {strip(row, known) for row in rows(world)} == expected
        versions = world.versions()
        world.activate()
        assert world.versions() == versions


def strip(row: Row, known: set[Any]) -> Row:
    """A new row's id is the application's to choose."""
    return row if row.row_id in known else Row(None, *list(vars(row).values())[1:])


@pytest.mark.parametrize("seed", range(3))
def test_analytics_are_exact(world: World, seed: int) -> None:
    rng = random.Random(seed)
    fill(world, rng)
    written: set[tuple[int, str, datetime]] = set()
    for step in range(3):
        world.built(AS_OF + timedelta(days=step))
        zones = {shop_id: rng.choice(ZONES) for shop_id in SHOPS}
        world.marts.execute("delete from marts.analytics_rows")
        wanted: dict[tuple[int, str, date], Decimal | None] = {}
        for shop_id, zone in zones.items():
            world.marts.execute(
                "update marts.dim_shops set timezone = %s where shop_id = %s", [zone, shop_id]
            )
            first = rng.randrange(3)
            for kind in KINDS:
                for day in DAYS[first:]:
                    revenue = rng.choice((None, Decimal("1.50"), Decimal("20.00")))
                    wanted[shop_id, kind, day] = revenue
                    world.period(shop_id, str(day), revenue, period_type=kind)
        scatter(world, rng)
        before = periods(world)
        expected = analytics(before, wanted, zones, written)
        world.activate(allow_large_changes=True)
        assert periods(world) == expected
        assert world.activate().rows_written == 0
        written = set(
            world.marts.execute(
                "select shop_id, period_type, date from ops.activated_analytics"
            ).fetchall()
        )


def scatter(world: World, rng: random.Random) -> None:
    """The application's own rows, mostly at midnights in UTC."""
    for _ in range(12):
        day = rng.choice(DAYS)
        world.rows(
            "insert into loyalty_analytics (shop_id, date, period_type, total_revenue)"
            " values (%s, %s, %s, 5) on conflict do nothing returning id",
            rng.choice(SHOPS),
            datetime(day.year, day.month, day.day, rng.choice((0, 0, 0, 3)), tzinfo=UTC),
            rng.choice(KINDS),
        )


def periods(world: World) -> set[Period]:
    return {
        Period(*values)
        for values in world.rows(
            "select shop_id, period_type, date, total_revenue from loyalty_analytics"
        )
    }
