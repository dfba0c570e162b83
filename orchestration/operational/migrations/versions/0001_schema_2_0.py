"""Schema version 2.0: the 15 tables, with defaults, enumerations and archive flags."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the tables, in the order of their foreign keys."""
    op.create_table(
        "shops",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_domain", sa.String(length=255), nullable=False),
        sa.Column("access_token", sa.String(length=255)),
        sa.Column("loyalty_enabled", sa.Boolean(), server_default=sa.text("true")),
        sa.Column(
            "points_per_dollar", sa.Numeric(precision=10, scale=2), server_default=sa.text("1.00")
        ),
        sa.Column("welcome_points", sa.Integer(), server_default=sa.text("100")),
        sa.Column("referral_points_referrer", sa.Integer(), server_default=sa.text("500")),
        sa.Column("referral_points_referee", sa.Integer(), server_default=sa.text("250")),
        sa.Column("points_expire_enabled", sa.Boolean(), server_default=sa.text("false")),
        sa.Column("points_expire_days", sa.Integer(), server_default=sa.text("365")),
        sa.Column("brand_color", sa.String(length=7), server_default="#8B5CF6"),
        sa.Column("loyalty_program_name", sa.String(length=100), server_default="Loyalty Program"),
        sa.Column("email_notifications_enabled", sa.Boolean(), server_default=sa.text("true")),
        sa.Column("sms_notifications_enabled", sa.Boolean(), server_default=sa.text("false")),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()")),
        sa.Column("updated_at", sa.DateTime(timezone=True)),
        sa.Column("archived_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_shops"),
        sa.UniqueConstraint("shop_domain", name="uq_shops_shop_domain"),
    )
    op.create_table(
        "campaigns",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("campaign_type", sa.String(length=50)),
        sa.Column("start_date", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end_date", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rules", sa.JSON()),
        sa.Column("bonus_points", sa.Integer(), server_default=sa.text("0")),
        sa.Column(
            "bonus_multiplier", sa.Numeric(precision=3, scale=2), server_default=sa.text("1.00")
        ),
        sa.Column("target_all_customers", sa.Boolean(), server_default=sa.text("true")),
        sa.Column("target_tier_ids", sa.JSON()),
        sa.Column("target_customer_ids", sa.JSON()),
        sa.Column("max_participants", sa.Integer()),
        sa.Column("budget_limit", sa.Numeric(precision=12, scale=2)),
        sa.Column("current_participants", sa.Integer(), server_default=sa.text("0")),
        sa.Column("current_spend", sa.Numeric(precision=12, scale=2), server_default=sa.text("0")),
        sa.Column("status", sa.String(length=20)),
        sa.Column("is_featured", sa.Boolean(), server_default=sa.text("false")),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()")),
        sa.Column("updated_at", sa.DateTime(timezone=True)),
        sa.Column("created_by", sa.String(length=100)),
        sa.Column("archived_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "campaign_type in ('points_bonus', 'tier_promotion', 'referral_boost')",
            name="ck_campaigns_campaign_type_known",
        ),
        sa.CheckConstraint(
            "status in ('draft', 'active', 'paused', 'completed', 'cancelled')",
            name="ck_campaigns_status_known",
        ),
        sa.CheckConstraint("budget_limit > 0", name="ck_campaigns_budget_limit_positive"),
        sa.CheckConstraint("end_date > start_date", name="ck_campaigns_end_date_after_start_date"),
        sa.CheckConstraint("max_participants > 0", name="ck_campaigns_max_participants_positive"),
        sa.ForeignKeyConstraint(
            ["shop_id"], ["shops.id"], name="fk_campaigns_shop_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_campaigns"),
    )
    op.create_index("ix_campaigns_shop_id_status", "campaigns", ["shop_id", "status"])
    op.create_index("ix_campaigns_start_date_end_date", "campaigns", ["start_date", "end_date"])
    op.create_table(
        "customer_segments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("segment_type", sa.String(length=50)),
        sa.Column("criteria", sa.JSON(), nullable=False),
        sa.Column("customer_count", sa.Integer(), server_default=sa.text("0")),
        sa.Column(
            "avg_lifetime_value", sa.Numeric(precision=12, scale=2), server_default=sa.text("0")
        ),
        sa.Column("avg_points_balance", sa.Integer(), server_default=sa.text("0")),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true")),
        sa.Column("auto_update", sa.Boolean(), server_default=sa.text("true")),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()")),
        sa.Column("updated_at", sa.DateTime(timezone=True)),
        sa.Column("last_computed_at", sa.DateTime(timezone=True)),
        sa.Column("archived_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "segment_type in ('behavioral', 'demographic', 'value')",
            name="ck_customer_segments_segment_type_known",
        ),
        sa.ForeignKeyConstraint(
            ["shop_id"], ["shops.id"], name="fk_customer_segments_shop_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_customer_segments"),
        sa.UniqueConstraint("shop_id", "name", name="uq_customer_segments_shop_id_name"),
    )
    op.create_index(
        "ix_customer_segments_shop_id_is_active", "customer_segments", ["shop_id", "is_active"]
    )
    op.create_table(
        "loyalty_analytics",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("date", sa.DateTime(timezone=True), nullable=False),
        sa.Column("period_type", sa.String(length=20), nullable=False),
        sa.Column("total_customers", sa.Integer(), server_default=sa.text("0")),
        sa.Column("active_customers", sa.Integer(), server_default=sa.text("0")),
        sa.Column("new_customers", sa.Integer(), server_default=sa.text("0")),
        sa.Column("points_earned", sa.Integer(), server_default=sa.text("0")),
        sa.Column("points_redeemed", sa.Integer(), server_default=sa.text("0")),
        sa.Column("points_expired", sa.Integer(), server_default=sa.text("0")),
        sa.Column("total_revenue", sa.Numeric(precision=12, scale=2), server_default=sa.text("0")),
        sa.Column(
            "loyalty_revenue", sa.Numeric(precision=12, scale=2), server_default=sa.text("0")
        ),
        sa.Column("redemptions_count", sa.Integer(), server_default=sa.text("0")),
        sa.Column("referrals_count", sa.Integer(), server_default=sa.text("0")),
        sa.Column("campaign_participations", sa.Integer(), server_default=sa.text("0")),
        sa.Column("tier_distributions", sa.JSON()),
        sa.Column("tier_upgrades", sa.Integer(), server_default=sa.text("0")),
        sa.Column("tier_downgrades", sa.Integer(), server_default=sa.text("0")),
        sa.Column("computed_at", sa.DateTime(timezone=True), server_default=sa.text("now()")),
        sa.CheckConstraint(
            "period_type in ('daily', 'weekly', 'monthly')",
            name="ck_loyalty_analytics_period_type_known",
        ),
        sa.ForeignKeyConstraint(
            ["shop_id"], ["shops.id"], name="fk_loyalty_analytics_shop_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_loyalty_analytics"),
        sa.UniqueConstraint(
            "shop_id", "date", "period_type", name="uq_loyalty_analytics_shop_id_date_period_type"
        ),
    )
    op.create_index(
        "ix_loyalty_analytics_period_type_date", "loyalty_analytics", ["period_type", "date"]
    )
    op.create_index("ix_loyalty_analytics_shop_id_date", "loyalty_analytics", ["shop_id", "date"])
    op.create_table(
        "reward_definitions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("reward_type", sa.String(length=30), nullable=False),
        sa.Column("points_cost", sa.Integer(), nullable=False),
        sa.Column("reward_value", sa.JSON()),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true")),
        sa.Column("is_featured", sa.Boolean(), server_default=sa.text("false")),
        sa.Column("max_redemptions_per_customer", sa.Integer()),
        sa.Column("max_redemptions_total", sa.Integer()),
        sa.Column("current_redemptions", sa.Integer(), server_default=sa.text("0")),
        sa.Column("valid_from", sa.DateTime(timezone=True)),
        sa.Column("valid_until", sa.DateTime(timezone=True)),
        sa.Column("min_tier_level", sa.Integer(), server_default=sa.text("1")),
        sa.Column("allowed_tier_ids", sa.JSON()),
        sa.Column("image_url", sa.String(length=500)),
        sa.Column("sort_order", sa.Integer(), server_default=sa.text("0")),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()")),
        sa.Column("updated_at", sa.DateTime(timezone=True)),
        sa.Column("archived_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "reward_type in ('discount_percentage', 'discount_fixed', 'free_shipping',"
            " 'free_product', 'store_credit', 'custom')",
            name="ck_reward_definitions_reward_type_known",
        ),
        sa.CheckConstraint(
            "current_redemptions >= 0", name="ck_reward_definitions_current_redemptions_nonnegative"
        ),
        sa.CheckConstraint(
            "max_redemptions_per_customer > 0",
            name="ck_reward_definitions_max_redemptions_per_customer_positive",
        ),
        sa.CheckConstraint(
            "max_redemptions_total > 0", name="ck_reward_definitions_max_redemptions_total_positive"
        ),
        sa.CheckConstraint("points_cost > 0", name="ck_reward_definitions_points_cost_positive"),
        sa.ForeignKeyConstraint(
            ["shop_id"], ["shops.id"], name="fk_reward_definitions_shop_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_reward_definitions"),
    )
    op.create_index(
        "ix_reward_definitions_min_tier_level", "reward_definitions", ["min_tier_level"]
    )
    op.create_index("ix_reward_definitions_points_cost", "reward_definitions", ["points_cost"])
    op.create_index(
        "ix_reward_definitions_shop_id_is_active", "reward_definitions", ["shop_id", "is_active"]
    )
    op.create_table(
        "tier_definitions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("description", sa.Text()),
        sa.Column("tier_level", sa.Integer(), nullable=False),
        sa.Column("color", sa.String(length=7)),
        sa.Column("icon", sa.String(length=50)),
        sa.Column("tier_type", sa.String(length=20)),
        sa.Column("min_points_required", sa.Integer(), server_default=sa.text("0")),
        sa.Column(
            "min_spend_required", sa.Numeric(precision=12, scale=2), server_default=sa.text("0")
        ),
        sa.Column("min_orders_required", sa.Integer(), server_default=sa.text("0")),
        sa.Column("qualification_period_days", sa.Integer(), server_default=sa.text("365")),
        sa.Column(
            "points_multiplier", sa.Numeric(precision=3, scale=2), server_default=sa.text("1.00")
        ),
        sa.Column(
            "discount_percentage", sa.Numeric(precision=5, scale=2), server_default=sa.text("0")
        ),
        sa.Column("free_shipping", sa.Boolean(), server_default=sa.text("false")),
        sa.Column("early_access", sa.Boolean(), server_default=sa.text("false")),
        sa.Column("birthday_bonus_points", sa.Integer(), server_default=sa.text("0")),
        sa.Column("requires_maintenance", sa.Boolean(), server_default=sa.text("false")),
        sa.Column("maintenance_period_days", sa.Integer(), server_default=sa.text("365")),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true")),
        sa.Column("is_default", sa.Boolean(), server_default=sa.text("false")),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()")),
        sa.Column("updated_at", sa.DateTime(timezone=True)),
        sa.Column("archived_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "tier_type in ('points_based', 'spend_based', 'hybrid')",
            name="ck_tier_definitions_tier_type_known",
        ),
        sa.CheckConstraint(
            "min_orders_required >= 0", name="ck_tier_definitions_min_orders_required_nonnegative"
        ),
        sa.CheckConstraint(
            "min_points_required >= 0", name="ck_tier_definitions_min_points_required_nonnegative"
        ),
        sa.CheckConstraint(
            "min_spend_required >= 0", name="ck_tier_definitions_min_spend_required_nonnegative"
        ),
        sa.CheckConstraint(
            "points_multiplier > 0", name="ck_tier_definitions_points_multiplier_positive"
        ),
        sa.CheckConstraint("tier_level > 0", name="ck_tier_definitions_tier_level_positive"),
        sa.ForeignKeyConstraint(
            ["shop_id"], ["shops.id"], name="fk_tier_definitions_shop_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_tier_definitions"),
        sa.UniqueConstraint("shop_id", "name", name="uq_tier_definitions_shop_id_name"),
        sa.UniqueConstraint("shop_id", "tier_level", name="uq_tier_definitions_shop_id_tier_level"),
    )
    op.create_index("ix_tier_definitions_tier_level", "tier_definitions", ["tier_level"])
    op.create_table(
        "customer_loyalty_profiles",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("shopify_customer_id", sa.String(length=50), nullable=False),
        sa.Column("email", sa.String(length=255)),
        sa.Column("first_name", sa.String(length=100)),
        sa.Column("last_name", sa.String(length=100)),
        sa.Column("phone", sa.String(length=20)),
        sa.Column("points_balance", sa.Integer(), server_default=sa.text("0")),
        sa.Column("lifetime_points_earned", sa.Integer(), server_default=sa.text("0")),
        sa.Column("lifetime_points_redeemed", sa.Integer(), server_default=sa.text("0")),
        sa.Column("lifetime_spent", sa.Numeric(precision=12, scale=2), server_default=sa.text("0")),
        sa.Column("lifetime_orders", sa.Integer(), server_default=sa.text("0")),
        sa.Column("current_tier_id", sa.Integer()),
        sa.Column("tier_achieved_at", sa.DateTime(timezone=True)),
        sa.Column("tier_expires_at", sa.DateTime(timezone=True)),
        sa.Column("last_purchase_at", sa.DateTime(timezone=True)),
        sa.Column("last_login_at", sa.DateTime(timezone=True)),
        sa.Column("last_points_earned_at", sa.DateTime(timezone=True)),
        sa.Column("email_opt_in", sa.Boolean(), server_default=sa.text("true")),
        sa.Column("sms_opt_in", sa.Boolean(), server_default=sa.text("false")),
        sa.Column("birthday", sa.DateTime(timezone=True)),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true")),
        sa.Column("is_vip", sa.Boolean(), server_default=sa.text("false")),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()")),
        sa.Column("updated_at", sa.DateTime(timezone=True)),
        sa.Column("archived_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "lifetime_points_earned >= 0",
            name="ck_customer_loyalty_profiles_lifetime_points_earned_nonnegative",
        ),
        sa.CheckConstraint(
            "lifetime_spent >= 0", name="ck_customer_loyalty_profiles_lifetime_spent_nonnegative"
        ),
        sa.CheckConstraint(
            "points_balance >= 0", name="ck_customer_loyalty_profiles_points_balance_nonnegative"
        ),
        sa.ForeignKeyConstraint(
            ["current_tier_id"],
            ["tier_definitions.id"],
            name="fk_customer_loyalty_profiles_current_tier_id",
        ),
        sa.ForeignKeyConstraint(
            ["shop_id"],
            ["shops.id"],
            name="fk_customer_loyalty_profiles_shop_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_customer_loyalty_profiles"),
        sa.UniqueConstraint(
            "shop_id",
            "shopify_customer_id",
            name="uq_customer_loyalty_profiles_shop_id_shopify_customer_id",
        ),
    )
    op.create_index(
        "ix_customer_loyalty_profiles_current_tier_id",
        "customer_loyalty_profiles",
        ["current_tier_id"],
    )
    op.create_index(
        "ix_customer_loyalty_profiles_points_balance",
        "customer_loyalty_profiles",
        ["points_balance"],
    )
    op.create_index(
        "ix_customer_loyalty_profiles_shop_id_email",
        "customer_loyalty_profiles",
        ["shop_id", "email"],
    )
    op.create_table(
        "campaign_participations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("campaign_id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), server_default=sa.text("now()")),
        sa.Column("points_earned", sa.Integer(), server_default=sa.text("0")),
        sa.Column("orders_made", sa.Integer(), server_default=sa.text("0")),
        sa.Column("amount_spent", sa.Numeric(precision=12, scale=2), server_default=sa.text("0")),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true")),
        sa.Column("completed_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name="fk_campaign_participations_campaign_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer_loyalty_profiles.id"],
            name="fk_campaign_participations_customer_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_campaign_participations"),
        sa.UniqueConstraint(
            "campaign_id", "customer_id", name="uq_campaign_participations_campaign_id_customer_id"
        ),
    )
    op.create_index(
        "ix_campaign_participations_campaign_id_joined_at",
        "campaign_participations",
        ["campaign_id", "joined_at"],
    )
    op.create_table(
        "customer_segment_memberships",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("segment_id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), server_default=sa.text("now()")),
        sa.Column("removed_at", sa.DateTime(timezone=True)),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true")),
        sa.Column("qualification_reason", sa.String(length=200)),
        sa.Column("qualification_data", sa.JSON()),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer_loyalty_profiles.id"],
            name="fk_customer_segment_memberships_customer_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["segment_id"],
            ["customer_segments.id"],
            name="fk_customer_segment_memberships_segment_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_customer_segment_memberships"),
        sa.UniqueConstraint(
            "segment_id",
            "customer_id",
            name="uq_customer_segment_memberships_segment_id_customer_id",
        ),
    )
    op.create_index(
        "ix_customer_segment_memberships_customer_id_is_active",
        "customer_segment_memberships",
        ["customer_id", "is_active"],
    )
    op.create_index(
        "ix_customer_segment_memberships_segment_id_is_active",
        "customer_segment_memberships",
        ["segment_id", "is_active"],
    )
    op.create_table(
        "customer_tier_history",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("tier_id", sa.Integer(), nullable=False),
        sa.Column("achieved_at", sa.DateTime(timezone=True), server_default=sa.text("now()")),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("reason", sa.String(length=100)),
        sa.Column("points_at_achievement", sa.Integer()),
        sa.Column("spend_at_achievement", sa.Numeric(precision=12, scale=2)),
        sa.Column("orders_at_achievement", sa.Integer()),
        sa.Column("is_current", sa.Boolean(), server_default=sa.text("true")),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "reason in ('qualification', 'manual', 'downgrade')",
            name="ck_customer_tier_history_reason_known",
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer_loyalty_profiles.id"],
            name="fk_customer_tier_history_customer_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tier_id"],
            ["tier_definitions.id"],
            name="fk_customer_tier_history_tier_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_customer_tier_history"),
    )
    op.create_index(
        "ix_customer_tier_history_customer_id_achieved_at",
        "customer_tier_history",
        ["customer_id", "achieved_at"],
    )
    op.create_index(
        "ix_customer_tier_history_customer_id_is_current",
        "customer_tier_history",
        ["customer_id", "is_current"],
    )
    op.create_table(
        "redemption_logs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("reward_id", sa.Integer(), nullable=False),
        sa.Column("points_spent", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=20)),
        sa.Column("discount_code", sa.String(length=50)),
        sa.Column("discount_amount", sa.Numeric(precision=10, scale=2)),
        sa.Column("reward_data", sa.JSON()),
        sa.Column("used_at", sa.DateTime(timezone=True)),
        sa.Column("used_order_id", sa.String(length=100)),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("failure_reason", sa.Text()),
        sa.Column("retry_count", sa.Integer(), server_default=sa.text("0")),
        sa.Column("redeemed_at", sa.DateTime(timezone=True), server_default=sa.text("now()")),
        sa.Column("processed_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "status in ('pending', 'completed', 'failed', 'cancelled', 'expired')",
            name="ck_redemption_logs_status_known",
        ),
        sa.CheckConstraint("points_spent > 0", name="ck_redemption_logs_points_spent_positive"),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer_loyalty_profiles.id"],
            name="fk_redemption_logs_customer_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["reward_id"],
            ["reward_definitions.id"],
            name="fk_redemption_logs_reward_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_redemption_logs"),
    )
    op.create_index(
        "ix_redemption_logs_customer_id_redeemed_at",
        "redemption_logs",
        ["customer_id", "redeemed_at"],
    )
    op.create_index("ix_redemption_logs_discount_code", "redemption_logs", ["discount_code"])
    op.create_index("ix_redemption_logs_expires_at", "redemption_logs", ["expires_at"])
    op.create_index("ix_redemption_logs_status", "redemption_logs", ["status"])
    op.create_table(
        "referral_links",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("referral_code", sa.String(length=50), nullable=False),
        sa.Column("referral_url", sa.String(length=500), nullable=False),
        sa.Column("referrer_points", sa.Integer(), server_default=sa.text("500")),
        sa.Column("referee_points", sa.Integer(), server_default=sa.text("250")),
        sa.Column(
            "referrer_discount_percentage",
            sa.Numeric(precision=5, scale=2),
            server_default=sa.text("0"),
        ),
        sa.Column(
            "referee_discount_percentage",
            sa.Numeric(precision=5, scale=2),
            server_default=sa.text("10"),
        ),
        sa.Column("clicks", sa.Integer(), server_default=sa.text("0")),
        sa.Column("conversions", sa.Integer(), server_default=sa.text("0")),
        sa.Column("total_revenue", sa.Numeric(precision=12, scale=2), server_default=sa.text("0")),
        sa.Column("total_points_awarded", sa.Integer(), server_default=sa.text("0")),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true")),
        sa.Column("max_uses", sa.Integer()),
        sa.Column("current_uses", sa.Integer(), server_default=sa.text("0")),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()")),
        sa.Column("updated_at", sa.DateTime(timezone=True)),
        sa.Column("last_used_at", sa.DateTime(timezone=True)),
        sa.Column("archived_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint("current_uses >= 0", name="ck_referral_links_current_uses_nonnegative"),
        sa.CheckConstraint("max_uses > 0", name="ck_referral_links_max_uses_positive"),
        sa.CheckConstraint(
            "referee_points >= 0", name="ck_referral_links_referee_points_nonnegative"
        ),
        sa.CheckConstraint(
            "referrer_points >= 0", name="ck_referral_links_referrer_points_nonnegative"
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer_loyalty_profiles.id"],
            name="fk_referral_links_customer_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_referral_links"),
        sa.UniqueConstraint("referral_code", name="uq_referral_links_referral_code"),
    )
    op.create_index("ix_referral_links_customer_id", "referral_links", ["customer_id"])
    op.create_index("ix_referral_links_is_active", "referral_links", ["is_active"])
    op.create_index("ix_referral_links_referral_code", "referral_links", ["referral_code"])
    op.create_table(
        "point_transactions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.Integer(), nullable=False),
        sa.Column("transaction_type", sa.String(length=20), nullable=False),
        sa.Column("points_amount", sa.Integer(), nullable=False),
        sa.Column("points_balance_after", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("source_id", sa.String(length=100)),
        sa.Column("description", sa.Text()),
        sa.Column("order_id", sa.String(length=100)),
        sa.Column("campaign_id", sa.Integer()),
        sa.Column("redemption_id", sa.Integer()),
        sa.Column("expires_at", sa.DateTime(timezone=True)),
        sa.Column("expired_at", sa.DateTime(timezone=True)),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()")),
        sa.Column("created_by", sa.String(length=50), server_default="system"),
        sa.CheckConstraint(
            "created_by in ('system', 'admin', 'customer')",
            name="ck_point_transactions_created_by_known",
        ),
        sa.CheckConstraint(
            "source in ('purchase', 'referral', 'signup', 'review', 'social_share', 'birthday',"
            " 'campaign', 'manual')",
            name="ck_point_transactions_source_known",
        ),
        sa.CheckConstraint(
            "transaction_type in ('earned', 'redeemed', 'expired', 'adjusted', 'bonus',"
            " 'refunded')",
            name="ck_point_transactions_transaction_type_known",
        ),
        sa.CheckConstraint(
            "points_amount <> 0", name="ck_point_transactions_points_amount_nonzero"
        ),
        sa.CheckConstraint(
            "points_balance_after >= 0",
            name="ck_point_transactions_points_balance_after_nonnegative",
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name="fk_point_transactions_campaign_id"
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"],
            ["customer_loyalty_profiles.id"],
            name="fk_point_transactions_customer_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["redemption_id"], ["redemption_logs.id"], name="fk_point_transactions_redemption_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_point_transactions"),
    )
    op.create_index(
        "ix_point_transactions_customer_id_created_at",
        "point_transactions",
        ["customer_id", "created_at"],
    )
    op.create_index("ix_point_transactions_expires_at", "point_transactions", ["expires_at"])
    op.create_index(
        "ix_point_transactions_transaction_type_source",
        "point_transactions",
        ["transaction_type", "source"],
    )
    op.create_table(
        "referral_clicks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("referral_link_id", sa.Integer(), nullable=False),
        sa.Column("ip_address", sa.String(length=45)),
        sa.Column("user_agent", sa.Text()),
        sa.Column("referrer_url", sa.String(length=500)),
        sa.Column("utm_source", sa.String(length=100)),
        sa.Column("utm_medium", sa.String(length=100)),
        sa.Column("utm_campaign", sa.String(length=100)),
        sa.Column("utm_content", sa.String(length=100)),
        sa.Column("converted", sa.Boolean(), server_default=sa.text("false")),
        sa.Column("conversion_order_id", sa.String(length=100)),
        sa.Column("conversion_amount", sa.Numeric(precision=12, scale=2)),
        sa.Column("clicked_at", sa.DateTime(timezone=True), server_default=sa.text("now()")),
        sa.Column("converted_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["referral_link_id"],
            ["referral_links.id"],
            name="fk_referral_clicks_referral_link_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_referral_clicks"),
    )
    op.create_index(
        "ix_referral_clicks_converted_converted_at",
        "referral_clicks",
        ["converted", "converted_at"],
    )
    op.create_index("ix_referral_clicks_ip_address", "referral_clicks", ["ip_address"])
    op.create_index(
        "ix_referral_clicks_referral_link_id_clicked_at",
        "referral_clicks",
        ["referral_link_id", "clicked_at"],
    )
    op.create_table(
        "referral_conversions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("referral_link_id", sa.Integer(), nullable=False),
        sa.Column("referred_customer_id", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.String(length=100), nullable=False),
        sa.Column("order_amount", sa.Numeric(precision=12, scale=2), nullable=False),
        sa.Column("referrer_points_awarded", sa.Integer(), server_default=sa.text("0")),
        sa.Column("referee_points_awarded", sa.Integer(), server_default=sa.text("0")),
        sa.Column(
            "referrer_discount_used", sa.Numeric(precision=10, scale=2), server_default=sa.text("0")
        ),
        sa.Column(
            "referee_discount_used", sa.Numeric(precision=10, scale=2), server_default=sa.text("0")
        ),
        sa.Column("status", sa.String(length=20)),
        sa.Column("converted_at", sa.DateTime(timezone=True), server_default=sa.text("now()")),
        sa.Column("processed_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(
            "status in ('completed', 'pending', 'cancelled')",
            name="ck_referral_conversions_status_known",
        ),
        sa.CheckConstraint(
            "order_amount > 0", name="ck_referral_conversions_order_amount_positive"
        ),
        sa.ForeignKeyConstraint(
            ["referral_link_id"],
            ["referral_links.id"],
            name="fk_referral_conversions_referral_link_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["referred_customer_id"],
            ["customer_loyalty_profiles.id"],
            name="fk_referral_conversions_referred_customer_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_referral_conversions"),
    )
    op.create_index("ix_referral_conversions_order_id", "referral_conversions", ["order_id"])
    op.create_index(
        "ix_referral_conversions_referral_link_id_converted_at",
        "referral_conversions",
        ["referral_link_id", "converted_at"],
    )
    op.create_index(
        "ix_referral_conversions_referred_customer_id",
        "referral_conversions",
        ["referred_customer_id"],
    )
