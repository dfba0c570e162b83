"""The campaigns and who takes part in them."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    Index,
    String,
    Table,
    Text,
    UniqueConstraint,
)

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
    positive,
    reference,
)

campaigns = Table(
    "campaigns",
    metadata,
    identity(),
    reference("shop_id", "shops"),
    Column("name", String(200), nullable=False),
    Column("description", Text),
    Column("campaign_type", String(50)),
    moment("start_date", nullable=False),
    moment("end_date", nullable=False),
    Column("rules", JSON),
    integer("bonus_points", 0),
    money("bonus_multiplier", "1.00", precision=3),
    flag("target_all_customers", True),
    Column("target_tier_ids", JSON),
    Column("target_customer_ids", JSON),
    integer("max_participants"),
    money("budget_limit"),
    integer("current_participants", 0),
    money("current_spend", "0"),
    Column("status", String(20)),
    flag("is_featured", False),
    moment("created_at", default_now=True),
    moment("updated_at"),
    Column("created_by", String(100)),
    archived_at(),
    CheckConstraint("end_date > start_date", name="end_date_after_start_date"),
    positive("max_participants"),
    positive("budget_limit"),
    one_of("campaign_type", enumerations.CAMPAIGN_TYPES),
    one_of("status", enumerations.CAMPAIGN_STATUSES),
    Index(None, "shop_id", "status"),
    Index(None, "start_date", "end_date"),
)

campaign_participations = Table(
    "campaign_participations",
    metadata,
    identity(),
    reference("campaign_id", "campaigns"),
    reference("customer_id", "customer_loyalty_profiles"),
    moment("joined_at", default_now=True),
    integer("points_earned", 0),
    integer("orders_made", 0),
    money("amount_spent", "0"),
    flag("is_active", True),
    moment("completed_at"),
    UniqueConstraint("campaign_id", "customer_id"),
    Index(None, "campaign_id", "joined_at"),
)
