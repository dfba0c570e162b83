"""What the warehouse reads and writes in the application's tables, and nothing more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from orchestration.operational.tables import OURS, loyalty_analytics, shops

NEVER_READ: frozenset[sa.Column[Any]] = frozenset({shops.c.access_token})
"""Secrets: they need neither be there nor be readable."""

_MEMBERSHIP = (
    "added_at",
    "removed_at",
    "is_active",
    "qualification_reason",
    "qualification_data",
)
_PERIOD = tuple(
    column.name for column in loyalty_analytics.columns if column.name not in ("id", "shop_id")
)

UPDATED_COLUMNS: dict[str, Sequence[str]] = {
    "customer_segments": (
        "customer_count",
        "avg_lifetime_value",
        "avg_points_balance",
        "last_computed_at",
    ),
    "campaigns": ("target_customer_ids", "target_all_customers"),
    "customer_segment_memberships": _MEMBERSHIP,
    "loyalty_analytics": tuple(name for name in _PERIOD if name != "period_type"),
}
"""The columns that activation sets on rows that are there."""

INSERTED_COLUMNS: dict[str, Sequence[str]] = {
    "customer_segment_memberships": ("segment_id", "customer_id", *_MEMBERSHIP),
    "loyalty_analytics": ("shop_id", *_PERIOD),
}
"""The columns that activation sets on new rows; their ids come from the tables' sequences."""

DELETED_TABLES = ("loyalty_analytics",)
"""The tables that activation deletes rows of its own from."""


def columns_read(table: sa.Table) -> list[sa.Column[Any]]:
    """The columns that every deployment must have: all but secrets and our own copy's additions."""
    return [
        column for column in table.columns if column not in NEVER_READ and OURS not in column.info
    ]
