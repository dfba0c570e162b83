"""Which oracle gives which relation's rows, under which key: every comparison reads this."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from oracles import (
    analytics,
    engagement,
    findings,
    kpis,
    lists,
    migrations,
    orders,
    points,
    standings,
    tiers,
    vintages,
)
from oracles.history import History, Row


@dataclass(frozen=True)
class Oracle:
    """A relation of marts, its key columns, and the rows that it must have.

    Attributes:
        key: The columns that tell the relation's rows apart.
        rows: From a history, the row (any of its columns) under each key; a key of one column is
            the plain value.
    """

    key: tuple[str, ...]
    rows: Callable[[History], Mapping[Any, Row]]

    def key_of(self, row: Row) -> Any:
        """The key of a row as `rows` gives it."""
        return row[self.key[0]] if len(self.key) == 1 else tuple(row[name] for name in self.key)


ORACLES = {
    "fct_point_ledger": Oracle(("transaction_id",), points.ledger),
    "fct_point_lots": Oracle(("lot_id",), points.lots),
    "fct_point_lot_allocations": Oracle(("lot_id", "transaction_id"), points.allocations),
    "fct_points_daily": Oracle(("shop_id", "date"), vintages.points_daily),
    "fct_point_vintages": Oracle(
        ("shop_id", "earn_month", "months_since"), vintages.point_vintages
    ),
    "fct_tier_progressions": Oracle(("tier_history_id",), tiers.progressions),
    "fct_tier_migrations": Oracle(
        ("shop_id", "month", "from_state", "to_state"), migrations.migrations
    ),
    "tier_standings": Oracle(("customer_id",), standings.standings),
    "fct_orders": Oracle(("shop_id", "order_id"), orders.orders),
    "loyalty_analytics": Oracle(("shop_id", "period_type", "date"), analytics.loyalty_analytics),
    "program_kpis": Oracle(("shop_id", "date"), kpis.program_kpis),
    "customer_cohorts": Oracle(("shop_id", "cohort_month", "months_since"), kpis.customer_cohorts),
    "customer_rfm": Oracle(("customer_id",), kpis.customer_rfm),
    "fct_redemptions": Oracle(("redemption_id",), engagement.redemptions),
    "fct_campaign_performance": Oracle(("campaign_id",), engagement.campaign_performance),
    "fct_referral_funnel": Oracle(("referral_link_id",), engagement.referral_funnel),
    "segment_sizes_daily": Oracle(("segment_id", "date"), lists.sizes),
    "segment_performance": Oracle(("segment_id",), lists.performance),
    "data_quality_findings": Oracle(("check", "relation", "key"), findings.findings),
}
