"""The program at work, day by day for a block of customers: points, tiers, redemptions, expiry.

A day begins with the nightly jobs (tiers, then expiry). Every debit of the day is covered by the
balance that it begins with, so that the order within a day can never make a balance negative.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from orchestration.sample import codes
from orchestration.sample.block import Block, Events, Purchases
from orchestration.sample.rows import Rows, Table
from orchestration.sample.seasons import DAY, Floats, Ints
from orchestration.sample.shops import Matrices
from orchestration.sample.tiers import Tiers, jitter, touched_by

_MINUTE = 60_000
UNPOSTED_DAYS = 60
"""For how long the expiry job has skipped the customers whom it skips."""


@dataclass(frozen=True)
class Outcome:
    """What the program did with a block.

    Attributes:
        entries: Ledger entries, unordered: customer, at, type, source, amount, purchase (or -1),
            campaign (a running campaign's row, or -1), redemption (from 0, or -1), creator.
        redemptions: customer, at, reward (a column of the shop's), points, status, purchase (the
            order it was used on, or -1).
        changes: Tier changes: customer, at, level, reason, points, spend (cents), orders, ends.
        participations: customer, campaign, at; and of each purchase its participation, or -1.
        level: The tier level that each customer ends with; 0 is none.
    """

    entries: Table
    redemptions: Table
    changes: Table
    participations: Table
    participation_of: Ints
    points: Ints
    level: Ints


class Program:
    """A block's program; `run` once."""

    def __init__(
        self,
        block: Block,
        shops: Matrices,
        purchases: Purchases,
        awards: Events,
        birthdays: Events,
        debits: Events,
        grants: tuple[Ints, Ints],
        rng: np.random.Generator,
    ) -> None:
        size, bought = len(block), len(purchases.customer)
        self._block, self._shops, self._rng, self._purchases = block, shops, rng, purchases
        self._awards, self._birthdays, self._debits = awards, birthdays, debits
        days = np.arange(shops.days + 1)
        self._bought_by = np.searchsorted(purchases.at // DAY, days)
        self._awarded_by = np.searchsorted(awards.at // DAY, days)
        self._born_by = np.searchsorted(birthdays.at // DAY, days)
        self._debited_by = np.searchsorted(debits.at // DAY, days)
        self._balance = np.zeros(size, dtype=np.int64)
        self._due = np.zeros(size, dtype=np.int64)
        self._debited = np.zeros(size, dtype=np.int64)
        self._tiers = Tiers(block, shops, purchases, grants)
        self._credited: list[tuple[Ints, Ints]] = []
        self._joined = np.full(size, -1)
        self._part = np.full(size, -1)
        self._points = np.zeros(bought, dtype=np.int64)
        self._used_campaign = np.full(bought, -1)
        self._participation_of = np.full(bought, -1)
        self._expiries = [int(d) for d in np.unique(shops.expire_days[block.shop]) if d]
        self._entries = Rows(
            customer=0, at=0, type=0, source=codes.MANUAL, amount=0, purchase=-1, campaign=-1,
            redemption=-1, creator=codes.BY_SYSTEM,
        )  # fmt: skip
        self._redemptions = Rows(customer=0, at=0, reward=0, points=0, status=0, purchase=-1)
        self._participations = Rows(customer=0, campaign=0, at=0)

    def run(self) -> Outcome:
        """Goes through all days."""
        self._entries.add(
            customer=self._awards.customer, at=self._awards.at, type=np.where(
                self._awards.source == codes.MANUAL, codes.ADJUSTED, codes.BONUS
            ),
            source=self._awards.source, amount=self._awards.value,
            purchase=self._awards.purchase,
        )  # fmt: skip
        for day in range(self._shops.days):
            if day:
                self._tiers.review(day)
                self._expire(day)
            self._trade(day)
        bought = self._purchases
        self._entries.add(
            customer=bought.customer, at=bought.at, type=codes.EARNED, source=codes.PURCHASE,
            amount=self._points, purchase=np.arange(len(bought.at)), campaign=self._used_campaign,
        )  # fmt: skip
        return Outcome(
            entries=self._entries.table(),
            redemptions=self._redemptions.table(),
            changes=self._tiers.changes.table(),
            participations=self._participations.table(),
            participation_of=self._participation_of,
            points=self._points,
            level=self._tiers.level,
        )

    def _expire(self, day: int) -> None:
        """Posts what is left of the credits that have come of age, first in first out."""
        touched = []
        for lifetime in self._expiries:
            born = day - 1 - lifetime
            if born < 0:
                continue
            who, amount = self._credited[born]
            due = self._shops.expire_days[self._block.shop[who]] == lifetime
            if day >= self._shops.days - UNPOSTED_DAYS:
                due &= ~self._block.unposted[who]
            np.add.at(self._due, who[due], amount[due])
            touched.append(who[due])
        who = touched_by(touched, len(self._balance))
        left = self._due[who] - self._debited[who]
        who, left = who[left > 0], left[left > 0]
        self._debit(who, left)
        self._entries.add(
            customer=who, at=expiry_time(self._block, who, day), type=codes.EXPIRED,
            source=codes.PURCHASE, amount=-left,
        )  # fmt: skip

    def _debit(self, who: Ints, amount: Ints) -> None:
        self._balance[who] -= amount
        self._debited[who] += amount

    def _trade(self, day: int) -> None:
        """A day's purchases with what they redeem and earn, and the day's other events."""
        bought = np.arange(self._bought_by[day], self._bought_by[day + 1])
        refunds = self._redeem(bought[_first(self._purchases.customer[bought])], day)
        self._take_back(slice(self._debited_by[day], self._debited_by[day + 1]))
        joiners, joined = self._earn(bought)
        born = slice(self._born_by[day], self._born_by[day + 1])
        celebrants = self._birthdays.customer[born]
        gifts = self._shops.birthday[self._block.shop[celebrants], self._tiers.level[celebrants]]
        given = gifts > 0
        celebrants, gifts = celebrants[given], gifts[given]
        self._entries.add(
            customer=celebrants, at=self._birthdays.at[born][given], type=codes.BONUS,
            source=codes.BIRTHDAY, amount=gifts,
        )  # fmt: skip
        known = slice(self._awarded_by[day], self._awarded_by[day + 1])
        source, value = self._awards.source[known], self._awards.value[known]
        counts = source != codes.MANUAL
        receivers = self._awards.customer[known]
        earned = (
            np.concatenate(
                [self._purchases.customer[bought], joiners, celebrants, receivers[counts]]
            ),
            np.concatenate([self._points[bought], joined, gifts, value[counts]]),
        )
        credited = (
            np.concatenate([earned[0], receivers[~counts], refunds[0]]),
            np.concatenate([earned[1], value[~counts], refunds[1]]),
        )
        self._tiers.earned.append(earned)
        self._credited.append(credited)
        np.add.at(self._balance, *credited)

    def _redeem(self, first: Ints, day: int) -> tuple[Ints, Ints]:
        """Lets buyers pay with points; returns who gets how many points back at once."""
        buyer, shop = self._purchases.customer[first], self._block.shop
        wants = self._rng.random(len(first)) < self._block.redeems[buyer]
        first, buyer = first[wants], buyer[wants]
        cost = self._shops.reward_points[shop[buyer]]
        within_reach = (cost <= self._balance[buyer, None]) & (
            self._shops.reward_level[shop[buyer]] <= np.maximum(self._tiers.level[buyer, None], 1)
        )
        liking = self._rng.random(cost.shape) * np.sqrt(np.where(within_reach, cost, 0))
        chosen, possible = liking.argmax(axis=1), within_reach.any(axis=1)
        first, buyer, chosen = first[possible], buyer[possible], chosen[possible]
        points = self._shops.reward_points[shop[buyer], chosen]
        paid = self._purchases.at[first]
        at = np.maximum(
            paid - self._rng.integers(4 * _MINUTE, 25 * _MINUTE, len(first)),
            day * DAY + 6 * _MINUTE,
        )
        at = np.maximum(at, self._block.created[buyer] + _MINUTE)
        luck, use = self._rng.random(len(first)), self._rng.random(len(first))
        status = np.full(len(first), codes.COMPLETED)
        status[luck < 0.030] = codes.CANCELLED
        status[luck < 0.015] = codes.FAILED
        fine = status == codes.COMPLETED
        used = fine & (use < 0.78)
        month_ago = (self._shops.days - 31) * DAY
        status[fine & (use > 0.92) & (at < month_ago)] = codes.LAPSED
        status[fine & (use > 0.92) & (at >= (self._shops.days - 3) * DAY)] = codes.PENDING
        number = np.arange(self._redemptions.count, self._redemptions.count + len(first))
        self._redemptions.add(
            customer=buyer, at=at, reward=chosen, points=points, status=status,
            purchase=np.where(used, first, -1),
        )  # fmt: skip
        self._entries.add(
            customer=buyer, at=at, type=codes.REDEEMED, source=codes.PURCHASE, amount=-points,
            redemption=number, creator=codes.BY_CUSTOMER,
        )  # fmt: skip
        self._debit(buyer, points)
        void = ~fine
        self._entries.add(
            customer=buyer[void], at=at[void] + _MINUTE + buyer[void] % _MINUTE,
            type=codes.REFUNDED, source=codes.PURCHASE, amount=points[void],
            redemption=number[void],
        )  # fmt: skip
        return buyer[void], points[void]

    def _take_back(self, of_day: slice) -> None:
        """Takes back the points of returned orders, and corrects; never more than there is."""
        chosen = np.unique(self._debits.customer[of_day], return_index=True)[1] + of_day.start
        who, purchase = self._debits.customer[chosen], self._debits.purchase[chosen]
        returned = purchase >= 0
        asked = -self._debits.value[chosen]
        asked[returned] = self._points[purchase[returned]]
        amount = np.minimum(asked, self._balance[who])
        some = amount > 0
        self._entries.add(
            customer=who[some], at=self._debits.at[chosen][some], amount=-amount[some],
            type=np.where(returned, codes.REFUNDED, codes.ADJUSTED)[some],
            source=self._debits.source[chosen][some], purchase=purchase[some],
            creator=np.where(returned, codes.BY_SYSTEM, codes.BY_ADMIN)[some],
        )  # fmt: skip
        self._debit(who[some], amount[some])

    def _earn(self, bought: Ints) -> tuple[Ints, Ints]:
        """Gives the purchases' points; returns who got a bonus for joining a campaign, and what."""
        buyer = self._purchases.customer[bought]
        shop, level = self._block.shop[buyer], self._tiers.level[buyer]
        campaign = self._purchases.campaign[bought]
        running = campaign >= 0
        counts = running & self._block.engaged[buyer]
        counts[running] &= level[running] >= self._shops.campaign_level[campaign[running]]
        multiplier = self._shops.multiplier[shop, level]
        multiplier[counts] *= self._shops.campaign_multiplier[campaign[counts]]
        exact: Floats = self._purchases.cents[bought] / 100 * self._shops.rate[shop] * multiplier
        self._points[bought] = np.maximum(1, np.floor(exact + 0.5))
        self._used_campaign[bought[counts]] = campaign[counts]
        return self._join(bought[counts])

    def _join(self, bought: Ints) -> tuple[Ints, Ints]:
        buyer, campaign = self._purchases.customer[bought], self._purchases.campaign[bought]
        new = bought[_first(buyer) & (self._joined[buyer] != campaign)]
        who, what = self._purchases.customer[new], self._purchases.campaign[new]
        self._joined[who] = what
        first = self._participations.count
        self._part[who] = np.arange(first, first + len(who))
        self._participations.add(customer=who, campaign=what, at=self._purchases.at[new])
        self._participation_of[bought] = self._part[buyer]
        bonus = self._shops.campaign_bonus[what]
        some = bonus > 0
        who, what, bonus = who[some], what[some], bonus[some]
        self._entries.add(
            customer=who, at=self._purchases.at[new][some] + 3_000, type=codes.BONUS,
            source=codes.CAMPAIGN, amount=bonus, campaign=what,
        )  # fmt: skip
        return who, bonus


def expiry_time(block: Block, who: Ints, day: Ints | int) -> Ints:
    """When the nightly expiry job comes to these customers on that day."""
    return day * DAY + 4 * _MINUTE + jitter(block, who)


def _first(customer: Ints) -> npt.NDArray[np.bool_]:
    """Which are their customer's first; equal customers are neighbours."""
    first: npt.NDArray[np.bool_] = np.diff(customer, prepend=-1) != 0
    return first
