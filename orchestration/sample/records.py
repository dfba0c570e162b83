"""A block's life as rows of the application's tables, with the declared irregularities in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from orchestration.sample import codes
from orchestration.sample.behaviour import distinct
from orchestration.sample.block import Block
from orchestration.sample.cells import NONE
from orchestration.sample.irregularities import DECLARED
from orchestration.sample.program import UNPOSTED_DAYS, expiry_time
from orchestration.sample.referrals import link_totals
from orchestration.sample.seasons import DAY, Ints
from orchestration.sample.shops import Matrices
from orchestration.sample.simulation import Life
from orchestration.sample.spill import Records


@dataclass(frozen=True)
class Keys:
    """Numbers that count on from block to block, for references between tables.

    Attributes:
        redemptions: Redemptions of earlier blocks.
        links: Referral links of earlier blocks.
    """

    redemptions: int = 0
    links: int = 0


@dataclass(frozen=True)
class Ledger:
    """A block's transactions by customer and time, and what the profiles say of them."""

    transactions: Records
    profiles: dict[str, npt.NDArray[Any]]
    irregular: dict[str, int]


def pack(columns: Mapping[str, npt.NDArray[Any]]) -> Records:
    """Columns as records, each in the smallest type that its name calls for."""
    types = [(name, column.dtype) for name, column in columns.items()]
    records = np.empty(len(next(iter(columns.values()))), dtype=types)
    for name, column in columns.items():
        records[name] = column
    return records


def ledger(
    block: Block, shops: Matrices, life: Life, keys: Keys, rng: np.random.Generator
) -> Ledger:
    """Orders the transactions, runs the balances, and adds what is declared as irregular."""
    entries, size = life.entries, len(block)
    order = np.lexsort((entries["at"], entries["customer"]))
    customer = entries["customer"][order]
    at = distinct(customer, entries["at"][order])
    kind, amount = entries["type"][order], entries["amount"][order]
    starts = np.searchsorted(customer, np.arange(size + 1))
    running = np.concatenate([[0], np.cumsum(amount)])
    balance = running[1:] - running[starts[customer]]
    if len(balance) and balance.min() < 0:
        raise AssertionError("a balance of the sample is negative")
    final = running[starts[1:]] - running[starts[:-1]]

    def total(which: npt.NDArray[np.bool_]) -> Ints:
        sums = np.zeros(size, dtype=np.int64)
        np.add.at(sums, customer[which], np.abs(amount[which]))
        return sums

    def latest(which: npt.NDArray[np.bool_]) -> Ints:
        last = np.full(size, NONE)
        np.maximum.at(last, customer[which], at[which])
        return last

    gained = (kind == codes.EARNED) | (kind == codes.BONUS)
    migrated = np.where(
        rng.random(size) < DECLARED.migrated_balance, rng.integers(4, 60, size) * 25, 0
    )
    stray = rng.random(len(at)) < DECLARED.stray_balance_after
    undated_customers = rng.random(size) < DECLARED.undated_transaction
    undated = np.zeros(len(at), dtype=bool)
    undated[starts[:-1][undated_customers & (starts[1:] > starts[:-1])]] = True
    late = rng.random(len(at)) < DECLARED.late_commit
    delay = np.where(late, 60_000 + rng.exponential(300_000, len(at)), 0).astype(np.int64)
    recorded = balance + migrated[customer] + np.where(stray, rng.integers(1, 80, len(at)), 0)
    expires, expired = _expiry(block, shops, customer, at, amount)
    purchase, campaign = entries["purchase"][order], entries["campaign"][order]
    redemption = entries["redemption"][order]
    bought = kind == codes.EARNED
    spent, orders = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    np.add.at(spent, life.purchases.customer, life.purchases.cents)
    np.add.at(orders, life.purchases.customer, 1)
    return Ledger(
        transactions=pack(
            {
                "sort": at + delay,
                "at": np.where(undated, NONE, at),
                "customer": block.customer_id[customer].astype(np.int32),
                "type": kind.astype(np.int8),
                "source": entries["source"][order].astype(np.int8),
                "creator": entries["creator"][order].astype(np.int8),
                "amount": amount.astype(np.int32),
                "balance": recorded.astype(np.int32),
                "order": _picked(life.purchases.order, purchase),
                "campaign": _picked(shops.campaign_id, campaign).astype(np.int32),
                "redemption": np.where(redemption < 0, 0, redemption + 1 + keys.redemptions).astype(
                    np.int32
                ),
                "expires": expires,
                "expired": expired,
            }
        ),
        profiles={
            "balance": final + migrated,
            "earned": total(gained),
            "redeemed": total(kind == codes.REDEEMED),
            "spent": spent,
            "orders": orders,
            "last_purchase": latest(bought),
            "last_earned": latest(gained),
        },
        irregular={
            "migrated_balance": int((migrated > 0).sum()),
            "stray_balance_after": int(stray.sum()),
            "undated_transaction": int(undated.sum()),
            "late_commit": int(late.sum()),
        },
    )


def _expiry(
    block: Block, shops: Matrices, customer: Ints, at: Ints, amount: Ints
) -> tuple[Ints, Ints]:
    """When credits come of age, and when the job has marked them."""
    lifetime = shops.expire_days[block.shop[customer]]
    ages = (lifetime > 0) & (amount > 0)
    run = at // DAY + lifetime + 1
    skipped = block.unposted[customer] & (run >= shops.days - UNPOSTED_DAYS)
    posted = ages & (run < shops.days) & ~skipped
    return (
        np.where(ages, at + lifetime * DAY, NONE),
        np.where(posted, expiry_time(block, customer, run), NONE),
    )


