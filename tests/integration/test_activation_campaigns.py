"""Campaign audiences: who is meant, in which order, and which campaigns are left alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from activation_world import AS_OF, World, new_world, shared_world, world

__all__ = ["new_world", "shared_world", "world"]


@pytest.fixture
def shop(world: World) -> World:
    """A shop with the segments Gold (1-4, who came in the order 4, 3, 1, 2) and Silver (3-6)."""
    world.shop(1)
    world.customers(1, range(1, 8))
    world.segment(10, 1, name="Gold")
    world.segment(11, 1, name="Silver", status="manual")
    for days, customer in enumerate((2, 1, 3, 4)):
        world.stays(10, 1, [customer], added_at=AS_OF - timedelta(days=days))
    world.stays(11, 1, [3, 4, 5, 6])
    world.stays(11, 1, [7], added_at=AS_OF - timedelta(days=9), removed_at=AS_OF)
    return world


def audience(world: World, campaign_id: int) -> tuple[Any, ...]:
    return world.rows(
        "select target_customer_ids, target_all_customers, rules::text from campaigns"
        " where id = %s",
        campaign_id,
    )[0]


def test_an_audience_is_the_members_of_all_segments_that_the_rules_name(shop: World) -> None:
    rules = '{"target_segments":["Silver",  "Gold"], "colour":"email"}'
    shop.campaign(5, 1, rules, target_all_customers=True)
    result = shop.activate()
    assert [(c.status, c.audience) for c in result.campaigns] == [("written", 6)]
    assert audience(shop, 5) == ([1, 2, 3, 4, 5, 6], False, rules)
    assert [c.status for c in shop.activate().campaigns] == ["unchanged"]


def test_the_longest_standing_members_come_first_where_places_are_few(shop: World) -> None:
    shop.campaign(5, 1, {"target_segments": ["Gold"]}, max_participants=3)
    shop.campaign(6, 1, {"target_segments": ["Gold", "Silver"]}, max_participants=5)
    shop.activate()
    assert audience(shop, 5)[0] == [1, 3, 4]
    # 2, 5 and 6 came at the same time: the lowest id takes the last place.
    assert audience(shop, 6)[0] == [1, 2, 3, 4, 5]


def test_customers_who_have_gone_are_left_out(shop: World) -> None:
    shop.campaign(5, 1, {"target_segments": ["Gold"]})
    shop.application.execute("delete from customer_loyalty_profiles where id = 3")
    shop.activate()
    assert audience(shop, 5)[0] == [1, 2, 4]


def test_a_segment_without_members_means_nobody(shop: World) -> None:
    shop.segment(12, 1, name="Empty")
    shop.campaign(5, 1, {"target_segments": ["Empty"]}, target_customer_ids="[1]")
    shop.activate()
    assert audience(shop, 5)[:2] == ([], False)


@pytest.mark.parametrize("status", ["paused", "completed", "cancelled", None, "archived"])
def test_campaigns_that_are_not_draft_or_active_are_left_alone(
    shop: World, status: str | None
) -> None:
    shop.campaign(5, 1, {"target_segments": ["Gold"]}, status=status)
    assert list(shop.activate().campaigns) == []
    assert audience(shop, 5)[:2] == (None, None)


def test_a_campaign_that_changed_since_the_sync_waits(shop: World) -> None:
    shop.campaign(5, 1, {"target_segments": ["Gold"]}, status="draft")
    shop.campaign(6, 1, {"target_segments": ["Gold"]})
    shop.application.execute("update campaigns set status = 'paused' where id = 5")
    shop.application.execute("update campaigns set rules = '{}' where id = 6")
    assert [c.status for c in shop.activate().campaigns] == ["skipped", "skipped"]
    assert audience(shop, 5)[0] is None
    assert audience(shop, 6)[0] is None


def test_a_campaign_with_rules_that_cannot_be_followed_hurts_nobody_else(shop: World) -> None:
    shop.campaign(4, 1, '{"target_segments": ["a\\u0000", "\\ud800"]}')
    shop.campaign(5, 1, {"target_segments": "Gold"})
    shop.campaign(6, 1, {"target_segments": ["Gold"]})
    result = shop.activate()
    assert [c.status for c in result.campaigns] == ["skipped", "skipped", "written"]
    assert result.problems == []


def test_the_audience_of_a_held_segment_is_held_with_it(shop: World) -> None:
    shop.customers(1, range(100, 400))
    shop.members(10, range(100, 300))
    shop.campaign(5, 1, {"target_segments": ["Gold", "Silver"]})
    shop.campaign(6, 1, {"target_segments": ["Silver"]})
    result = shop.activate()
    assert [c.status for c in result.campaigns] == ["held", "written"]
    assert audience(shop, 5)[0] is None
    assert [c.status for c in shop.activate(allow_large_changes=True).campaigns] == [
        "written",
        "unchanged",
    ]


def test_one_segments_run_leaves_audiences_alone_that_other_segments_are_part_of(
    shop: World,
) -> None:
    shop.customers(1, range(100, 400))
    shop.segment(12, 1, name="Bronze")
    shop.stays(12, 1, range(100, 400))
    shop.members(12, [100])
    shop.campaign(5, 1, {"target_segments": ["Gold", "Bronze"]})
    shop.campaign(6, 1, {"target_segments": ["Gold"]})
    assert shop.activate(dry_run=True).problems  # Bronze is held, and campaign 5 with it
    result = shop.activate(segment="Gold")
    assert [(c.campaign_id, c.status) for c in result.campaigns] == [(5, "skipped"), (6, "written")]
    assert "without --segment" in str(result.campaigns[0].reason)
    assert audience(shop, 5)[0] is None
