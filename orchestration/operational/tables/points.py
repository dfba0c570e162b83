"""The point transactions: the application's ledger."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, Integer, String, Table, Text

from orchestration.operational import enumerations
from orchestration.operational.tables._parts import (
    identity,
    metadata,
    moment,
    nonnegative,
    one_of,
    reference,
)

point_transactions = Table(
    "point_transactions",
    metadata,
    identity(),
    reference("customer_id", "customer_loyalty_profiles"),
    Column("transaction_type", String(20), nullable=False),
    Column("points_amount", Integer, nullable=False),
    Column("points_balance_after", Integer, nullable=False),
    Column("source", String(20), nullable=False),
    Column("source_id", String(100)),
    Column("description", Text),
    Column("order_id", String(100)),
    reference("campaign_id", "campaigns", nullable=True),
    reference("redemption_id", "redemption_logs", nullable=True),
    moment("expires_at"),
    moment("expired_at"),
    moment("created_at", default_now=True),
    Column("created_by", String(50), server_default="system"),
    CheckConstraint("points_amount <> 0", name="points_amount_nonzero"),
    nonnegative("points_balance_after"),
    one_of("transaction_type", enumerations.TRANSACTION_TYPES),
    one_of("source", enumerations.TRANSACTION_SOURCES),
    one_of("created_by", enumerations.TRANSACTION_CREATORS),
    Index(None, "customer_id", "created_at"),
    Index(None, "transaction_type", "source"),
    Index(None, "expires_at"),
)
