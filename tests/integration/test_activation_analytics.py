"""loyalty_analytics in the application: whose row is whose, what is held, what does not fit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from activation_world import AS_OF, World, new_world, shared_world, world

__all__ = ["new_world", "shared_world", "world"]

BERLIN_9_MARCH = datetime(2026, 3, 8, 23, tzinfo=UTC)


def existing(world: World, date: datetime, revenue: int | None, **values: object) -> None:
    common = {"period_type": "daily", "computed_at": AS_OF - timedelta(hours=1), **values}
    world.insert("loyalty_analytics", shop_id=1, date=date, total_revenue=revenue, **common)


def dates(world: World) -> list[tuple[object, ...]]:
    return world.rows("select date, total_revenue from loyalty_analytics order by date")


def test_every_column_is_written_at_the_periods_first_local_midnight(world: World) -> None:
    world.shop(1, timezone="Europe/Berlin")
    world.period(
        1,
        "2026-03-09",
        Decimal("12.5"),
        loyalty_revenue=7,
        total_customers=9,
        points_expired=3,
        tier_distributions='{"2": 1, "1": 5}',
    )
    assert world.activate().analytics.added == 1
    assert world.rows(
        "select date, period_type, total_customers, points_expired, total_revenue,"
        " loyalty_revenue, tier_distributions, tier_upgrades, computed_at from loyalty_analytics"
    ) == [
        (
            BERLIN_9_MARCH,
            "daily",
            9,
            3,
            Decimal("12.50"),
            Decimal("7.00"),
            {"1": 5, "2": 1},
            None,
            AS_OF,
        )
    ]


def test_a_row_at_utc_midnight_is_adopted(world: World) -> None:
    world.shop(1, timezone="Europe/Berlin")
    world.period(1, "2026-03-09", 105)
    existing(world, datetime(2026, 3, 9, tzinfo=UTC), 100)
    [(row_id,)] = world.rows("select id from loyalty_analytics")
    assert world.activate().analytics.updated == 1
    assert world.rows("select id, date, total_revenue from loyalty_analytics") == [
        (row_id, BERLIN_9_MARCH, Decimal("105.00"))
    ]


def test_rows_follow_their_shop_into_another_time_zone(world: World) -> None:
    world.shop(1, timezone="Europe/Berlin")
    for day in ("2026-03-07", "2026-03-08", "2026-03-09"):
        world.period(1, day, 10)
    existing(world, datetime(2026, 1, 1, 5, tzinfo=UTC), 1)  # the application's own
    world.activate()
    world.marts.execute("update marts.dim_shops set timezone = 'America/New_York'")
    world.marts.execute("delete from marts.analytics_rows where date = '2026-03-07'")
    world.marts.execute("update marts.analytics_rows set total_revenue = 11")

    result = world.activate()
    assert (result.analytics.updated, result.analytics.removed, result.analytics.held) == (2, 0, 1)
    assert "deleted" in result.analytics.notes[0].reason
    assert world.activate(allow_large_changes=True).analytics.removed == 1
    assert dates(world) == [
        (datetime(2026, 1, 1, 5, tzinfo=UTC), Decimal("1.00")),
        (datetime(2026, 3, 8, 5, tzinfo=UTC), Decimal("11.00")),
        (datetime(2026, 3, 9, 4, tzinfo=UTC), Decimal("11.00")),
    ]
    before = world.versions()
    assert world.activate().rows_written == 0
    assert world.versions() == before
    assert world.marts.execute("select count(*) from ops.activated_analytics").fetchone() == (2,)


def test_a_zone_a_whole_day_away_moves_rows_onto_each_others_places(world: World) -> None:
    world.shop(1, timezone="Pacific/Pago_Pago")  # UTC-11, and Apia is UTC+13
    days = ("2026-03-07", "2026-03-08", "2026-03-09")
    for day in days:
        world.period(1, day, 10)
    world.activate()
    world.marts.execute("update marts.dim_shops set timezone = 'Pacific/Apia'")
    result = world.activate(allow_large_changes=True)
    assert result.problems == []
    assert dates(world) == [
        (datetime(2026, 3, day, 11, tzinfo=UTC), Decimal("10.00")) for day in (6, 7, 8)
    ]
    assert world.activate().rows_written == 0


def test_a_closed_period_is_held_until_it_is_allowed(world: World) -> None:
    world.shop(1)
    world.period(1, "2026-03-08", 125)
    world.period(1, "2026-03-09", 119)
    existing(world, datetime(2026, 3, 8, tzinfo=UTC), 100)
    existing(world, datetime(2026, 3, 9, tzinfo=UTC), 100)
    result = world.activate()
    assert (result.analytics.held, result.analytics.updated) == (1, 1)
    assert "from 100.00 to 125.00" in result.problems[0]
    assert [revenue for _, revenue in dates(world)] == [Decimal("100.00"), Decimal("119.00")]
    assert world.activate(allow_large_changes=True).problems == []
    assert [revenue for _, revenue in dates(world)] == [Decimal("125.00"), Decimal("119.00")]


def test_a_period_that_was_open_when_it_was_computed_may_grow(world: World) -> None:
    world.shop(1)
    world.period(1, "2026-03-09", 500)
    world.period(1, "2026-03-10", 900, is_complete=False)
    for day in (9, 10):
        noon = datetime(2026, 3, day, 12, tzinfo=UTC)
        existing(world, datetime(2026, 3, day, tzinfo=UTC), 100, computed_at=noon)
    assert (world.activate().analytics.held, len(dates(world))) == (0, 2)
    assert [revenue for _, revenue in dates(world)] == [Decimal("500.00"), Decimal("900.00")]


def test_a_value_that_does_not_fit_is_skipped_and_named(world: World) -> None:
    world.shop(1)
    world.period(1, "2026-03-07", Decimal("10000000000"))
    world.period(1, "2026-03-08", Decimal("9999999999.99"), points_earned=2**31 - 1)
    world.period(1, "2026-03-09", 1, points_redeemed=-(2**31) - 1)
    result = world.activate()
    assert (result.analytics.added, result.analytics.skipped) == (1, 2)
    assert [note.period_on for note in result.analytics.notes] == ["2026-03-07", "2026-03-09"]
    assert result.problems == []


def test_the_time_is_written_only_beside_another_value(world: World) -> None:
    world.shop(1)
    world.period(1, "2026-03-08", 1, tier_distributions='{"1":2}')
    world.period(1, "2026-03-09", 1)
    world.activate()
    world.built(AS_OF + timedelta(days=1))
    world.marts.execute(
        "update marts.analytics_rows set points_earned = 5 where date = '2026-03-09'"
    )
    assert world.activate().analytics.updated == 1
    assert world.rows("select computed_at from loyalty_analytics order by date") == [
        (AS_OF,),
        (AS_OF + timedelta(days=1),),
    ]


def test_a_shop_that_has_gone_is_skipped(world: World) -> None:
    world.shop(1)
    world.period(1, "2026-03-08", 1)
    world.application.execute("delete from shops")
    result = world.activate()
    assert (result.analytics.added, result.analytics.skipped, result.problems) == (0, 1, [])
