"""What the warehouse reads and writes in the application's tables, and nothing more."""

from __future__ import annotations

from typing import Any, LiteralString

import sqlalchemy as sa

from orchestration.operational.tables import OURS, shops

NEVER_READ: frozenset[sa.Column[Any]] = frozenset({shops.c.access_token})
"""Secrets: they need neither be there nor be readable."""

UPDATED_COLUMNS = {
    "customer_segments": (
        "customer_count",
        "avg_lifetime_value",
        "avg_points_balance",
        "last_computed_at",
    ),
    "campaigns": ("target_customer_ids", "target_all_customers"),
}
"""The columns that activation sets on rows that stay the application's."""

KEPT_TABLES: dict[str, LiteralString] = {
    "customer_segment_memberships": "insert, update",
    "loyalty_analytics": "insert, update, delete",
}
"""The tables whose rows activation keeps, and the privileges that this takes."""


def columns_read(table: sa.Table) -> list[sa.Column[Any]]:
    """The columns that every deployment must have: all but secrets and our own copy's additions."""
    return [
        column for column in table.columns if column not in NEVER_READ and OURS not in column.info
    ]