def tier_history(block: Block, shops: Matrices, life: Life) -> tuple[Records, Ints, Ints]:
    """The tiers held, and when each customer's present one was achieved and ends (or NONE)."""
    changes = life.outcome.changes
    order = np.lexsort((changes["at"], changes["customer"]))
    who, at, level = (changes[name][order] for name in ("customer", "at", "level"))
    ends = changes["ends"][order]
    last = np.diff(who, append=-1) != 0
    ended = np.where(last, NONE, np.roll(at, -1))
    held = level > 0
    achieved_now, ends_now = np.full(len(block), NONE), np.full(len(block), NONE)
    present = last & held
    achieved_now[who[present]], ends_now[who[present]] = at[present], ends[present]
    records = pack(
        {
            "sort": at,
            "customer": block.customer_id[who].astype(np.int32),
            "tier": shops.tier_id[block.shop[who], level].astype(np.int32),
            "reason": changes["reason"][order].astype(np.int8),
            "points": changes["points"][order],
            "spend": changes["spend"][order],
            "orders": changes["orders"][order].astype(np.int32),
            "expires": ends,
            "ended": ended,
            "current": last.astype(np.int8),
        }
    )
    return records[held], achieved_now, ends_now


def redemptions(block: Block, shops: Matrices, life: Life, keys: Keys) -> Records:
    """The redemption log."""
    rows, purchases = life.outcome.redemptions, life.purchases
    who, at, purchase = rows["customer"], rows["at"], rows["purchase"]
    reward = shops.first_reward[block.shop[who]] + rows["reward"]
    used = purchase >= 0
    paid = _picked(purchases.cents, purchase)
    cents = shops.reward_cents[reward - 1]
    percent = shops.reward_percent[reward - 1]
    off = np.where(percent > 0, np.where(used, paid * percent // 100, NONE), cents)
    done = rows["status"] == codes.COMPLETED
    return pack(
        {
            "sort": at,
            "key": np.arange(keys.redemptions + 1, keys.redemptions + 1 + len(at)),
            "customer": block.customer_id[who].astype(np.int32),
            "reward": reward.astype(np.int32),
            "points": rows["points"].astype(np.int32),
            "status": rows["status"].astype(np.int8),
            "cents": np.where((cents == 0) & (percent == 0), NONE, off),
            "used": np.where(used, _picked(purchases.at, purchase), NONE),
            "order": _picked(purchases.order, purchase),
            "expires": at + 30 * DAY,
            "processed": np.where(done, at + 2_000 + at % 9_000, NONE),
        }
    )


def participations(block: Block, shops: Matrices, life: Life) -> Records:
    """Who joined which campaign, with what they did in it."""
    rows, outcome = life.outcome.participations, life.outcome
    count, part = len(rows), outcome.participation_of
    took = part >= 0
    points, spent, orders = (np.zeros(count, dtype=np.int64) for _ in range(3))
    np.add.at(points, part[took], outcome.points[took])
    np.add.at(spent, part[took], life.purchases.cents[took])
    np.add.at(orders, part[took], 1)
    campaign = rows["campaign"]
    end = shops.campaign_end[campaign]
    over = end <= shops.days * DAY
    return pack(
        {
            "sort": rows["at"],
            "customer": block.customer_id[rows["customer"]].astype(np.int32),
            "campaign": shops.campaign_id[campaign].astype(np.int32),
            "points": points + shops.campaign_bonus[campaign],
            "orders": orders.astype(np.int32),
            "spent": spent,
            "active": (~over).astype(np.int8),
            "completed": np.where(over, end, NONE),
        }
    )


def referral_rows(
    block: Block, shops: Matrices, life: Life, keys: Keys
) -> tuple[Records, Records, Records]:
    """The links, the clicks and the conversions."""
    made, came, purchases = life.invitations, life.referrals, life.purchases
    totals = link_totals(made, came, purchases)
    links: dict[str, npt.NDArray[Any]] = {
        "sort": made.created,
        "key": np.arange(keys.links + 1, keys.links + 1 + len(made.owner)),
        "customer": block.customer_id[made.owner].astype(np.int32),
        "referrer": shops.referrer[block.shop[made.owner]],
        "referee": shops.referee[block.shop[made.owner]],
        "shop": block.shop[made.owner],
        **totals,
    }
    clicks, done = came.clicks, came.conversions
    order = clicks["purchase"]
    click_rows: dict[str, npt.NDArray[Any]] = {
        "sort": clicks["at"],
        "link": (clicks["link"] + keys.links + 1).astype(np.int32),
        **{name: clicks[name].astype(np.int32) for name in ("ip", "agent", "source", "campaign")},
        "converted": clicks["converted"].astype(np.int8),
        "order": _picked(purchases.order, order),
        "cents": np.where(order < 0, NONE, _picked(purchases.cents, order)),
        "converted_at": np.where(order < 0, NONE, _picked(purchases.at, order) + 30_000),
    }
    pending = done["status"] == codes.CONVERSION_PENDING
    conversion_rows: dict[str, npt.NDArray[Any]] = {
        "sort": done["at"],
        "link": (done["link"] + keys.links + 1).astype(np.int32),
        "customer": block.customer_id[done["customer"]].astype(np.int32),
        "order": _picked(purchases.order, done["purchase"]),
        "cents": _picked(purchases.cents, done["purchase"]),
        "referrer": done["referrer"],
        "referee": done["referee"],
        "status": done["status"].astype(np.int8),
        "processed": np.where(pending, NONE, done["at"] + 4_000),
    }
    return pack(links), pack(click_rows), pack(conversion_rows)


def _picked(values: Ints, rows: Ints) -> Ints:
    """The values of the rows; 0 for the row -1."""
    if not len(values):
        return np.zeros(len(rows), dtype=np.int64)
    picked: Ints = np.where(rows < 0, 0, values[rows])
    return picked
