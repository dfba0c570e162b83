"""From the plan to rows: customers block by block, then the tables in the order of time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from orchestration.sample import people, records, referrals, shop_rows
from orchestration.sample import record_columns as to_columns
from orchestration.sample.behaviour import Calendar
from orchestration.sample.block import Block, block_of
from orchestration.sample.cells import Column, copy_columns, copy_rows
from orchestration.sample.irregularities import DECLARED, Irregularities
from orchestration.sample.population import ROWS_PER_PURCHASE, Population, habits, populate
from orchestration.sample.records import Keys
from orchestration.sample.seasons import Ints
from orchestration.sample.segments import AMBASSADORS, segments_of
from orchestration.sample.shop_rows import Clock, Row
from orchestration.sample.shops import Matrices, build_shops, launch_days
from orchestration.sample.simulation import Life, Simulator
from orchestration.sample.spill import Records, Spill

_BLOCK_CUSTOMERS = 16_384
_BLOCK_TRANSACTIONS = 400_000
_CHUNK = 65_536


@dataclass
class _Totals:
    """What adds up over the blocks: per campaign and per reward, by id - 1."""

    joined: Ints
    point_cents: Ints
    redeemed: Ints
    keys: Keys = field(default_factory=Keys)


class Sample:
    """One sample in the making; each part of it has a source of chance of its own."""

    def __init__(
        self, connection: psycopg.Connection[Any], schema: str, folder: Path, shops: int,
        customers: int, transactions: int, days: int, seed: int, first: date,
        progress: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._connection, self._schema, self._progress = connection, schema, progress
        self._transactions, self._days, self._first, self._seed = transactions, days, first, seed
        self._spill = Spill(folder)
        origin = datetime(first.year, first.month, first.day, tzinfo=UTC)
        self._origin = int(origin.timestamp()) * 1000
        self._clock = Clock(self._origin)
        launched = launch_days(shops, days, self._rng(0))
        self._population = populate(launched, customers, first, days, self._rng(1))
        expected = habits(self._population, transactions, days)
        self._shops = build_shops(launched, expected, first, days)
        self._matrices = Matrices(self._shops, days)
        campaigns, rewards = (
            sum(len(of_shop) for of_shop in parts)
            for parts in (
                [shop.campaigns for shop in self._shops],
                [shop.rewards for shop in self._shops],
            )
        )
        self._totals = _Totals(
            joined=np.zeros(campaigns, dtype=np.int64),
            point_cents=np.zeros(campaigns, dtype=np.int64),
            redeemed=np.zeros(rewards, dtype=np.int64),
        )
        self.irregular = {field.name: 0 for field in fields(Irregularities)}

    def write(self) -> None:
        """Writes all tables, each after those that it refers to."""
        clock, shops = self._clock, self._shops
        self._rows("shops", shop_rows.SHOP, (shop_rows.shop_row(shop, clock) for shop in shops))
        self._rows(
            "tier_definitions", shop_rows.TIER,
            chain.from_iterable(shop_rows.tier_rows(shop, clock) for shop in shops),
        )  # fmt: skip
        self._simulate()
        totals = self._totals
        self._rows(
            "reward_definitions", shop_rows.REWARD,
            chain.from_iterable(
                shop_rows.reward_rows(shop, clock, totals.redeemed) for shop in shops
            ),
        )  # fmt: skip
        self._rows(
            "campaigns", shop_rows.CAMPAIGN,
            chain.from_iterable(
                shop_rows.campaign_rows(shop, clock, totals.joined, totals.point_cents)
                for shop in shops
            ),
        )  # fmt: skip
        self._write_spilled()
        self._write_segments()

    def _simulate(self) -> None:
        blocks = _blocks(self._population, self._transactions)
        weight = self._population.weight
        left, weight_left, written = self._transactions, float(weight.sum()), 0
        scale = self._transactions / (ROWS_PER_PURCHASE * weight_left or 1.0)
        for number, members in enumerate(blocks):
            last = number == len(blocks) - 1
            of_block = float(weight[members].sum())
            wanted = left if last else round(left * of_block / (weight_left or 1.0))
            weight_left -= of_block
            rng = self._rng(2, number, 0)
            block = block_of(self._population, members, rng)
            here = self._shops[int(block.shop[0]) : int(block.shop[-1]) + 1]
            calendar = Calendar(here, self._first, self._days)
            simulator = Simulator(
                block, self._matrices, calendar, referrals.invite(block, self._matrices, rng),
                np.random.SeedSequence(self._seed, spawn_key=(3, number)),
            )  # fmt: skip
            life, scale = simulator.fill(max(wanted, 0), scale, exactly=last)
            left -= len(life.entries)
            written += len(block)
            self._keep(block, life, calendar, rng)
            self._progress(
                f"Simulated {written:,} of {len(self._population):,} customers, "
                f"{self._transactions - left:,} of {self._transactions:,} transactions"
            )

    def _keep(self, block: Block, life: Life, calendar: Calendar, rng: np.random.Generator) -> None:
        """Writes the block's profiles, and puts its other rows by until all are known."""
        matrices, totals, keys = self._matrices, self._totals, self._totals.keys
        ledger = records.ledger(block, matrices, life, keys, rng)
        history, achieved, ends = records.tier_history(block, matrices, life)
        columns, irregular = people.profile_columns(
            block, matrices, calendar, life.outcome, ledger.profiles, (achieved, ends),
            self._origin, rng,
        )  # fmt: skip
        copy_columns(
            self._connection, self._schema, "customer_loyalty_profiles", len(block), columns
        )
        redeemed = records.redemptions(block, matrices, life, keys)
        joined = records.participations(block, matrices, life)
        links, clicks, conversions = records.referral_rows(block, matrices, life, keys)
        for table, rows in (
            ("point_transactions", ledger.transactions),
            ("customer_tier_history", history),
            ("redemption_logs", redeemed),
            ("campaign_participations", joined),
            ("referral_links", links),
            ("referral_clicks", clicks),
            ("referral_conversions", conversions),
        ):
            self._spill.append(table, rows)
        np.add.at(totals.redeemed, redeemed["reward"] - 1, 1)
        np.add.at(totals.joined, joined["campaign"] - 1, 1)
        np.add.at(totals.point_cents, joined["campaign"] - 1, joined["points"])
        totals.keys = Keys(keys.redemptions + len(redeemed), keys.links + len(links))
        for name, count in {**irregular, **ledger.irregular}.items():
            self.irregular[name] += count

    def _write_spilled(self) -> None:
        origin, keys = self._origin, self._totals.keys
        data = [shop_rows.reward_data(reward) for shop in self._shops for reward in shop.rewards]
        domains = [shop.domain.encode() for shop in self._shops]
        self._table(
            "customer_tier_history",
            lambda rows, first: to_columns.tier_history_columns(rows, first, origin),
        )
        redemption_ids = self._table(
            "redemption_logs",
            lambda rows, first: to_columns.redemption_columns(rows, first, data, origin),
            keys.redemptions,
        )
        self._table(
            "campaign_participations",
            lambda rows, first: to_columns.participation_columns(rows, first, origin),
        )
        self._table(
            "point_transactions",
            lambda rows, first: to_columns.transaction_columns(rows, first, redemption_ids, origin),
        )
        link_ids = self._table(
            "referral_links",
            lambda rows, first: to_columns.link_columns(rows, first, domains, origin),
            keys.links,
        )
        self._table(
            "referral_clicks",
            lambda rows, first: to_columns.click_columns(rows, first, link_ids, origin),
        )
        self._table(
            "referral_conversions",
            lambda rows, first: to_columns.conversion_columns(rows, first, link_ids, origin),
        )

    def _write_segments(self) -> None:
        segments: list[Row] = []
        members: list[Row] = []
        for shop in self._shops:
            broken = shop.shop_id <= DECLARED.invalid_rules
            for segment in segments_of(shop, broken=broken):
                number, picked = len(segments) + 1, 0
                if segment.name == AMBASSADORS:
                    rows = shop_rows.ambassador_rows(
                        shop, number, len(members) + 1, self._population, self._clock, self._days,
                        self._rng(4, shop.shop_id),
                    )  # fmt: skip
                    members += rows
                    picked = sum(row[4] is None for row in rows)
                segments.append(
                    shop_rows.segment_row(shop, number, segment, picked, self._clock, self._days)
                )
        self._rows("customer_segments", shop_rows.SEGMENT, segments)
        self._rows("customer_segment_memberships", shop_rows.MEMBERSHIP, members)
        self.irregular["invalid_rules"] = min(DECLARED.invalid_rules, len(self._shops))

    def _table(
        self, table: str, columns: Callable[[Records, int], dict[str, Column]], keys: int = 0
    ) -> Ints:
        """Writes a table's records in the order of time; returns each key's id (0 for key 0)."""
        self._progress(f"Writing {table}")
        ids, next_id = np.zeros(keys + 1, dtype=np.int64), 1
        for month in self._spill.read(table):
            if keys:
                ids[month["key"]] = np.arange(next_id, next_id + len(month))
            for first in range(0, len(month), _CHUNK):
                rows = month[first : first + _CHUNK]
                copy_columns(
                    self._connection, self._schema, table, len(rows), columns(rows, next_id)
                )
                next_id += len(rows)
        return ids

    def _rows(self, table: str, columns: tuple[str, ...], rows: Iterable[Row]) -> None:
        copy_rows(self._connection, self._schema, table, columns, rows)

    def _rng(self, *part: int) -> np.random.Generator:
        return np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=part))


def _blocks(population: Population, transactions: int) -> list[slice]:
    """Neighbouring customers, so many that a block and its transactions fit well in memory."""
    customers = len(population)
    count = max(-(-customers // _BLOCK_CUSTOMERS), -(-transactions // _BLOCK_TRANSACTIONS))
    edges = np.linspace(0, customers, min(count, customers) + 1).astype(int).tolist()
    return [slice(first, last) for first, last in pairwise(edges)]
