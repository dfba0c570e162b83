"""A block of customers simulated so that it has the number of transactions asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from orchestration.sample import behaviour, codes, referrals
from orchestration.sample.behaviour import Calendar
from orchestration.sample.block import Block, Purchases, joined
from orchestration.sample.program import Outcome, Program
from orchestration.sample.referrals import Invitations, Referrals
from orchestration.sample.rows import Table
from orchestration.sample.seasons import DAY, Ints
from orchestration.sample.shops import Matrices

_SPONTANEOUS = 0.35
"""The largest share of a block's transactions that may come without a purchase."""

_ATTEMPTS = 10


@dataclass(frozen=True)
class Life:
    """All that happened to a block; `entries` are its transactions, unordered."""

    purchases: Purchases
    invitations: Invitations
    referrals: Referrals
    outcome: Outcome
    entries: Table


@dataclass(frozen=True)
class Simulator:
    """Simulates one block at any scale; the same scale gives the same life.

    Attributes:
        block: The customers.
        shops: Their shops' settings.
        calendar: Their shops' days.
        seed: The source of the block's chances.
    """

    block: Block
    shops: Matrices
    calendar: Calendar
    invitations: Invitations
    seed: np.random.SeedSequence

    def fill(self, wanted: int, scale: float, *, exactly: bool) -> tuple[Life, float]:
        """Simulates the block with `wanted` transactions.

        How many transactions follow from a purchase shows only in the simulation, so it is repeated
        at other scales until the number is right: nearly, or with `exactly` a little below, the
        rest being goodwill adjustments of the last month.

        Args:
            wanted: How many transactions.
            scale: Purchases per weight to begin with.
            exactly: Whether no deviation is allowed.

        Returns:
            The life, and the purchases per weight that it took.
        """
        below: tuple[Life, float] | None = None
        goal = wanted * (1 - _slack(wanted) / 2) if exactly else float(wanted)
        for _ in range(_ATTEMPTS if wanted else 0):
            life = self._live(scale, wanted)
            count = len(life.entries)
            if not exactly and abs(count - wanted) <= 0.02 * wanted:
                return life, scale
            if exactly and count <= wanted:
                if below is None or count > len(below[0].entries):
                    below = life, scale
                if count >= wanted * (1 - _slack(wanted)):
                    break
            scale *= min(max(goal / max(count, 1), 0.2), 5.0)
        if below is None:
            below = self._live(0.0, wanted), scale
        life, scale = below
        missing = wanted - len(life.entries)
        return (self._with_goodwill(life, missing) if missing and exactly else life), scale

    def _live(self, scale: float, wanted: int) -> Life:
        block, shops = self.block, self.shops
        chances = (np.random.default_rng(child) for child in self._children(5))
        purchases = behaviour.buy(
            block, shops, self.calendar, int(block.shop[0]), scale, next(chances)
        )
        awards, birthdays, debits = behaviour.follow_ups(
            block, shops, self.calendar, purchases, int(wanted * _SPONTANEOUS), next(chances)
        )
        came = referrals.refer(block, shops, purchases, self.invitations, next(chances))
        outcome = Program(
            block,
            shops,
            purchases,
            joined([awards, came.awards]).by_day(),
            birthdays,
            debits,
            self._grants(next(chances)),
            next(chances),
        ).run()
        return Life(purchases, self.invitations, came, outcome, outcome.entries)

    def _grants(self, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Whom merchants raise by hand, and on which day, in the order of days."""
        who = np.flatnonzero(rng.random(len(self.block)) < 0.004)
        since = self.block.created[who] // DAY + 3
        day = since + np.floor(
            rng.random(len(who)) * np.maximum(self.shops.days - since, 1)
        ).astype(np.int64)
        order = np.argsort(day, kind="stable")
        return who[order], day[order]

    def _with_goodwill(self, life: Life, missing: int) -> Life:
        """Adds small credits of the last month, which change nothing that came before."""
        rng = np.random.default_rng(self._children(6)[5])
        end = self.shops.days * DAY
        who = rng.integers(0, len(self.block), missing)
        since = np.maximum(self.block.created[who] + 60_000, end - 30 * DAY)
        at = since + (rng.random(missing) * (end - 1000 - since)).astype(np.int64)
        amount = np.round(rng.integers(1, 6, missing) * 10 * self.shops.rate[self.block.shop[who]])
        added = {
            "customer": who, "at": at, "type": codes.ADJUSTED, "source": codes.MANUAL,
            "amount": amount.astype(np.int64), "purchase": -1, "campaign": -1, "redemption": -1,
            "creator": codes.BY_ADMIN,
        }  # fmt: skip
        entries = Table(
            {
                name: np.concatenate([column, np.broadcast_to(added[name], (missing,))])
                for name, column in life.entries.columns.items()
            }
        )
        return Life(life.purchases, life.invitations, life.referrals, life.outcome, entries)

    def _children(self, count: int) -> list[np.random.SeedSequence]:
        """The same children at every call: `spawn` counts its calls, so it is given a copy."""
        copy = np.random.SeedSequence(self.seed.entropy, spawn_key=self.seed.spawn_key)
        return copy.spawn(count)


def _slack(wanted: int) -> float:
    """The share of goodwill that so many transactions may need: less when they are many."""
    return min(0.05, max(0.004, 2.0 / math.sqrt(max(wanted, 1))))
