"""What is wrong in a history's rows, row by row, from the description of data_quality_findings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from statistics import median_low
from typing import Any

import sqlalchemy as sa

from oracles.history import History, Row, clean
from oracles.points import EVER_AGO, entries, exists, ledger, lots
from oracles.tiers import spans_by_customer
from orchestration.operational import enumerations
from orchestration.operational.tables import metadata

DATED = {
    "customer_loyalty_profiles": "created_at",
    "point_transactions": "created_at",
    "customer_tier_history": "achieved_at",
    "redemption_logs": "redeemed_at",
    "campaign_participations": "joined_at",
    "referral_clicks": "clicked_at",
    "referral_conversions": "converted_at",
}
"""The columns that say since when a row is there."""

KNOWN = {
    ("point_transactions", "transaction_type"): enumerations.TRANSACTION_TYPES,
    ("point_transactions", "source"): enumerations.TRANSACTION_SOURCES,
    ("point_transactions", "created_by"): enumerations.TRANSACTION_CREATORS,
    ("tier_definitions", "tier_type"): enumerations.TIER_TYPES,
    ("customer_tier_history", "reason"): enumerations.TIER_CHANGE_REASONS,
    ("reward_definitions", "reward_type"): enumerations.REWARD_TYPES,
    ("redemption_logs", "status"): enumerations.REDEMPTION_STATUSES,
    ("campaigns", "campaign_type"): enumerations.CAMPAIGN_TYPES,
    ("campaigns", "status"): enumerations.CAMPAIGN_STATUSES,
    ("referral_conversions", "status"): enumerations.CONVERSION_STATUSES,
    ("loyalty_analytics", "period_type"): enumerations.PERIOD_TYPES,
    ("customer_segments", "segment_type"): enumerations.SEGMENT_TYPES,
}

POSITIVE = {
    "shops": ("points_per_dollar",),
    "tier_definitions": ("tier_level", "points_multiplier"),
    "reward_definitions": ("points_cost", "max_redemptions_per_customer", "max_redemptions_total"),
    "redemption_logs": ("points_spent",),
    "campaigns": ("bonus_multiplier", "max_participants", "budget_limit"),
    "referral_links": ("max_uses",),
    "referral_conversions": ("order_amount",),
}
NOT_NEGATIVE = {
    "customer_loyalty_profiles": ("points_balance", "lifetime_points_earned", "lifetime_spent"),
    "point_transactions": ("points_balance_after",),
    "tier_definitions": ("min_points_required", "min_spend_required", "min_orders_required"),
    "reward_definitions": ("current_redemptions",),
    "referral_links": ("referrer_points", "referee_points", "current_uses"),
}

PARENTS = {
    "shop_id": ("shop", "shops"),
    "customer_id": ("customer", "customer_loyalty_profiles"),
    "referred_customer_id": ("customer", "customer_loyalty_profiles"),
    "current_tier_id": ("tier", "tier_definitions"),
    "tier_id": ("tier", "tier_definitions"),
    "reward_id": ("reward", "reward_definitions"),
    "campaign_id": ("campaign", "campaigns"),
    "segment_id": ("segment", "customer_segments"),
    "referral_link_id": ("referral_link", "referral_links"),
}
"""By column: what it refers to, and the table of that. The redemption of an entry is for itself."""

OWNERS = {
    "point_transactions": "customer_id",
    "customer_tier_history": "customer_id",
    "redemption_logs": "customer_id",
    "campaign_participations": "customer_id",
    "referral_clicks": "referral_link_id",
    "referral_conversions": "referral_link_id",
    "customer_segment_memberships": "segment_id",
}
"""Of whose rows with the same fault there is one finding; of other tables each row has its own."""


@dataclass(frozen=True)
class Fault:
    relation: str
    check: str
    row_id: int
    shop_id: int | None
    owner: Any = None
    subject: Any = None
    is_shared: bool = False


def findings(history: History) -> dict[tuple[str, str, str], Row]:
    """data_quality_findings by (check, relation, key), with the shop of each."""
    program = _Program(history)
    of_owners = _first(program.faults(), lambda fault: (fault.owner, fault.subject))
    own = [fault for fault in of_owners if not fault.is_shared]
    shared = [fault for fault in of_owners if fault.is_shared]
    every = [
        *own,
        *_first(shared, lambda fault: (fault.shop_id, fault.subject)),
        *_of_ledgers(history, program),
        *_outsized(history, program),
    ]
    result = {(f.check, f.relation, str(f.row_id)): {"shop_id": f.shop_id} for f in every}
    assert len(result) == len(every)
    return result


def _first(faults: Iterable[Fault], cause: Callable[[Fault], Any]) -> list[Fault]:
    """The fault with the least row id of each relation, check and cause."""
    found: dict[Any, Fault] = {}
    for fault in faults:
        key = (fault.relation, fault.check, cause(fault))
        if key not in found or fault.row_id < found[key].row_id:
            found[key] = fault
    return list(found.values())


class _Program:
    """The rows that exist as of the history's instant, and whose they are."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.tables = {
            name: {
                row["id"]: row
                for row in history.rows(name)
                if name not in DATED or exists(row.get(DATED[name]), history.as_of)
            }
            for name in metadata.tables
        }
        self.open_tiers = {
            customer: span["tier_id"]
            for customer, spans in spans_by_customer(history).items()
            for span in spans
            if span["is_current"]
        }

    def shop_of(self, table: str, row_id: Any) -> int | None:
        """The shop of a row that the application has, also of one that is dated later."""
        for row in self.history.rows(table):
            if row["id"] == row_id:
                return self.shop(table, row)
        return None

    def shop(self, table: str, row: Row) -> int | None:
        if table == "shops":
            return int(row["id"])
        if "shop_id" in metadata.tables[table].columns:
            return row.get("shop_id")
        ways = (
            ["segment_id", "customer_id"]
            if table == "customer_segment_memberships"
            else [*(name for name in PARENTS if name.endswith("customer_id")), *PARENTS]
        )
        for name in ways:
            shop = self.shop_of(PARENTS[name][1], row.get(name)) if name in row else None
            if shop is not None:
                return shop
        return None

    def faults(self) -> Iterator[Fault]:
        for table, rows in self.tables.items():
            for row in rows.values():
                shop = self.shop(table, row)
                owner = row.get(OWNERS[table]) if table in OWNERS else row["id"]
                own: list[str] = [*_by_itself(table, row), *_SPECIAL.get(table, _none)(self, row)]
                for check in own:
                    yield Fault(table, check, row["id"], shop, owner)
                for check, subject in [*_unknown(table, row), *self._references(table, row, shop)]:
                    yield Fault(table, check, row["id"], shop, owner, subject, is_shared=True)

    def _references(self, table: str, row: Row, shop: int | None) -> Iterator[tuple[str, Any]]:
        for name, (thing, parent) in PARENTS.items():
            value = row.get(name)
            if name not in metadata.tables[table].columns or value is None:
                continue
            if value not in self.tables[parent]:
                yield f"missing_{thing}", value
            if thing in ("shop", "customer") or table == "referral_clicks":
                continue
            other = self.shop_of(parent, value)
            if table != "customer_segment_memberships" and other not in (None, shop):
                yield f"{thing}_of_another_shop", value


