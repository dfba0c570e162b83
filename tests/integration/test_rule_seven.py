"""architecture.md's rules 1 and 7 over the SQL that dbt compiles, and interfaces.md's names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import sqlglot
from dbt_in_process import Dbt
from oracles.history import random_history
from sqlglot import exp
from sqlglot.tokens import TokenType
from warehouses import filled_warehouse

from orchestration import segments
from orchestration.database import Database

AS_OF = ("2025-01-08T15:30:00+00:00", "2025-01-09T15:30:00+00:00")
"""A first build computes everything, a second one what was touched: their SQL differs."""

SMALL = {
    "int_shops",
    "int_tiers",
    "int_tier_rungs",
    "int_tier_windows",
    "stg_shops",
    "stg_tier_definitions",
    "stg_campaigns",
    "stg_reward_definitions",
    "stg_customer_segments",
    "shop_timezones",
    "enumerations",
    "int_segment_rules",
    "int_segment_parameters",
    "int_segment_event_tests",
    "segment_reference_tests",
    "segment_evaluated_rules",
    "segment_evaluated_tests",
    "int_touched_rules",
    "int_changed_definitions",
    "int_touched_shops",
}
"""Definitions, and what follows from them alone: a distributed PostgreSQL holds them on every node
(Citus calls them reference tables), so a join with one moves no row."""

ORDERS = "an order is its shop's and may be shared by customers: shop and order id are its key"
RANKS = "per-shop ranks over customer-level aggregates, which rule 7 allows"
RAW = "raw is not placed by customer: clicks and conversions name a link, before-images a row"
LINKS = "a click or a conversion names its link alone, and the link its customer"
LINK_EVENTS = ("int_event_referral_clicked", "int_event_referral_converted")
PROFILES = "raw calls the customer_id of a profile id"

EXCEPTIONS = {
    **{("fct_orders", fault): ORDERS for fault in ("unique key", "unique index")},
    **{("fct_orders", fault): ORDERS for fault in ("group by", "distinct", "join", "in")},
    ("fct_orders", "cte read twice"): ORDERS,
    ("int_order_purchases", "partition by"): ORDERS,
    ("fct_redemptions", "join"): ORDERS,
    ("int_touched_customers", "join"): ORDERS,
    ("int_changed_customers", "join"): RAW,
    ("int_changed_customers", "cte read twice"): RAW,
    ("int_customer_findings", "in"): PROFILES,
    **{(model, "join"): LINKS for model in ("fct_referral_funnel", *LINK_EVENTS)},
    ("customer_rfm", "partition by"): RANKS,
}
"""Per model and kind of fault, why it may be."""

FORBIDDEN = """
now current_date current_time current_timestamp localtime localtimestamp clock_timestamp
statement_timestamp transaction_timestamp timeofday age random random_normal setseed tablesample
gen_random_uuid uuidv4 uuidv7 uuid_generate_v4 nextval txid_current pg_current_xact_id
pg_current_snapshot pg_backend_pid inet_client_addr current_user session_user
"""
"""What says something else another time: age(x) reads the clock, and none needs age(x, y)."""

ORDERED = exp.RowNumber, exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.NthValue

FORBIDDEN_TEXTS = {"now", "today", "tomorrow", "yesterday", "allballs"}
"""Of a time, these read the clock."""

PROMISED = {
    "dim_shops": "shop_id",
    "dim_customers": "shop_id customer_id",
    "dim_tiers": "shop_id tier_id",
    "dim_rewards": "shop_id reward_id",
    "dim_campaigns": "shop_id campaign_id",
    "dim_segments": "shop_id segment_id",
    "dim_dates": "date",
    "fct_point_ledger": "transaction_id shop_id customer_id entry_no occurred_at transaction_type"
    " source points_amount balance_after recorded_balance_after balance_drift order_id campaign_id"
    " redemption_id",
    "fct_point_lots": "lot_id shop_id customer_id earned_at expires_at points_issued"
    " points_redeemed points_expired points_reversed points_remaining lot_status",
    "fct_point_lot_allocations": "lot_id transaction_id shop_id customer_id points",
    "fct_points_daily": "shop_id date opening_points earned bonus adjusted refunded redeemed"
    " expired other closing_points points_liability",
    "fct_point_vintages": "shop_id issued redeemed expired remaining expiry_rate redemption_rate"
    " expected_breakage",
    "fct_tier_progressions": "shop_id customer_id tier_id from_tier_id tier_level direction reason"
    " valid_from valid_to is_current",
    "fct_tier_migrations": "shop_id month from_state to_state from_tier_id to_tier_id customers"
    " share",
    "tier_standings": "shop_id customer_id current_tier_id eligible_tier_id next_tier_id"
    " qualifying_points qualifying_spend qualifying_orders points_to_next spend_to_next"
    " orders_to_next is_at_risk is_mismatched",
    "fct_orders": "shop_id order_id customer_id ordered_at amount amount_basis points_earned"
    " is_loyalty_order",
    "loyalty_analytics": "shop_id period_type date is_complete total_customers new_customers"
    " active_customers points_earned points_redeemed points_expired points_adjusted"
    " points_refunded opening_points closing_points total_revenue loyalty_revenue"
    " redemptions_count referrals_count campaign_participations tier_distributions tier_upgrades"
    " tier_downgrades",
    "program_kpis": "shop_id date",
    "customer_cohorts": "shop_id cohort_month months_since customers active_customers retention",
    "fct_redemptions": "shop_id redemption_id",
    "fct_campaign_performance": "shop_id campaign_id",
    "fct_referral_funnel": "shop_id referral_link_id",
    "customer_segments": "segment_id shop_id name rule_status rule_error customer_count"
    " avg_lifetime_value avg_points_balance points_liability reachable_by_email reachable_by_sms"
    " last_computed_at",
    "customer_segment_memberships": "segment_id shop_id customer_id added_at removed_at is_active"
    " qualification_reason qualification_data",
    "segment_sizes_daily": "shop_id segment_id date customers entered left",
    "data_quality_findings": "check shop_id relation key detail",
}
"""The relations of interfaces.md, each with the columns that it names."""


@dataclass(frozen=True)
class Model:
    name: str
    schema: str
    config: Any
    columns: Mapping[str, str]
    sqls: tuple[str, ...]

    @property
    def unique_key(self) -> list[str]:
        key = self.config.unique_key or []
        return [key] if isinstance(key, str) else list(key)

    @property
    def is_of_customers(self) -> bool:
        return "customer_id" in self.columns

    def trees(self) -> list[exp.Expression]:
        return [sqlglot.parse_one(text, read="postgres") for text in self.sqls]


@pytest.fixture(scope="module")
def warehouse(server: Any) -> Database:
    source, target = (server.url(server.create_database()) for _ in range(2))
    history = random_history(4, customers=4)
    history.add(
        "customer_segments",
        shop_id=1,
        name="Has points",
        criteria={"field": "points_balance", "op": "gt", "value": 0},
    )
    filled = filled_warehouse(source, target, history.tables)
    segments.compile_rules(filled)
    return filled


@pytest.fixture(scope="module")
def models(warehouse: Database, dbt: Dbt) -> list[Model]:
    compiled: dict[str, list[str]] = {}
    for as_of in AS_OF:
        assert not dbt.build(warehouse, as_of)
        for name, text in dbt.compiled.items():
            compiled.setdefault(name, []).append(text)
    with warehouse.connect() as connection:
        columns: dict[tuple[str, str], dict[str, str]] = {}
        for schema, relation, column, kind in connection.execute(
            "select table_schema, table_name, column_name, data_type "
            "from information_schema.columns where table_schema !~ '^(pg_|information_)'"
        ):
            columns.setdefault((schema, relation), {})[column] = kind
    return [
        Model(
            name,
            node.schema,
            node.config,
            columns.get((node.schema, node.alias), {}),
            tuple(compiled[name]),
        )
        for name, node in dbt.models(warehouse).items()
    ]


def faults(model: Model) -> dict[str, str]:
    """What a customer-grain model does against rule 7: by kind of fault, an example."""
    found = {}
    if model.unique_key and "customer_id" not in model.unique_key:
        found["unique key"] = ", ".join(model.unique_key)
    for index in model.config.get("indexes") or []:
        if index.get("unique") and "customer_id" not in index["columns"]:
            found["unique index"] = ", ".join(index["columns"])
    for tree in model.trees():
        found |= {kind: part.sql("postgres")[:300] for kind, part in _faults(tree)}
    return found


def _faults(tree: exp.Expression) -> Iterator[tuple[str, exp.Expression]]:
    yield from (("recursive", with_) for with_ in tree.find_all(exp.With) if with_.recursive)
    sets = tree.find_all(exp.Rollup, exp.Cube, exp.GroupingSets)
    yield from (("grouping sets", part) for part in sets)
    big = _big(tree)
    reads = Counter(table.name for table in tree.find_all(exp.Table) if not table.db)
    for cte in tree.find_all(exp.CTE):
        if big[cte.alias] and reads[cte.alias] > 1:
            yield "cte read twice", cte
    for union in tree.find_all(exp.SetOperation):
        is_distinct = union.args.get("distinct") and _side(union, big)
        if is_distinct and not any(map(_is_customer, union.selects)):
            yield "distinct", union
    for select in tree.find_all(exp.Select):
        if any(_side(source, big) for source in _sources(select)):
            yield from _joins(select, big)
            yield from _groupings(select)


def _groupings(select: exp.Select) -> Iterator[tuple[str, exp.Expression]]:
    group, distinct = select.args.get("group"), select.args.get("distinct")
    if group and not any(map(_is_customer, group.expressions)):
        yield "group by", group
    if distinct:
        on = distinct.args.get("on")
        if not any(map(_is_customer, on.expressions if on else select.expressions)):
            yield "distinct", on or select
    for window in select.find_all(exp.Window):
        is_ours = window.parent_select is select and not _refers(window)
        if is_ours and not any(map(_is_customer, window.args.get("partition_by") or [])):
            yield "partition by", window


def _refers(window: exp.Window) -> bool:
    """Whether it is `over name`: the definition is looked at instead."""
    return bool(window.args.get("alias")) and not window.args.get("order")


def _is_customer(expression: exp.Expression) -> bool:
    """Whether it is a customer's id as it is stored: a column without a cast or a function."""
    if isinstance(expression, exp.Alias):
        expression = expression.this
    return isinstance(expression, exp.Column) and expression.name.endswith("customer_id")


