"""Never backwards: a warehouse that knows less than the application takes nothing back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from activation_world import AS_OF, World, new_world, shared_world, world

__all__ = ["new_world", "shared_world", "world"]

LATER = AS_OF + timedelta(hours=5)


def restore(world: World) -> None:
    """The warehouse is as of AS_OF again, and has forgotten what it wrote afterwards."""
    world.marts.execute(
        "truncate ops.activations, ops.activation_runs, ops.activation_state,"
        " ops.activated_segments, ops.activated_analytics, ops.activation_approvals,"
        " marts.customer_segment_memberships, marts.analytics_rows"
    )
    world.marts.execute(
        "update marts.customer_segments set last_computed_at = %s, customer_count = 3", [AS_OF]
    )
    world.built(AS_OF)


@pytest.fixture
def activated_later(world: World) -> World:
    """A warehouse as of AS_OF whose later state was activated before it was restored."""
    world.shop(1)
    world.customers(1, range(1, 9))
    world.segment(10, 1, name="Gold", count=2)
    world.stays(10, 1, [1], added_at=AS_OF - timedelta(days=5))
    world.stays(10, 1, [2], added_at=AS_OF - timedelta(days=5), removed_at=LATER)
    world.stays(10, 1, [3], added_at=LATER)
    world.members(10, [1, 2], added_at=AS_OF - timedelta(days=5))
    world.marts.execute("update marts.customer_segments set last_computed_at = %s", [LATER])
    world.period(1, "2026-03-08", 50)
    world.campaign(5, 1, {"target_segments": ["Gold"]})
    world.built(LATER)
    assert world.activate().problems == []
    restore(world)
    world.stays(10, 1, [1, 2], added_at=AS_OF - timedelta(days=5))
    world.stays(10, 1, [4], added_at=AS_OF)
    world.period(1, "2026-03-08", 45)
    return world


@pytest.mark.parametrize("allow_large_changes", [False, True])
def test_a_restored_warehouse_takes_nothing_back_and_says_so(
    activated_later: World, allow_large_changes: bool
) -> None:
    world = activated_later
    before = world.versions()
    result = world.activate(allow_large_changes=allow_large_changes)
    assert world.versions() == before
    assert result.rows_written == 0
    assert result.segments[0].status == "held"
    assert LATER.isoformat() in str(result.segments[0].reason)
    assert "loyalty run" in str(result.segments[0].reason)
    assert [c.status for c in result.campaigns] == ["held"]
    assert (result.analytics.held, result.analytics.notes[0].period_on) == (1, "2026-03-08")
    assert len(result.problems) == 3
    # The next build is of the present: it goes on from there.
    world.built(LATER + timedelta(hours=1))
    assert world.activate().problems == []
    assert world.active(10) == {1, 2, 4}


def test_rows_that_the_application_changed_after_the_build_wait_for_the_next(
    world: World,
) -> None:
    world.shop(1)
    world.customers(1, range(1, 9))
    world.segment(10, 1, count=4)
    world.stays(10, 1, [1, 2, 3, 4])
    world.members(10, [5], added_at=LATER)
    world.members(10, [1], is_active=False, removed_at=LATER)
    world.members(10, [6], added_at=AS_OF)
    result = world.activate()
    assert world.active(10) == {2, 3, 4, 5}
    segment = result.segments[0]
    assert (segment.added, segment.removed, segment.skipped, segment.status) == (3, 1, 2, "done")
    assert "after this build" in str(segment.reason)
    world.built(LATER + timedelta(hours=1))
    assert world.activate().segments[0].rows == 2
    assert world.active(10) == {1, 2, 3, 4}


def test_times_to_come_protect_nothing(world: World) -> None:
    world.shop(1)
    world.customers(1, [1, 2])
    world.segment(10, 1, count=1)
    world.stays(10, 1, [1])
    never = datetime(2999, 1, 1, tzinfo=UTC)
    world.members(10, [2], added_at=never)
    world.application.execute("update customer_segments set last_computed_at = 'infinity'")
    world.period(1, "2026-03-08", 5)
    world.insert(
        "loyalty_analytics",
        shop_id=1,
        period_type="daily",
        date=datetime(2026, 3, 8, tzinfo=UTC),
        computed_at=never,
        total_revenue=4.5,
    )
    result = world.activate()
    assert result.problems == []
    assert world.active(10) == {1}
    assert world.rows("select last_computed_at from customer_segments") == [(AS_OF,)]
    assert world.rows("select total_revenue from loyalty_analytics") == [(Decimal("5.00"),)]


def test_one_shops_later_rows_hold_no_other_shop(world: World) -> None:
    for shop_id in (1, 2):
        world.shop(shop_id)
        world.customers(shop_id, [shop_id])
        world.segment(10 * shop_id, shop_id, count=1)
        world.stays(10 * shop_id, shop_id, [shop_id])
        world.period(shop_id, "2026-03-08", 5)
    world.application.execute(
        "update customer_segments set last_computed_at = %s where id = 10", [LATER]
    )
    result = world.activate()
    assert [s.status for s in result.segments] == ["held", "done"]
    assert (world.active(10), world.active(20)) == (set(), {2})
    assert result.analytics.added == 2


def test_a_segment_that_needs_nothing_is_not_held(world: World) -> None:
    world.shop(1)
    world.segment(10, 1, count=0)
    world.activate()
    world.application.execute("update customer_segments set last_computed_at = %s", [LATER])
    assert world.activate().problems == []
