"""Which changes are held: the limits themselves, from both sides."""

from __future__ import annotations

from decimal import Decimal

import pytest

from orchestration.activation.brakes import (
    Approval,
    MembershipChange,
    RevenueChange,
    hold_membership,
    hold_revenue,
)


@pytest.mark.parametrize(
    ("active", "added", "removed", "held"),
    [
        (0, 100_000, 0, False),  # the first members of a segment
        (0, 0, 0, False),
        (300, 0, 150, False),  # half, not more
        (300, 0, 151, True),
        (150, 0, 100, False),  # over half, but not over a hundred
        (150, 0, 101, True),
        (300, 150, 0, False),
        (300, 151, 0, True),
        (10, 100, 0, False),
        (10, 101, 0, True),
        (19, 0, 19, False),
        (20, 0, 20, True),
        (20, 1, 20, False),  # replaced, not emptied
        (20, 0, 19, False),
        (1_000, 400, 400, False),
    ],
)
def test_a_segment_is_held_beyond_half_and_a_hundred_or_when_twenty_would_go(
    active: int, added: int, removed: int, held: bool
) -> None:
    change = MembershipChange(active=active, added=added, removed=removed)
    assert (hold_membership(change) is not None) is held


@pytest.mark.parametrize(
    ("active", "added", "removed", "approved", "held"),
    [
        (160, 240, 0, (400, 0), False),  # the rest of a first write that was killed
        (160, 240, 0, (0, 0), True),
        (160, 700, 0, (400, 0), True),  # and much that nobody approved
        (160, 480, 0, (400, 0), False),
        (100, 0, 100, (0, 500), False),  # the rest of emptying it
        (100, 0, 100, (100, 0), True),
    ],
)
def test_what_is_left_of_an_approved_change_is_not_judged_again(
    active: int, added: int, removed: int, approved: tuple[int, int], held: bool
) -> None:
    change = MembershipChange(active=active, added=added, removed=removed)
    beyond = change.beyond(Approval(*approved))
    assert (hold_membership(beyond) is not None) is held


def test_the_reason_says_how_many_of_how_many() -> None:
    change = MembershipChange(active=2_000, added=0, removed=1_500)
    assert hold_membership(change) == "it would lose 1,500 of its 2,000 members"


@pytest.mark.parametrize(
    ("old", "new", "was_closed", "held"),
    [
        ("100", "120", True, False),
        ("100", "120.01", True, True),
        ("100", "80", True, False),
        ("100", "79.99", True, True),
        ("100", "500", False, False),  # an open period grows
        ("0", "500", True, False),  # the application had no revenue to lose
        (None, "500", True, False),
        ("-100", "-130", True, True),
        ("100", None, True, True),  # the row would go
        ("0", None, True, False),
    ],
)
def test_a_closed_periods_revenue_is_held_beyond_a_fifth(
    old: str | None, new: str | None, was_closed: bool, held: bool
) -> None:
    change = RevenueChange(
        old=None if old is None else Decimal(old),
        new=None if new is None else Decimal(new),
        was_closed=was_closed,
    )
    assert (hold_revenue(change) is not None) is held