def _sources(select: exp.Select) -> list[exp.Expression]:
    from_ = select.args.get("from_") or select.args.get("from")
    joins = select.args.get("joins") or []
    return [*([from_.this] if from_ else []), *(join.this for join in joins)]


def _big(tree: exp.Expression) -> dict[str, bool]:
    """Of each CTE, whether it reads a relation that grows with the customers."""
    big: dict[str, bool] = {}
    for cte in tree.find_all(exp.CTE):
        big[cte.alias] = False
    for _ in big:  # until what CTEs say of each other has come through
        for cte in tree.find_all(exp.CTE):
            big[cte.alias] = any(_is_big(table, big) for table in cte.this.find_all(exp.Table))
    return big


def _is_big(table: exp.Table, big: Mapping[str, bool]) -> bool:
    if not table.db and table.name in big:
        return big[table.name]
    return bool(table.db) and table.name not in SMALL


def _side(source: exp.Expression, big: Mapping[str, bool]) -> bool:
    return any(_is_big(table, big) for table in source.find_all(exp.Table))


def _joins(select: exp.Select, big: Mapping[str, bool]) -> Iterator[tuple[str, exp.Expression]]:
    sources = _sources(select)
    seen = bool(sources) and _side(sources[0], big)
    for join in select.args.get("joins") or []:
        is_big = _side(join.this, big)
        if is_big and seen and not _joins_customers(join):
            yield "join", join
        seen = seen or is_big
    where = select.args.get("where")
    for membership in where.find_all(exp.In) if where else []:
        query = membership.args.get("query")
        is_ours = query is not None and membership.parent_select is select
        if is_ours and _side(query, big) and not _is_customer(membership.this):
            yield "in", membership


