"""What a block of customers does by itself: purchases, and the events that follow from them.

Nothing here depends on points; what does is in `ledger`.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import numpy.typing as npt

from orchestration.sample import codes, seasons
from orchestration.sample.block import Block, Events, Purchases, joined
from orchestration.sample.seasons import DAY, Floats, Ints
from orchestration.sample.shops import Matrices, Shop

_MINUTE = 60_000
_OPENING = 10 * _MINUTE
"""Customers do nothing in the first ten minutes of a UTC day, when the nightly jobs run."""


class Calendar:
    """The days of a block's shops: how strong demand is, and what their clocks show."""

    def __init__(self, shops: list[Shop], first: date, days: int) -> None:
        self.first = first
        base = seasons.demand(first, days)
        self.pull = np.empty((len(shops), days))
        self.offset = np.empty((len(shops), days), dtype=np.int64)
        for row, shop in enumerate(shops):
            self.pull[row] = base
            for campaign in shop.campaigns:
                if campaign.is_running:
                    uplift = 1.0 + 0.45 * campaign.multiplier
                    self.pull[row, max(campaign.starts, 0) : max(campaign.ends, 0)] *= uplift
            self.offset[row] = seasons.clock_offsets(shop.timezone, first, days)


def buy(
    block: Block,
    shops: Matrices,
    calendar: Calendar,
    first_shop: int,
    scale: float,
    rng: np.random.Generator,
) -> Purchases:
    """Draws the block's purchases: `scale` times its weights, in number.

    Each customer buys more or less at random between enrolling and leaving, as demand pulls; many
    enrol with an order.
    """
    counts = np.floor(block.weight * scale + rng.random(len(block))).astype(np.int64)
    customer = np.repeat(np.arange(len(block)), counts)
    nth = np.arange(len(customer)) - np.repeat(np.cumsum(counts) - counts, counts)
    row = block.shop[customer] - first_shop
    days, end = shops.days, shops.days * DAY
    cumulated = np.concatenate(
        [np.zeros((len(calendar.pull), 1)), np.cumsum(calendar.pull, axis=1)], axis=1
    )
    ceiling = cumulated[:, -1].max() + 1.0
    flat = (cumulated + np.arange(len(cumulated))[:, None] * ceiling).ravel()

    def pulled_until(at: Ints) -> Floats:
        day, part = np.divmod(np.minimum(at, end - 1), DAY)
        return cumulated[row, day] + calendar.pull[row, day] * (part / DAY)

    begin, leave = pulled_until(block.created[customer]), pulled_until(block.leaves[customer])
    target = begin + rng.random(len(customer)) * (leave - begin)
    position = np.searchsorted(flat, target + row * ceiling, side="right") - 1
    day = (position - row * (days + 1)).clip(0, days - 1)
    at = day * DAY + seasons.time_of_day(rng.random(len(customer))) - calendar.offset[row, day]
    at += rng.integers(0, 1000, len(customer))
    with_order = (nth == 0) & (rng.random(len(customer)) < 0.55)
    soon = block.created[customer] + rng.exponential(0.7 * DAY, len(customer)).astype(np.int64)
    at = np.where(with_order, soon, at)
    at = settle(at, block.created[customer] + 12 * _MINUTE, end, rng)
    order = np.lexsort((at, customer))
    customer, row = customer[order], row[order]
    at = distinct(customer, at[order])
    noise = rng.normal(0.0, 0.45, len(customer))
    value = shops.order_value[block.shop[customer]] * np.exp(block.taste[customer] + noise)
    cents = np.maximum(500, np.round(value * 100)).astype(np.int64)
    by_day = np.argsort(at // DAY, kind="stable")
    customer, at = customer[by_day], at[by_day]
    digits = 10 ** len(str(int(block.index_in_shop.max(initial=0))))
    return Purchases(
        customer=customer,
        at=at,
        cents=cents[by_day],
        campaign=_running(shops, block.shop[customer], at),
        order=(at + DAY) * digits + block.index_in_shop[customer],
    )


def follow_ups(
    block: Block, shops: Matrices, calendar: Calendar, purchases: Purchases,
    limit: int, rng: np.random.Generator,
) -> tuple[Events, Events, Events]:  # fmt: skip
    """Draws the other events: awards of known points, birthdays, and what is taken back.

    Args:
        block: The customers.
        shops: Their shops' settings.
        calendar: Their days.
        purchases: What they bought.
        limit: The most events that may come without a purchase.
        rng: The source of chance.

    Returns:
        Awards (welcome, reviews, sharing, goodwill), birthdays (their points depend on the tier),
        and debits (returned orders, whose points `purchase` tells; corrections).
    """
    size, bought, end = len(block), len(purchases.customer), shops.days * DAY
    everybody = np.arange(size)
    welcome = shops.welcome[block.shop]
    shared = rng.poisson(0.12 * (end - block.created) / (365 * DAY))
    sharers = np.repeat(everybody, shared)
    corrected = np.flatnonzero(rng.random(size) < 0.012)
    own = [
        _events(
            everybody[(welcome > 0) & (rng.random(size) < 0.95)],
            block.created + 2_000 + everybody % 5_000, codes.SIGNUP, welcome,
        ),
        _events(
            sharers, None, codes.SOCIAL, np.round(25 * shops.rate[block.shop]),
            at=_between(block.created[sharers], end, rng),
        ),
        _events(
            corrected, None, codes.MANUAL,
            np.round(rng.choice([-100, -50, 50, 100, 200, 250], size) * shops.rate[block.shop]),
            at=_between(block.created[corrected], end, rng),
        ),
        _birthdays(block, calendar, shops.days, rng),
    ]  # fmt: skip
    spontaneous = joined(own)
    kept = np.sort(rng.permutation(len(spontaneous.at))[:limit])
    spontaneous = spontaneous.taken(kept)
    reviewed = np.flatnonzero(rng.random(bought) < 0.06)
    returned = np.flatnonzero(rng.random(bought) < 0.03)
    reviews = _events(
        purchases.customer[reviewed], None, codes.REVIEW, np.round(50 * shops.rate[block.shop]),
        at=purchases.at[reviewed] + DAY
        + rng.exponential(6 * DAY, len(reviewed)).astype(np.int64),
    )  # fmt: skip
    returns = Events(
        customer=purchases.customer[returned],
        at=purchases.at[returned] + rng.integers(2 * DAY, 21 * DAY, len(returned)),
        source=np.full(len(returned), codes.PURCHASE),
        value=np.zeros(len(returned), dtype=np.int64),
        purchase=returned,
    )
    everything = joined([spontaneous, reviews, returns])
    everything = everything.taken(everything.at < end)
    settled = settle(everything.at, np.zeros_like(everything.at), end, rng)
    everything = Events(**{**vars(everything), "at": settled})
    birthday = everything.source == codes.BIRTHDAY
    debit = (everything.source == codes.PURCHASE) | (everything.value < 0)
    awards = everything.taken(~birthday & ~debit & (everything.value > 0))
    return awards.by_day(), everything.taken(birthday).by_day(), everything.taken(debit).by_day()


def settle(at: Ints, earliest: Ints, end: int, rng: np.random.Generator) -> Ints:
    """Moves instants into [earliest, end) and out of the nightly jobs' minutes."""
    spread = rng.integers(0, 20 * _MINUTE, len(at))
    at = np.where(at < earliest, earliest + spread, at)
    at = np.where(at >= end - _MINUTE, end - _MINUTE - spread, at)
    at = np.where(at % DAY < _OPENING, at - at % DAY + _OPENING + spread // 4, at)
    return np.minimum(at, end - 1000)


def distinct(customer: Ints, at: Ints) -> Ints:
    """Makes a customer's instants strictly increasing; both are ordered by customer and time."""
    span = 1 << 42
    key = customer * span + at - np.arange(len(at))
    return np.maximum.accumulate(key) + np.arange(len(at)) - customer * span


def _running(shops: Matrices, shop: Ints, at: Ints) -> Ints:
    """The row of the campaign that runs in the shop at the time, or -1."""
    if not len(shops.campaign_id):
        return np.full(len(at), -1)
    span = 1 << 42
    starts = shops.campaign_shop * span + shops.campaign_start + DAY * 1000
    row = np.searchsorted(starts, shop * span + at + DAY * 1000, side="right") - 1
    found = (row >= 0) & (shops.campaign_shop[row] == shop) & (at < shops.campaign_end[row])
    return np.where(found, row, -1)


def _birthdays(block: Block, calendar: Calendar, days: int, rng: np.random.Generator) -> Events:
    """The birthdays that fall in the sample's days, on the customer's local morning."""
    known = np.flatnonzero(block.birthday_known)
    born = block.born[known].astype("datetime64[D]")
    month = born.astype("datetime64[M]")
    day = (born - month).astype(np.int64)
    start = np.datetime64(calendar.first, "D")
    parts = []
    for year in range(calendar.first.year, calendar.first.year + days // 365 + 2):
        there = np.datetime64(f"{year}-01", "M") + month.astype(np.int64) % 12
        at = ((there.astype("datetime64[D]") - start).astype(np.int64) + day) * DAY
        at += 9 * 3_600_000 + rng.integers(0, 600_000, len(known))
        row = block.shop[known] - block.shop[0]
        at -= calendar.offset[row, np.clip(at // DAY, 0, days - 1)]
        falls = (at >= 0) & (at < days * DAY) & (at > block.created[known] + DAY)
        parts.append(_events(known[falls], None, codes.BIRTHDAY, np.ones(len(block)), at=at[falls]))
    return joined(parts)


def _between(earliest: Ints, end: int, rng: np.random.Generator) -> Ints:
    return earliest + (rng.random(len(earliest)) * (end - earliest)).astype(np.int64)


def _events(
    customer: Ints, default_at: Ints | None, source: int, value: npt.NDArray[np.generic],
    *, at: Ints | None = None,
) -> Events:  # fmt: skip
    """Events without a purchase; `default_at` and `value` are given for all customers."""
    if at is None:
        assert default_at is not None  # noqa: S101
        at = default_at[customer]
    return Events(
        customer=customer,
        at=at,
        source=np.full(len(customer), source),
        value=value[customer].astype(np.int64),
        purchase=np.full(len(customer), -1),
    )
