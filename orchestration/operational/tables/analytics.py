"""What the application shows about a program: its figures by period, segments and their members."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Index, String, Table, Text, UniqueConstraint

from orchestration.operational import enumerations
from orchestration.operational.tables._parts import (
    archived_at,
    flag,
    identity,
    integer,
    metadata,
    moment,
    money,
    one_of,
    reference,
)

loyalty_analytics = Table(
    "loyalty_analytics",
    metadata,
    identity(),
    reference("shop_id", "shops"),
    moment("date", nullable=False),
    Column("period_type", String(20), nullable=False),
    integer("total_customers", 0),
    integer("active_customers", 0),
    integer("new_customers", 0),
    integer("points_earned", 0),
    integer("points_redeemed", 0),
    integer("points_expired", 0),
    money("total_revenue", "0"),
    money("loyalty_revenue", "0"),
    integer("redemptions_count", 0),
    integer("referrals_count", 0),
    integer("campaign_participations", 0),
    Column("tier_distributions", JSON),
    integer("tier_upgrades", 0),
    integer("tier_downgrades", 0),
    moment("computed_at", default_now=True),
    UniqueConstraint("shop_id", "date", "period_type"),
    one_of("period_type", enumerations.PERIOD_TYPES),
    Index(None, "shop_id", "date"),
    Index(None, "period_type", "date"),
)

customer_segments = Table(
    "customer_segments",
    metadata,
    identity(),
    reference("shop_id", "shops"),
    Column("name", String(100), nullable=False),
    Column("description", Text),
    Column("segment_type", String(50)),
    Column("criteria", JSON, nullable=False),
    integer("customer_count", 0),
    money("avg_lifetime_value", "0"),
    integer("avg_points_balance", 0),
    flag("is_active", True),
    flag("auto_update", True),
    moment("created_at", default_now=True),
    moment("updated_at"),
    moment("last_computed_at"),
    archived_at(),
    UniqueConstraint("shop_id", "name"),
    one_of("segment_type", enumerations.SEGMENT_TYPES),
    Index(None, "shop_id", "is_active"),
)

customer_segment_memberships = Table(
    "customer_segment_memberships",
    metadata,
    identity(),
    reference("segment_id", "customer_segments"),
    reference("customer_id", "customer_loyalty_profiles"),
    moment("added_at", default_now=True),
    moment("removed_at"),
    flag("is_active", True),
    Column("qualification_reason", String(200)),
    Column("qualification_data", JSON),
    UniqueConstraint("segment_id", "customer_id"),
    Index(None, "segment_id", "is_active"),
    Index(None, "customer_id", "is_active"),
)