def _joins_customers(join: exp.Join) -> bool:
    if any(name.name == "customer_id" for name in join.args.get("using") or []):
        return True
    condition = join.args.get("on")
    parts = condition.flatten() if isinstance(condition, exp.And) else [condition]
    return any(
        isinstance(part, exp.EQ) and _is_customer(part.left) and _is_customer(part.right)
        for part in parts
    )


def test_customer_grain_models_are_keyed_by_customer(models: list[Model]) -> None:
    found = {
        (model.name, kind): example
        for model in models
        if model.is_of_customers
        for kind, example in faults(model).items()
    }
    new = {key: example for key, example in found.items() if key not in EXCEPTIONS}
    assert not new, "\n".join(f"{' '.join(key)}: {example}" for key, example in new.items())
    assert not sorted(EXCEPTIONS.keys() - found), "These exceptions are needed no more."


def test_customer_grain_marts_carry_shop_and_customer(models: list[Model]) -> None:
    for model in models:
        if model.is_of_customers and model.schema in ("marts", "marketing"):
            assert model.columns["customer_id"] == "bigint", model.name
            assert model.columns.get("shop_id") == "bigint", model.name


def test_no_model_reads_a_clock_or_dice(models: list[Model]) -> None:
    found = set()
    for model in models:
        for text in model.sqls:
            for token in sqlglot.tokenize(text, read="postgres"):
                is_text = token.token_type == TokenType.STRING
                words = FORBIDDEN_TEXTS if is_text else FORBIDDEN.split()
                if token.text.lower().strip() in words:
                    found.add((model.name, token.text))
    assert not found


def test_no_model_leaves_an_order_to_chance(models: list[Model]) -> None:
    assert not {(model.name, fault) for model in models for fault in _chances(model)}


def _chances(model: Model) -> Iterator[str]:
    for tree in model.trees():
        for gathered in tree.find_all(exp.ArrayAgg, exp.GroupConcat, exp.JSONArrayAgg):
            if not gathered.find(exp.Order):
                yield gathered.sql("postgres")
        for select in tree.find_all(exp.Select):
            distinct = select.args.get("distinct")
            picks = select.args.get("limit") or (distinct and distinct.args.get("on"))
            if picks and not select.args.get("order"):
                yield select.sql("postgres")[:200]
        for window in tree.find_all(exp.Window):
            is_ordered = _refers(window) or window.args.get("order")
            if isinstance(window.this, ORDERED) and not is_ordered:
                yield window.sql("postgres")


@pytest.mark.parametrize("relation", PROMISED)
def test_the_promised_columns_are_there(warehouse: Database, models: Any, relation: str) -> None:
    with warehouse.connect() as connection:
        columns = connection.execute(
            "select column_name from information_schema.columns "
            "where table_schema = 'marts' and table_name = %s order by ordinal_position",
            [relation],
        ).fetchall()
    names = [name for (name,) in columns]
    assert names, f"marts.{relation} is not there"
    assert not set(PROMISED[relation].split()) - set(names)
    assert "shop_id" in names[:2] or relation == "dim_dates"
