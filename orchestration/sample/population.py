"""Who enrols where and when, how much each buys and how long each stays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from orchestration.sample import catalogue, seasons
from orchestration.sample.seasons import DAY, Floats, Ints
from orchestration.sample.shops import Habits

ROWS_PER_PURCHASE = 1.6
"""About how many transactions come of a purchase, itself included."""


@dataclass(frozen=True)
class Population:
    """All customers, shop by shop, in no order within a shop; instants are ms from the first day.

    Attributes:
        shop: The shop's number.
        customer_id: Serial in the order of enrolment.
        created: When they enrolled.
        leaves: When they buy no more; beyond the last day for those who stay.
        weight: Their share of all purchases, not normalised.
        taste: What their orders cost, as a factor (log).
        offsets: Per shop, its first customer's position, and the number of all at the end.
    """

    shop: Ints
    customer_id: Ints
    created: Ints
    leaves: Ints
    weight: Floats
    taste: Floats
    offsets: Ints

    def __len__(self) -> int:
        return len(self.shop)


def populate(
    launched: Ints, customers: int, first: date, days: int, rng: np.random.Generator
) -> Population:
    """Plans `customers` customers for the shops.

    Args:
        launched: Per shop, the day of its launch.
        customers: How many customers in all shops.
        first: The first day.
        days: How many days.
        rng: The source of chance.
    """
    sizes = _sizes(len(launched), customers, rng)
    shop = np.repeat(np.arange(len(launched)), sizes)
    created = _enrolments(launched, sizes, first, days, rng)
    stays = np.where(
        rng.random(customers) < 0.45,
        rng.exponential(240.0, customers),
        rng.exponential(2200.0, customers),
    )
    leaves = created + ((stays + 1.0) * DAY).astype(np.int64)
    habit = rng.gamma(0.62, 1.0, customers) + 0.02
    if customers > 20:
        habit[rng.random(customers) < 0.10] = 0.0
    exposure = (np.minimum(leaves, days * DAY) - created) / (365 * DAY)
    customer_id = np.empty(customers, dtype=np.int64)
    customer_id[np.argsort(created, kind="stable")] = np.arange(1, customers + 1)
    return Population(
        shop=shop,
        customer_id=customer_id,
        created=created,
        leaves=leaves,
        weight=habit * (exposure + 0.05),
        taste=rng.normal(0.0, 0.25, customers),
        offsets=np.concatenate([[0], np.cumsum(sizes)]),
    )


def habits(population: Population, transactions: int, days: int) -> list[Habits]:
    """What each shop's customers can be expected to spend and order in a tier's window."""
    total = population.weight.sum() or 1.0
    purchases = population.weight * (transactions / ROWS_PER_PURCHASE / total)
    active = (np.minimum(population.leaves, days * DAY) - population.created) / DAY
    found = []
    for shop in range(len(population.offsets) - 1):
        program = catalogue.program(shop)
        members = slice(population.offsets[shop], population.offsets[shop + 1])
        window = (365 if program.window is None else program.window) or days
        orders = purchases[members] * np.minimum(1.0, window / np.maximum(active[members], 1.0))
        value = program.order_value * np.exp(population.taste[members] + 0.1)
        found.append(Habits(spend=orders * value, orders=orders))
    return found


def _sizes(shops: int, customers: int, rng: np.random.Generator) -> Ints:
    """Customers per shop: a few large ones, many small ones, exactly `customers` together."""
    share = (1.0 + np.arange(shops)) ** -0.45 * rng.lognormal(0.0, 0.25, shops)
    exact = share / share.sum() * customers
    sizes: Ints = np.floor(exact).astype(np.int64)
    largest = np.argsort(sizes - exact, kind="stable")[: customers - int(sizes.sum())]
    sizes[largest] += 1
    return sizes


def _enrolments(
    launched: Ints, sizes: Ints, first: date, days: int, rng: np.random.Generator
) -> Ints:
    """Enrolment times: a wave at the launch, then growth, with the seasons of shopping."""
    demand = seasons.demand(first, days)
    last = days * DAY - 3_600_000
    parts = []
    for number, (launch, size) in enumerate(zip(launched.tolist(), sizes.tolist(), strict=True)):
        age = np.arange(days) - launch
        ahead = max(days - launch, 1)
        growth = 0.5 + 1.0 / (1.0 + np.exp(-6.0 * (age / ahead - 0.45)))
        pull = demand * (growth + 5.0 * np.exp(-np.maximum(age, 0) / 14.0)) * (age >= 0)
        pull *= rng.lognormal(0.0, 0.18, days)
        cumulated = np.cumsum(pull) / pull.sum()
        day = np.searchsorted(cumulated, rng.random(size), side="right").clip(0, days - 1)
        ahead_of_utc = seasons.clock_offsets(catalogue.timezone(number), first, days)[day]
        moment = (seasons.time_of_day(rng.random(size)) - ahead_of_utc) % DAY
        moment += rng.integers(0, 1000, size)
        parts.append(np.minimum(day * DAY + moment, last))
    return np.concatenate(parts)