def _none(program: _Program, row: Row) -> Iterator[str]:
    return iter(())


def _by_itself(table: str, row: Row) -> Iterator[str]:
    columns = metadata.tables[table].columns
    times = [c.name for c in columns if isinstance(c.type, sa.DateTime) and c.name != "birthday"]
    if any(row.get(name) is not None and clean(row[name]) is None for name in times):
        yield "invalid_time"
    amounts = [c.name for c in columns if isinstance(c.type, sa.Numeric)]
    if (
        any(_is_beyond(row.get(name)) for name in amounts)
        or any(_holds(row.get(name), lambda n: n <= 0) for name in POSITIVE.get(table, ()))
        or any(_holds(row.get(name), lambda n: n < 0) for name in NOT_NEGATIVE.get(table, ()))
        or (table == "point_transactions" and row["points_amount"] == 0)
    ):
        yield "out_of_range"


def _is_beyond(value: Any) -> bool:
    return value is not None and (
        not Decimal(value).is_finite() or abs(round(Decimal(value), 2)) >= 10**12
    )


def _holds(value: Any, condition: Callable[[Decimal], bool]) -> bool:
    return value is not None and Decimal(value).is_finite() and condition(Decimal(value))


def _unknown(table: str, row: Row) -> Iterator[tuple[str, Any]]:
    for (name, column), known in KNOWN.items():
        value = row.get(column)
        if name == table and value is not None and value not in known:
            hidden = column in ("created_by", "reason") or " " in value or "@" in value
            yield f"unknown_{column}", None if hidden else value


