"""The nightly review of tiers: who is raised, renewed, lowered, or raised by hand."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from orchestration.sample import codes
from orchestration.sample.block import Block, Purchases
from orchestration.sample.cells import NONE
from orchestration.sample.rows import Rows
from orchestration.sample.seasons import DAY, Ints
from orchestration.sample.shops import LEVELS, Matrices

_MINUTE = 60_000
_NEVER = int(np.iinfo(np.int64).max)


class Tiers:
    """A block's tiers, day by day.

    Attributes:
        level: Each customer's tier level; 0 is none.
        earned: Per day, who got how many points that count; whoever gives them appends them.
        changes: The tier changes so far.
    """

    def __init__(
        self, block: Block, shops: Matrices, purchases: Purchases, grants: tuple[Ints, Ints]
    ) -> None:
        self._block, self._shops, self._purchases, self._grants = block, shops, purchases, grants
        days = np.arange(shops.days + 1)
        self._bought_by = np.searchsorted(purchases.at // DAY, days)
        self._granted_by = np.searchsorted(grants[1], days)
        self._windows = [int(w) for w in np.unique(shops.window[block.shop]) if w]
        self._windowed = [np.zeros(len(block), dtype=np.int64) for _ in range(3)]
        self._ends = np.full(len(block), _NEVER)
        self.level = shops.base_level[block.shop]
        self.earned: list[tuple[Ints, Ints]] = []
        self.changes = Rows(
            customer=0, at=0, level=0, reason=0, points=0, spend=0, orders=0, ends=NONE
        )
        based = np.flatnonzero(self.level > 0)
        self.changes.add(
            customer=based, at=block.created[based], level=self.level[based],
            reason=codes.QUALIFICATION,
        )  # fmt: skip

    def review(self, day: int) -> None:
        """Moves the windows on by a day, then grants, raises, renews and lowers tiers."""
        shop, yesterday = self._block.shop, day - 1
        points, spend, orders = self._windowed
        bought = slice(self._bought_by[yesterday], self._bought_by[day])
        buyers = self._purchases.customer[bought]
        np.add.at(points, *self.earned[yesterday])
        np.add.at(spend, buyers, self._purchases.cents[bought])
        np.add.at(orders, buyers, 1)
        touched = [self.earned[yesterday][0], buyers, np.flatnonzero(self._ends <= day)]
        for window in self._windows:
            gone = yesterday - window
            if gone < 0:
                continue
            earners, earned = self.earned[gone]
            of_window = self._shops.window[shop[earners]] == window
            np.subtract.at(points, earners[of_window], earned[of_window])
            past = np.arange(self._bought_by[gone], self._bought_by[gone + 1])
            past = past[self._shops.window[shop[self._purchases.customer[past]]] == window]
            np.subtract.at(spend, self._purchases.customer[past], self._purchases.cents[past])
            np.subtract.at(orders, self._purchases.customer[past], 1)
        self._grant(day)
        who = touched_by(touched, len(shop))
        if not len(who):
            return
        met = (
            (points[who, None] >= self._shops.min_points[shop[who]])
            & (spend[who, None] >= self._shops.min_spend[shop[who]])
            & (orders[who, None] >= self._shops.min_orders[shop[who]])
        )
        eligible = np.where(met.any(axis=1), LEVELS - met[:, ::-1].argmax(axis=1), 0)
        raised, ended = eligible > self.level[who], self._ends[who] <= day
        moved = raised | ended
        who, eligible = who[moved], eligible[moved]
        lowered = eligible < self.level[who]
        reason = np.where(lowered, codes.DOWNGRADE, codes.QUALIFICATION)
        self._change(who, day, eligible, reason)

    def _grant(self, day: int) -> None:
        """Raises by one level whom the merchant chose."""
        who = self._grants[0][self._granted_by[day] : self._granted_by[day + 1]]
        higher = np.minimum(self.level[who] + 1, LEVELS)
        possible = (
            (higher > self.level[who])
            & (self._shops.tier_id[self._block.shop[who], higher] > 0)
            & (self._block.created[who] < (day - 1) * DAY)
        )
        self._change(who[possible], day, higher[possible], codes.GRANTED)

    def _change(self, who: Ints, day: int, level: Ints, reason: Ints | int) -> None:
        kept = self._shops.maintenance[self._block.shop[who], level]
        self.level[who] = level
        self._ends[who] = np.where(kept > 0, day + kept, _NEVER)
        at = day * DAY + 2 * _MINUTE + jitter(self._block, who)
        points, spend, orders = (measure[who] for measure in self._windowed)
        granted = 1000 if np.isscalar(reason) else 0
        self.changes.add(
            customer=who, at=at - granted, level=level, reason=reason, points=points, spend=spend,
            orders=orders, ends=np.where(kept > 0, at + kept * DAY, NONE),
        )  # fmt: skip


def jitter(block: Block, who: Ints) -> Ints:
    """When in its minute a nightly job comes to these customers, in milliseconds."""
    return block.customer_id[who] * 7919 % _MINUTE


def touched_by(parts: Iterable[Ints], size: int) -> Ints:
    """The customers that occur in any of the parts, once each."""
    mask = np.zeros(size, dtype=bool)
    for part in parts:
        mask[part] = True
    return np.flatnonzero(mask)
