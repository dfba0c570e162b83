"""Which changes are too large to be written unasked: pure decisions, no database."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

LARGE_SHARE = Decimal("0.5")
"""The share of a segment's active rows that may come or go unasked."""
LARGE_COUNT = 100
"""The number of a segment's rows that may always come or go unasked."""
EMPTYING_COUNT = 20
"""A segment of this size is not emptied unasked."""
REVENUE_SHARE = Decimal("0.2")
"""The share of a closed period's revenue that may change unasked."""


@dataclass(frozen=True)
class Approval:
    """What was let through for one segment, and may not be written completely yet."""

    added: int = 0
    removed: int = 0


@dataclass(frozen=True)
class MembershipChange:
    """What would become of one segment: active rows in the application now, coming and going."""

    active: int
    added: int
    removed: int

    def beyond(self, approved: Approval) -> MembershipChange:
        """What of it is new, where an earlier change was let through and maybe not completed."""
        return MembershipChange(
            active=self.active,
            added=max(0, self.added - approved.added),
            removed=max(0, self.removed - approved.removed),
        )


@dataclass(frozen=True)
class RevenueChange:
    """What would become of one period's revenue; `new` is None where the row would be deleted."""

    old: Decimal | None
    new: Decimal | None
    was_closed: bool
    """Whether the period had ended already when the old figure was computed."""


def hold_membership(change: MembershipChange) -> str | None:
    """Says in words why a segment's change is held, or None where it may go on.

    A segment without active rows in the application takes its first members unasked.
    """
    limit = max(LARGE_SHARE * change.active, Decimal(LARGE_COUNT))
    emptied = change.removed == change.active and change.added == 0
    if emptied and change.active >= EMPTYING_COUNT:
        return f"it would lose all of its {change.active:,} members"
    if change.removed > limit:
        return f"it would lose {change.removed:,} of its {change.active:,} members"
    if change.active and change.added > limit:
        return f"it would gain {change.added:,} members beside its {change.active:,}"
    return None


def hold_revenue(change: RevenueChange) -> str | None:
    """Says in words why a period's row is held, or None where it may go on.

    Only a figure computed after the period had ended is held on to: one of an open period grows
    by nature. Where the application has no revenue yet there is nothing to lose.
    """
    if not change.was_closed or not change.old:
        return None
    if change.new is None:
        return f"its revenue of {change.old} would be deleted"
    if abs(change.new - change.old) > REVENUE_SHARE * abs(change.old):
        return f"its revenue would change from {change.old} to {change.new}"
    return None
