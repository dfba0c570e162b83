"""Before-images: what models group and filter by, of every row that a sync is about to change.

A row that moves to another customer, day or order touches the old one as well as the new, and raw
holds only the new. Models find both here (architecture.md, rule 2). No personal data.
"""

from __future__ import annotations

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from orchestration.sync.plan import TablePlan

IMAGES = {
    "shops": (
        "id",
        "shop_domain",
        "loyalty_enabled",
        "points_per_dollar",
        "points_expire_enabled",
        "points_expire_days",
        "created_at",
    ),
    "tier_definitions": (
        "id",
        "shop_id",
        "name",
        "tier_level",
        "tier_type",
        "min_points_required",
        "min_spend_required",
        "min_orders_required",
        "qualification_period_days",
        "points_multiplier",
        "requires_maintenance",
        "maintenance_period_days",
        "is_active",
        "is_default",
    ),
    "campaigns": (
        "id",
        "shop_id",
        "campaign_type",
        "start_date",
        "end_date",
        "bonus_points",
        "bonus_multiplier",
        "budget_limit",
        "status",
        "created_at",
    ),
    "reward_definitions": ("id", "shop_id", "reward_type", "points_cost", "is_active"),
    "customer_segments": ("id", "shop_id", "is_active", "auto_update"),
    "customer_loyalty_profiles": (
        "id",
        "shop_id",
        "current_tier_id",
        "tier_achieved_at",
        "tier_expires_at",
        "created_at",
    ),
    "redemption_logs": (
        "id",
        "customer_id",
        "reward_id",
        "status",
        "used_at",
        "used_order_id",
        "expires_at",
        "redeemed_at",
    ),
    "point_transactions": (
        "id",
        "customer_id",
        "transaction_type",
        "source",
        "order_id",
        "campaign_id",
        "redemption_id",
        "expires_at",
        "expired_at",
        "created_at",
    ),
    "customer_tier_history": ("id", "customer_id", "tier_id", "achieved_at", "ended_at"),
    "campaign_participations": ("id", "campaign_id", "customer_id", "joined_at", "completed_at"),
    "referral_links": ("id", "customer_id", "created_at", "expires_at"),
    "referral_clicks": (
        "id",
        "referral_link_id",
        "converted",
        "conversion_order_id",
        "clicked_at",
        "converted_at",
    ),
    "referral_conversions": (
        "id",
        "referral_link_id",
        "referred_customer_id",
        "order_id",
        "status",
        "converted_at",
    ),
    "customer_segment_memberships": (
        "id",
        "segment_id",
        "customer_id",
        "is_active",
        "added_at",
        "removed_at",
    ),
}
"""The columns of an image: id, foreign keys, types, times; of definitions, what formulas read.

loyalty_analytics has none: no model reads what activation writes there.
"""


def image(plan: TablePlan) -> sql.Composable:
    """The image of the row of raw that is called `mirrored`, as jsonb; NULL where there is none.

    Of a tombstone it also says `_deleted`: a row that comes back as it was has changed.
    """
    existing = {column.name for column in plan.columns} - {column.name for column in plan.added}
    columns = [name for name in IMAGES.get(plan.name, ()) if name in existing]
    if not columns:
        return sql.SQL("null::jsonb")
    return sql.SQL(
        "case when mirrored._sync_id is not null then jsonb_build_object({}) || case "
        "when mirrored._deleted_at is null then jsonb '{{}}' "
        "else jsonb '{{\"_deleted\": true}}' end end"
    ).format(
        sql.SQL(", ").join(
            sql.SQL("{}, {}").format(sql.Literal(name), sql.Identifier("mirrored", name))
            for name in columns
        )
    )


def keep_images(
    connection: psycopg.Connection[TupleRow],
    plan: TablePlan,
    sync_id: int,
    *touched: sql.Identifier,
) -> None:
    """Keeps the images that these scratch tables hold, in the closing transaction."""
    if plan.name not in IMAGES:
        return
    for relation in touched:
        connection.execute(
            sql.SQL(
                "insert into ops.before_images (sync_id, table_name, image) "
                "select {}, {}, _image from {} where _image is not null"
            ).format(sql.Literal(sync_id), sql.Literal(plan.name), relation)
        )


def forget_images(connection: psycopg.Connection[TupleRow]) -> None:
    """Drops the images that every model has passed; a model yet to be built needs none.

    Models that another version of the project computed are computed anew; so is the past (`_asof`).
    """
    connection.execute(
        "with passed as ("
        "  select min(sync_id) as sync_id from ops.model_watermarks"
        "  where model not like '%\\_asof.%' and version is not distinct from ("
        "    select version from ops.model_watermarks where model not like '%\\_asof.%'"
        "    order by built_at desc limit 1)"
        "), forgotten as ("
        "  delete from ops.before_images using passed"
        "  where before_images.sync_id <= coalesce(passed.sync_id, 9223372036854775807)"
        ") insert into ops.images_horizon (sync_id)"
        " select coalesce(sync_id, (select coalesce(max(sync_id), 0) from ops.sync_runs))"
        " from passed"
        " on conflict (only_row) do update"
        " set sync_id = greatest(images_horizon.sync_id, excluded.sync_id)"
    )
