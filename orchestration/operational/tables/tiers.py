"""The tiers of a shop's program and who held which when."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, Text, UniqueConstraint

from orchestration.operational import enumerations
from orchestration.operational.tables._parts import (
    archived_at,
    flag,
    identity,
    integer,
    metadata,
    moment,
    money,
    nonnegative,
    one_of,
    positive,
    reference,
)

tier_definitions = Table(
    "tier_definitions",
    metadata,
    identity(),
    reference("shop_id", "shops"),
    Column("name", String(100), nullable=False),
    Column("description", Text),
    Column("tier_level", Integer, nullable=False),
    Column("color", String(7)),
    Column("icon", String(50)),
    Column("tier_type", String(20)),
    integer("min_points_required", 0),
    money("min_spend_required", "0"),
    integer("min_orders_required", 0),
    integer("qualification_period_days", 365),
    money("points_multiplier", "1.00", precision=3),
    money("discount_percentage", "0", precision=5),
    flag("free_shipping", False),
    flag("early_access", False),
    integer("birthday_bonus_points", 0),
    flag("requires_maintenance", False),
    integer("maintenance_period_days", 365),
    flag("is_active", True),
    flag("is_default", False),
    moment("created_at", default_now=True),
    moment("updated_at"),
    archived_at(),
    UniqueConstraint("shop_id", "name"),
    UniqueConstraint("shop_id", "tier_level"),
    positive("tier_level"),
    nonnegative("min_points_required"),
    nonnegative("min_spend_required"),
    nonnegative("min_orders_required"),
    positive("points_multiplier"),
    one_of("tier_type", enumerations.TIER_TYPES),
    Index(None, "tier_level"),
)

customer_tier_history = Table(
    "customer_tier_history",
    metadata,
    identity(),
    reference("customer_id", "customer_loyalty_profiles"),
    reference("tier_id", "tier_definitions"),
    moment("achieved_at", default_now=True),
    moment("expires_at"),
    Column("reason", String(100)),
    integer("points_at_achievement"),
    money("spend_at_achievement"),
    integer("orders_at_achievement"),
    flag("is_current", True),
    moment("ended_at"),
    one_of("reason", enumerations.TIER_CHANGE_REASONS),
    Index(None, "customer_id", "achieved_at"),
    Index(None, "customer_id", "is_current"),
)
