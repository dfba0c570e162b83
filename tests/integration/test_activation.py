"""What activation writes to memberships and counters, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest
from activation_world import (
    AS_OF,
    World,
    in_background,
    locked,
    new_world,
    shared_world,
    wait_until_blocked,
    world,
)

from orchestration.activation import steps
from orchestration.activation.pace import Pace
from orchestration.errors import LoyaltyError

__all__ = ["new_world", "shared_world", "world"]


def counters(world: World, segment_id: int) -> tuple[object, ...]:
    return world.rows(
        "select customer_count, avg_lifetime_value, avg_points_balance, last_computed_at"
        " from customer_segments where id = %s",
        segment_id,
    )[0]


def test_members_are_inserted_with_every_column(world: World) -> None:
    world.shop(1)
    world.customers(1, [1, 2])
    world.segment(10, 1, count=2)
    world.stays(10, 1, [1, 2], reason="r" * 300)
    result = world.activate()
    assert (result.segments[0].added, result.problems) == (2, [])
    assert world.rows(
        "select customer_id, added_at, removed_at, is_active, qualification_reason,"
        " qualification_data::text from customer_segment_memberships order by customer_id"
    ) == [
        (1, AS_OF, None, True, "r" * 200, '{"points": 1}'),
        (2, AS_OF, None, True, "r" * 200, '{"points": 2}'),
    ]


def test_a_second_run_writes_no_row_and_is_recorded(world: World) -> None:
    world.shop(1, timezone="Europe/Berlin")
    world.customers(1, range(1, 30))
    world.segment(10, 1, name="Gold", count=29, avg_lifetime_value=Decimal("12.345"))
    world.stays(10, 1, range(1, 30))
    world.put(
        "marts.analytics_rows",
        shop_id=1,
        period_type="daily",
        date="2026-03-09",
        is_complete=True,
        total_revenue=10,
        tier_distributions='{"2":1,"1":5}',
    )
    rules = '{"target_segments":  ["Gold"], "note": "kept"}'
    world.campaign(5, 1, rules)
    assert world.activate().rows_written == 29 + 1 + 1 + 1
    before = world.versions()
    result = world.activate()
    assert world.versions() == before
    assert result.rows_written == 0
    assert (result.segments[0].unchanged, result.analytics.unchanged) == (29, 1)
    assert world.marts.execute(
        "select run_id, added, removed, unchanged, held, skipped, failed"
        " from ops.activation_runs order by run_id"
    ).fetchall() == [(1, 29, 0, 0, 0, 0, 0), (2, 0, 0, 29, 0, 0, 0)]
    assert world.marts.execute("select status from ops.activations").fetchall() == [("done",)] * 2


def test_whoever_left_is_deactivated_at_the_time_they_left(world: World) -> None:
    world.shop(1)
    world.customers(1, [1, 2, 3])
    world.segment(10, 1)
    left = AS_OF - timedelta(days=3)
    world.stays(10, 1, [1], added_at=AS_OF - timedelta(days=9), removed_at=left)
    world.stays(10, 1, [3])
    world.members(10, [1, 2], added_at=AS_OF - timedelta(days=9), qualification_reason="kept")
    result = world.activate()
    assert (result.segments[0].added, result.segments[0].removed) == (1, 2)
    assert world.rows(
        "select customer_id, removed_at, qualification_reason from customer_segment_memberships"
        " where not is_active order by 1"
    ) == [(1, left, "kept"), (2, AS_OF, "kept")]


def test_whoever_comes_back_takes_up_the_old_row(world: World) -> None:
    world.shop(1)
    world.customers(1, [1])
    world.segment(10, 1)
    world.stays(10, 1, [1])
    world.members(
        10,
        [1],
        is_active=False,
        added_at=AS_OF - timedelta(days=9),
        removed_at=AS_OF - timedelta(days=5),
    )
    assert world.activate().segments[0].added == 1
    assert world.rows(
        "select added_at, removed_at, is_active, qualification_reason"
        " from customer_segment_memberships"
    ) == [(AS_OF, None, True, "points over 100")]


def test_counters_are_written_and_their_time_only_beside_them(world: World) -> None:
    world.shop(1)
    world.segment(
        10, 1, count=4, avg_lifetime_value=Decimal("99.99"), avg_points_balance=Decimal("2.5")
    )
    assert world.activate().segments[0].counters_written
    assert counters(world, 10) == (4, Decimal("99.99"), 3, AS_OF)
    later = AS_OF + timedelta(days=1)
    world.marts.execute("update marts.customer_segments set last_computed_at = %s", [later])
    world.built(later)
    assert not world.activate().segments[0].counters_written
    assert counters(world, 10)[3] == AS_OF


def test_a_counter_that_does_not_fit_is_skipped_and_named(world: World) -> None:
    world.shop(1)
    world.segment(10, 1, count=4, avg_lifetime_value=Decimal("10000000000"))
    world.segment(11, 1, count=1)
    result = world.activate()
    assert counters(world, 10)[0] is None
    assert counters(world, 11)[0] == 1
    assert "too large" in (result.segments[0].reason or "")


@pytest.mark.parametrize("status", ["manual", "invalid", "stale", "inactive"])
def test_segments_that_are_not_valid_are_left_as_they_were(world: World, status: str) -> None:
    world.shop(1)
    world.customers(1, [1, 2])
    world.segment(10, 1, status=status, count=7)
    world.stays(10, 1, [2])
    world.members(10, [1])
    before = world.versions()
    result = world.activate()
    assert world.versions() == before
    assert (list(result.segments), result.left_alone) == ([], {status: 1})


def test_a_segment_made_manual_since_the_sync_is_left_alone(world: World) -> None:
    world.shop(1)
    world.customers(1, [1, 2])
    world.segment(10, 1, count=1)
    world.stays(10, 1, [2])
    world.members(10, [1])
    world.rows("update customer_segments set auto_update = false returning id")
    before = world.versions()
    result = world.activate()
    assert world.versions() == before
    assert (result.segments[0].skipped, result.problems) == (1, [])


def test_rows_whose_customer_or_segment_has_gone_are_skipped(world: World) -> None:
    world.shop(1)
    world.shop(2)
    world.customers(1, [1])
    world.customers(2, [7])
    world.segment(10, 1)
    world.segment(11, 1, in_application=False)
    world.stays(10, 1, [1, 2, 7])  # 2 is gone, 7 is another shop's
    world.stays(11, 1, [1])
    result = world.activate()
    assert [(s.added, s.skipped, s.failed) for s in result.segments] == [(1, 2, 0), (0, 1, 0)]
    assert world.rows("select segment_id, customer_id from customer_segment_memberships") == [
        (10, 1)
    ]
    assert result.problems == []


def test_a_customer_of_another_shop_is_no_member_whatever_row_there_is(world: World) -> None:
    world.shop(1)
    world.shop(2)
    world.customers(1, [1, 2])
    world.customers(2, [7, 8, 9])
    world.segment(10, 1)
    world.stays(10, 1, [1, 2, 7, 8, 9])
    world.members(10, [2, 7], is_active=False)
    world.members(10, [8], qualification_reason="of old")
    [segment] = world.activate().segments
    assert world.active(10) == {1, 2}
    assert (segment.added, segment.removed, segment.skipped, segment.unchanged) == (2, 1, 2, 0)
    before = world.versions()
    world.activate()
    assert world.versions() == before


def test_a_customer_who_moves_to_another_shop_while_the_run_is_under_way_is_skipped(
    world: World,
) -> None:
    world.shop(1)
    world.shop(2)
    world.customers(1, [1, 2])
    world.segment(10, 1)
    world.stays(10, 1, [1, 2])
    world.members(10, [1], is_active=False)
    lock = "select pg_advisory_xact_lock(hashtextextended('loyalty.activation/public/1', 0))"
    with (
        locked(world, lock) as other,
        in_background(world) as running,
    ):
        wait_until_blocked(world)
        world.application.execute("update customer_loyalty_profiles set shop_id = 2")
        other.rollback()
        [segment] = running.result().segments
    assert (segment.added, segment.skipped, world.active(10)) == (0, 2, set())


def test_doubles_of_a_database_without_the_constraint_are_reduced_to_one(
    new_world: Callable[..., World],
) -> None:
    world = new_world()
    world.application.execute(
        "alter table customer_segment_memberships drop constraint"
        " customer_segment_memberships_segment_id_customer_id_key"
    )
    world.shop(1)
    world.customers(1, [1, 2])
    world.segment(10, 1)
    world.stays(10, 1, [1])
    world.members(10, [1], is_active=False)
    world.members(10, [1, 1, 2, 2])
    world.activate()
    assert world.rows("select customer_id from customer_segment_memberships where is_active") == [
        (1,)
    ]
    before = world.versions()
    world.activate()
    assert world.versions() == before


def test_an_activation_never_goes_back(world: World) -> None:
    world.shop(1)
    world.activate()
    world.built(AS_OF - timedelta(seconds=1))
    before = world.versions()
    with pytest.raises(LoyaltyError, match="never goes back"):
        world.activate()
    assert world.versions() == before


def test_only_the_segment_or_shop_that_was_asked_for_is_written(world: World) -> None:
    for shop_id in (1, 2):
        world.shop(shop_id)
        world.customers(shop_id, [shop_id])
        world.segment(10 * shop_id, shop_id, name="Gold")
        world.segment(10 * shop_id + 1, shop_id, name="Silver")
        world.stays(10 * shop_id, shop_id, [shop_id])
        world.stays(10 * shop_id + 1, shop_id, [shop_id])
    world.activate(segment="Gold", shop="shop-2.myshopify.com")
    assert [len(world.active(s)) for s in (10, 11, 20, 21)] == [0, 0, 1, 0]
    world.activate(segment="Gold")
    assert [len(world.active(s)) for s in (10, 11, 20, 21)] == [1, 0, 1, 0]
    world.activate(shop="shop-2.myshopify.com")
    assert [len(world.active(s)) for s in (10, 11, 20, 21)] == [1, 0, 1, 1]


@pytest.mark.parametrize(
    ("options", "hint"),
    [({"segment": "Glod"}, "Gold"), ({"shop": "shop-1.myshopify.co"}, "shop-1.myshopify.com")],
)
def test_an_unknown_name_is_answered_with_the_nearest(
    world: World, options: dict[str, str], hint: str
) -> None:
    world.shop(1)
    world.segment(10, 1, name="Gold")
    with pytest.raises(LoyaltyError, match="knows no") as error:
        world.activate(**options)
    assert hint in error.value.remedy


def test_a_rate_cuts_the_rows_into_transactions_of_a_second_each(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(steps, "Pace", partial(Pace, sleep=pauses.append, clock=lambda: 0.0))
    world.shop(1)
    world.customers(1, range(1, 101))
    world.segment(10, 1)
    world.stays(10, 1, range(1, 101))
    assert world.activate(max_rows_per_second=30).segments[0].added == 100
    assert sorted(
        rows
        for (rows,) in world.rows(
            "select count(*) from customer_segment_memberships group by xmin::text"
        )
    ) == [10, 30, 30, 30]
    # In a time that stands still: 30 rows each take a second, and the counters wait for the ten.
    assert pauses == pytest.approx([1, 2, 3, 3 + 1 / 3])


def test_a_schema_with_an_unusual_name_is_written_to(new_world: Callable[..., World]) -> None:
    world = new_world(schema='Shop "main"')
    world.shop(1)
    world.customers(1, [1])
    world.segment(10, 1)
    world.stays(10, 1, [1])
    assert world.activate().segments[0].added == 1


def test_a_warehouse_that_was_not_built_says_so(world: World) -> None:
    world.marts.execute("truncate ops.model_watermarks")
    with pytest.raises(LoyaltyError, match="has not been built"):
        world.activate()


@pytest.mark.parametrize("major", [15, 16])
def test_older_servers_are_written_to_alike(
    new_database_on: Callable[[int], str], major: int
) -> None:
    world = World(lambda: new_database_on(major))
    world.shop(1, timezone="Europe/Berlin")
    world.customers(1, [1, 2])
    world.segment(10, 1, name="Gold", count=1)
    world.stays(10, 1, [1])
    world.members(10, [2])
    world.period(1, "2026-03-09", 5, tier_distributions='{"1": 2}')
    world.campaign(5, 1, {"target_segments": ["Gold"]})
    assert world.activate().rows_written == 5
    assert world.activate().rows_written == 0
    world.close()
