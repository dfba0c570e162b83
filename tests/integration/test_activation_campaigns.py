"""Campaign audiences: who is meant, in which order, and which campaigns are left alone."""

from __future__ import annotations

import json
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


@pytest.fixture
def consented(shop: World) -> World:
    """1 gave both consents, 2 none, 3 has no address, 4 has left the program; 5 did not say."""
    shop.application.execute(
        "update customer_loyalty_profiles set email = 'x@example.com', phone = '+49 30 1',"
        " email_opt_in = id <> 2, sms_opt_in = id in (1, 5), is_active = case id when 4 then false"
        " when 1 then true end"
    )
    shop.application.execute("update customer_loyalty_profiles set email = '' where id = 3")
    shop.application.execute("update customer_loyalty_profiles set email_opt_in = null where id=5")
    for channel in ("email", "sms"):
        shop.contacts(channel, {n: f"address {n}" for n in range(1, 8)})
    return shop


@pytest.mark.parametrize(
    ("channel", "customers"),
    [("email", [1, 6]), ("sms", [1, 5]), (None, [1, 2, 3, 4, 5, 6])],
)
def test_a_channel_means_consent_and_an_address(
    consented: World, channel: str | None, customers: list[int]
) -> None:
    rules = {"channel": channel, "target_segments": ["Gold", "Silver"], "x": [1.0, 1e2, "é"]}
    text = json.dumps(rules).replace(",", " ,\t")
    consented.campaign(5, 1, text)
    [result] = consented.activate().campaigns
    assert audience(consented, 5) == (customers, False, text)
    assert (result.audience, result.unreachable) == (len(customers), 6 - len(customers))


def test_consent_is_what_the_profile_says_now(consented: World) -> None:
    consented.campaign(5, 1, {"target_segments": ["Gold"], "channel": "email"})
    consented.activate()
    assert audience(consented, 5)[0] == [1]
    consented.application.execute(
        "update customer_loyalty_profiles set email_opt_in = id = 2 where id in (1, 2)"
    )
    assert [c.status for c in consented.activate().campaigns] == ["written"]
    assert audience(consented, 5)[0] == [2]


def test_whom_the_contact_lists_leave_out_is_in_no_audience(consented: World) -> None:
    consented.application.execute(
        "update customer_loyalty_profiles set email_opt_in = true, email = 'x', is_active = true"
    )
    consented.marts.execute(
        "delete from intermediate.int_reachable_contacts"
        " where customer_id = 2 and channel = 'email'"
    )
    consented.marts.execute(
        "update intermediate.int_reachable_contacts set address_hash = 'shared'"
        " where customer_id in (3, 4)"
    )
    consented.campaign(5, 1, {"target_segments": ["Gold"], "channel": "email"})
    consented.campaign(6, 1, {"target_segments": ["Gold"]})
    result = consented.activate()
    assert audience(consented, 5)[0] == [1, 3]  # 4 shares the address of 3
    assert [c.unreachable for c in result.campaigns] == [2, 0]
    assert audience(consented, 6)[0] == [1, 2, 3, 4]


def test_places_go_to_those_who_can_be_reached(consented: World) -> None:
    consented.application.execute(
        "update customer_loyalty_profiles set email_opt_in = true, email = 'x', is_active = null"
        " where id in (1, 2, 3)"
    )
    consented.campaign(5, 1, {"target_segments": ["Gold"], "channel": "email"}, max_participants=2)
    [result] = consented.activate().campaigns
    assert audience(consented, 5)[0] == [1, 3]  # 4 came first, and cannot be reached
    assert (result.audience, result.unreachable, result.beyond_limit) == (2, 1, 1)


def test_the_limit_is_the_campaigns_own_as_it_is_now(shop: World) -> None:
    shop.campaign(5, 1, {"target_segments": ["Gold"]}, max_participants=1)
    shop.activate()
    shop.application.execute("update campaigns set max_participants = 2")
    shop.activate()
    assert audience(shop, 5)[0] == [3, 4]
    shop.application.execute("update campaigns set max_participants = -1")
    shop.activate()
    assert audience(shop, 5)[0] == []


@pytest.mark.parametrize("channel", ["push", "Email", "", ["email"], {"email": True}, 1, False])
def test_a_channel_that_nobody_knows_is_not_taken_for_consent(shop: World, channel: Any) -> None:
    shop.campaign(5, 1, {"target_segments": ["Gold"], "channel": channel})
    [result] = shop.activate().campaigns
    assert (result.status, audience(shop, 5)[0]) == ("skipped", None)
    assert "neither email nor sms" in str(result.reason)


def test_an_audience_that_only_looks_different_is_not_written(shop: World) -> None:
    shop.campaign(
        5,
        1,
        {"target_segments": ["Gold"]},
        target_customer_ids="[1,2,\n 3,4 ]",
        target_all_customers=False,
    )
    before = shop.versions()
    assert [c.status for c in shop.activate().campaigns] == ["unchanged"]
    assert shop.versions()["campaigns"] == before["campaigns"]
