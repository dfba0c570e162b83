"""The customers that are simulated together, and the forms in which what they do is kept."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from orchestration.sample.irregularities import DECLARED
from orchestration.sample.population import Population
from orchestration.sample.seasons import DAY, Floats, Ints


@dataclass(frozen=True)
class Block:
    """Customers that are simulated together, and their dispositions.

    Attributes:
        index_in_shop: Tells a shop's customers apart in order numbers.
        redeems: The chance that a purchase is paid with points when there are enough.
        engaged: Whether they join campaigns.
        unposted: Whether the expiry job has skipped them of late.
        born: Birthdays as days since 1970; those who keep theirs to themselves have one, too.
        birthday_known: Whether the program knows it.
    """

    shop: Ints
    customer_id: Ints
    created: Ints
    leaves: Ints
    weight: Floats
    taste: Floats
    index_in_shop: Ints
    redeems: Floats
    engaged: npt.NDArray[np.bool_]
    unposted: npt.NDArray[np.bool_]
    born: Ints
    birthday_known: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.shop)


def block_of(population: Population, members: slice, rng: np.random.Generator) -> Block:
    """The block of the customers at these positions."""
    shop = population.shop[members]
    size = len(shop)
    adults = (
        np.datetime64("1948-01-01", "D").astype(int),
        np.datetime64("2007-01-01", "D").astype(int),
    )
    return Block(
        shop=shop,
        customer_id=population.customer_id[members],
        created=population.created[members],
        leaves=population.leaves[members],
        weight=population.weight[members],
        taste=population.taste[members],
        index_in_shop=np.arange(members.start, members.stop) - population.offsets[shop],
        redeems=np.where(rng.random(size) < 0.32, 0.0, rng.beta(1.3, 2.6, size)),
        engaged=rng.random(size) < 0.75,
        unposted=rng.random(size) < DECLARED.unposted_expiry,
        born=rng.integers(*adults, size),
        birthday_known=rng.random(size) < 0.6,
    )


@dataclass(frozen=True)
class Purchases:
    """Orders, by (day, customer, time); `campaign` is a row of the running campaigns, or -1."""

    customer: Ints
    at: Ints
    cents: Ints
    campaign: Ints
    order: Ints


@dataclass(frozen=True)
class Events:
    """What else happens, by day; `value` is points, and `purchase` the one it is about, or -1."""

    customer: Ints
    at: Ints
    source: Ints
    value: Ints
    purchase: Ints

    def taken(self, which: Ints | npt.NDArray[np.bool_]) -> Events:
        """Only these, in this order."""
        return Events(**{field.name: getattr(self, field.name)[which] for field in fields(self)})

    def by_day(self) -> Events:
        """The same, ordered by day."""
        return self.taken(np.argsort(self.at // DAY, kind="stable"))


def joined(parts: list[Events]) -> Events:
    """All of these events, one part after another."""
    return Events(
        **{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Events)}
    )