def _of_transaction(program: _Program, row: Row) -> Iterator[str]:
    kind, amount = row["transaction_type"], row["points_amount"]
    if (kind in ("redeemed", "expired") and amount > 0) or (
        kind in ("earned", "bonus") and amount < 0
    ):
        yield "wrong_sign"
    redemption_id = row.get("redemption_id")
    if redemption_id is not None:
        redemption = program.tables["redemption_logs"].get(redemption_id)
        if redemption is None or redemption["customer_id"] != row["customer_id"]:
            yield "missing_redemption"
        elif kind == "redeemed" and -amount != redemption["points_spent"]:
            yield "redemption_mismatch"


def _of_span(program: _Program, row: Row) -> Iterator[str]:
    spans = [
        span
        for span in program.tables["customer_tier_history"].values()
        if span["customer_id"] == row["customer_id"]
    ]
    spans.sort(key=lambda span: (clean(span["achieved_at"]) or EVER_AGO, span["id"]))
    later = spans[spans.index(row) + 1 :]
    began, ended = clean(row["achieved_at"]), clean(row.get("ended_at"))
    if began and ended and ended < began:
        yield "ends_before_it_begins"
    following: datetime | None = clean(later[0]["achieved_at"]) if later else None
    if following and (ended > following if ended else row.get("is_current") is not False):
        yield "overlapping_spans"
    if row.get("is_current") and sum(bool(span.get("is_current")) for span in spans) > 1:
        yield "several_current_spans"
    is_open = not later and (ended is None or ended > program.history.as_of)
    if row.get("is_current") is not None and row.get("is_current") != is_open:
        yield "wrong_is_current"


def _of_profile(program: _Program, row: Row) -> Iterator[str]:
    if row.get("current_tier_id") != program.open_tiers.get(row["id"]):
        yield "tier_mismatch"


def _of_tier(program: _Program, row: Row) -> Iterator[str]:
    if any(
        other["id"] < row["id"]
        and (other["shop_id"], other["tier_level"]) == (row["shop_id"], row["tier_level"])
        for other in program.tables["tier_definitions"].values()
    ):
        yield "duplicate_tier_level"


def _of_campaign(program: _Program, row: Row) -> Iterator[str]:
    begins, ends = clean(row["start_date"]), clean(row["end_date"])
    if begins and ends and ends <= begins:
        yield "ends_before_it_begins"


def _of_membership(program: _Program, row: Row) -> Iterator[str]:
    shops = {
        program.shop_of("customer_segments", row["segment_id"]),
        program.shop_of("customer_loyalty_profiles", row["customer_id"]),
    }
    if len(shops - {None}) > 1:
        yield "customer_of_another_shop"


_SPECIAL: dict[str, Callable[[_Program, Row], Iterator[str]]] = {
    "point_transactions": _of_transaction,
    "customer_tier_history": _of_span,
    "customer_loyalty_profiles": _of_profile,
    "tier_definitions": _of_tier,
    "campaigns": _of_campaign,
    "customer_segment_memberships": _of_membership,
}


def _of_ledgers(history: History, program: _Program) -> Iterator[Fault]:
    balances, expired = ledger(history), defaultdict(list)
    for lot_id, lot in lots(history).items():
        if lot["lot_status"] == "expired_unposted":
            expired[lot["customer_id"]].append(lot_id)
    by_customer = entries(history)
    for customer, profile in program.tables["customer_loyalty_profiles"].items():
        shop = profile["shop_id"]
        rows = [balances[row["id"]] | {"id": row["id"]} for row in by_customer.get(customer, [])]
        for check, concerned in (
            ("balance_drift", [row["id"] for row in rows if row["balance_drift"]]),
            ("negative_balance", [row["id"] for row in rows if row["balance_after"] < 0]),
            ("unposted_expiry", sorted(expired[customer])),
        ):
            if concerned:
                yield Fault("point_transactions", check, concerned[0], shop)
        recorded = profile.get("points_balance")
        if recorded is not None and recorded != (rows[-1]["balance_after"] if rows else 0):
            yield Fault("customer_loyalty_profiles", "balance_mismatch", customer, shop)


def _outsized(history: History, program: _Program) -> Iterator[Fault]:
    largest: dict[int, dict[int, tuple[int, int]]] = defaultdict(dict)
    for customer, rows in entries(history).items():
        shop = program.tables["customer_loyalty_profiles"][customer]["shop_id"]
        points, row_id = max((abs(row["points_amount"]), -row["id"]) for row in rows)
        largest[shop][customer] = points, -row_id
    for shop, customers in largest.items():
        usual = median_low(points for points, _ in customers.values())
        for points, row_id in customers.values():
            if len(customers) >= 10 and points > max(100 * usual, 10_000):
                yield Fault("point_transactions", "outsized_entry", row_id, shop)
