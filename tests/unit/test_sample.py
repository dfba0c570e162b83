"""The parts of the sample that need no database."""

from __future__ import annotations

import csv
import json
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from orchestration.sample import catalogue, cells, seasons
from orchestration.sample.campaigns import plan_campaigns
from orchestration.sample.cells import NONE, NULL, Column
from orchestration.sample.population import habits, populate
from orchestration.sample.segments import segments_of
from orchestration.sample.shops import Shop, build_shops, launch_days
from orchestration.sample.spill import Spill
from orchestration.segments import RuleError, load_catalogue, parse
from orchestration.settings import PROJECT_DIR

FIRST = date(2024, 11, 22)


def shops(count: int) -> list[Shop]:
    launched = launch_days(count, 730, np.random.default_rng(1))
    population = populate(launched, 2_000, FIRST, 730, np.random.default_rng(2))
    return build_shops(launched, habits(population, 40_000, 730), FIRST, 730)


def text(column: Column, rows: int) -> list[str]:
    """A column as the values that COPY would read."""
    parts = column if isinstance(column, tuple) else (column,)
    filled = [np.full(rows, part) if isinstance(part, bytes) else part for part in parts]
    return [b"".join(row).decode() for row in zip(*(part.tolist() for part in filled), strict=True)]


def test_the_seed_of_time_zones_names_each_named_shop_once() -> None:
    with (PROJECT_DIR / "seeds" / "shop_timezones.csv").open(newline="") as file:
        rows = {row["shop_domain"]: row["timezone"] for row in csv.DictReader(file)}
    assert rows == {
        catalogue.domain(number): catalogue.timezone(number)
        for number in range(len(catalogue.PROGRAMS))
    }


def test_shops_beyond_the_names_have_domains_of_their_own_and_live_in_utc() -> None:
    count = 3 * len(catalogue.PROGRAMS)
    assert len({catalogue.domain(number) for number in range(count)}) == count
    assert catalogue.timezone(count) == "UTC"


def test_cells_write_numbers_money_and_instants_as_copy_reads_them() -> None:
    assert text(cells.integers(np.array([7, -3, NONE])), 3) == ["7", "-3", "\\N"]
    assert text(cells.references(np.array([0, 12])), 2) == ["\\N", "12"]
    assert text(cells.money(np.array([5, 123_456, NONE])), 3) == ["0.05", "1234.56", "\\N"]
    assert text(cells.flags(np.array([1, 0, -1])), 3) == ["t", "f", "\\N"]
    assert text(cells.words((b"a", b"b"), np.array([1, -1])), 2) == ["b", "\\N"]


def test_cells_write_instants_before_1970_and_on_the_last_millisecond_of_a_day() -> None:
    written = text(cells.times(np.array([-1, 0, 1_732_233_599_999, NONE])), 4)
    assert written == [
        "1969-12-31T23:59:59.999Z",
        "1970-01-01T00:00:00.000Z",
        "2024-11-21T23:59:59.999Z",
        NULL.decode(),
    ]


def test_demand_is_strongest_before_christmas_and_on_fridays() -> None:
    demand = seasons.demand(date(2025, 1, 1), 365)
    of_month = [
        demand[[n for n in range(365) if date.fromordinal(738_886 + n).month == month]].mean()
        for month in range(1, 13)
    ]
    assert of_month.index(max(of_month)) == 11
    assert of_month.index(min(of_month)) in (0, 1)
    fridays = demand[2::7].mean()
    assert all(fridays >= demand[start::7].mean() for start in range(7))


def test_clocks_follow_daylight_saving() -> None:
    offsets = seasons.clock_offsets("America/New_York", date(2025, 3, 8), 3) // 3_600_000
    assert offsets.tolist() == [-5, -4, -4]


def test_spilled_records_come_back_in_the_order_of_time(tmp_path: Path) -> None:
    spill = Spill(tmp_path)
    kind = np.dtype([("sort", "i8"), ("value", "i4")])
    at = np.random.default_rng(3).permutation(1_000) * 90_000_000
    for part in np.split(at, 4):
        records = np.empty(len(part), dtype=kind)
        records["sort"], records["value"] = part, part // 90_000_000
        spill.append("things", records)
    assert np.concatenate([month["value"] for month in spill.read("things")]).tolist() == list(
        range(1_000)
    )


@pytest.mark.parametrize("customers", [0, 1, 7, 1_234])
def test_every_customer_is_in_a_shop_and_has_an_id_in_the_order_of_enrolment(
    customers: int,
) -> None:
    launched = launch_days(5, 90, np.random.default_rng(1))
    population = populate(launched, customers, FIRST, 90, np.random.default_rng(2))
    assert len(population) == customers == population.offsets[-1]
    by_id = population.created[np.argsort(population.customer_id)]
    assert (np.diff(by_id) >= 0).all()
    assert sorted(population.customer_id.tolist()) == list(range(1, customers + 1))


def test_tiers_ask_for_more_the_higher_they_are() -> None:
    for shop in shops(24):
        active = [tier for tier in shop.tiers if tier.is_active]
        asked = [(t.min_points, t.min_spend, t.min_orders) for t in active]
        assert all(
            any(b > a for a, b in zip(low, high, strict=True)) for low, high in pairwise(asked)
        ), shop.domain


@pytest.mark.parametrize("shop", range(5))
def test_campaigns_that_run_never_overlap_and_one_runs_now(shop: int) -> None:
    campaigns = plan_campaigns(1, shop, FIRST, FIRST, 730, [2, 3])
    running = [campaign for campaign in campaigns if campaign.is_running]
    assert all(before.ends <= after.starts for before, after in pairwise(running))
    assert any(campaign.starts < 730 < campaign.ends for campaign in running)
    assert {campaign.status for campaign in campaigns} == {
        "draft", "active", "paused", "completed", "cancelled",
    }  # fmt: skip


def test_campaigns_name_only_segments_that_the_shop_has() -> None:
    for shop in shops(24):
        named = {name for campaign in shop.campaigns for name in campaign.segments}
        assert named
        assert named <= {segment.name for segment in segments_of(shop, broken=False)}


def test_segment_names_are_unique_in_a_shop_and_only_the_broken_one_is_extra() -> None:
    for shop in shops(24):
        sound = [segment.name for segment in segments_of(shop, broken=False)]
        broken = [segment.name for segment in segments_of(shop, broken=True)]
        assert len(set(broken)) == len(broken) == len(sound) + 1
        assert len(sound) >= 12


def test_every_rule_is_valid_but_the_broken_one_which_names_the_field_it_meant() -> None:
    fields, errors = load_catalogue(), []
    for shop in shops(24):
        for segment in segments_of(shop, broken=shop.shop_id == 1):
            try:
                parse(json.dumps(segment.criteria), fields)
            except RuleError as error:
                errors.append(str(error))
    assert len(errors) == 1
    assert "points_balance" in errors[0]
