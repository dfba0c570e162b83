"""What a run left behind, read from the warehouse."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from psycopg import errors
from psycopg.rows import dict_row
from rich.table import Table

from orchestration.cli._frame import out
from orchestration.database import Database

SYNCED = """
select sync_tables.table_name, sync_tables.mode, sync_tables.rows_read,
    sync_tables.rows_changed, sync_tables.rows_deleted
from ops.sync_tables
inner join ops.sync_state on sync_tables.table_name = sync_state.table_name
where sync_tables.sync_id = (select max(sync_runs.sync_id) from ops.sync_runs)
order by sync_state.live_rows desc, sync_tables.table_name
"""

SHOPS = """
select dim_shops.shop_domain as shop, latest.total_customers as customers,
    latest.closing_points as points_outstanding
from marts.dim_shops
inner join (
    select distinct on (loyalty_analytics.shop_id) loyalty_analytics.*
    from marts.loyalty_analytics
    where loyalty_analytics.period_type = 'daily'
    order by loyalty_analytics.shop_id, loyalty_analytics.date desc
) as latest on dim_shops.shop_id = latest.shop_id
order by dim_shops.shop_domain
"""

LAST_MONTH = """
select dim_shops.shop_domain as shop, to_char(loyalty_analytics.date, 'YYYY-MM') as month,
    loyalty_analytics.new_customers, loyalty_analytics.active_customers,
    loyalty_analytics.points_earned, loyalty_analytics.points_redeemed,
    loyalty_analytics.total_revenue, loyalty_analytics.loyalty_revenue
from marts.loyalty_analytics
inner join marts.dim_shops on loyalty_analytics.shop_id = dim_shops.shop_id
where loyalty_analytics.period_type = 'monthly'
    and loyalty_analytics.date = (
        select max(closed.date) from marts.loyalty_analytics as closed
        where closed.period_type = 'monthly' and closed.is_complete
    )
order by dim_shops.shop_domain
"""

SEGMENTS = """
select customer_segments.name as segment, dim_shops.shop_domain as shop,
    customer_segments.customer_count as customers
from marts.customer_segments
inner join marts.dim_shops on customer_segments.shop_id = dim_shops.shop_id
order by customer_segments.customer_count desc nulls last, customer_segments.segment_id
limit 5
"""

INVALID = """
select customer_segments.name as segment, dim_shops.shop_domain as shop,
    customer_segments.rule_error as problem
from marts.customer_segments
inner join marts.dim_shops on customer_segments.shop_id = dim_shops.shop_id
where customer_segments.rule_status = 'invalid'
order by customer_segments.segment_id
"""

WRITTEN = """
with

last_run as (

    select *
    from ops.activations
    order by activations.run_id desc
    limit 1

),

members as (

    select sum(added) as added, sum(removed) as removed, sum(refreshed) as changed,
        sum(unchanged) as unchanged, sum(held) as held
    from ops.activation_runs
    where run_id = (select last_run.run_id from last_run)

)

select 'segment memberships' as what, coalesce(added, 0)::bigint as added,
    coalesce(changed, 0)::bigint as changed, coalesce(removed, 0)::bigint as removed,
    coalesce(unchanged, 0)::bigint as unchanged, coalesce(held, 0)::bigint as held
from members
union all
select 'segment counters', 0, counters_written, 0, null, null from last_run
union all
select 'loyalty analytics', analytics_added, analytics_updated, analytics_removed,
    analytics_unchanged, analytics_held
from last_run
union all
select 'campaign audiences', 0, campaigns_written, 0, campaigns_unchanged, campaigns_held
from last_run
"""

PARTS = {
    "synced": SYNCED,
    "shops": SHOPS,
    "last_month": LAST_MONTH,
    "largest_segments": SEGMENTS,
    "invalid_rules": INVALID,
    "written_back": WRITTEN,
}


def collect(warehouse: Database) -> dict[str, Any]:
    """The summary as plain data; a part whose relation does not exist yet is left out."""
    parts: dict[str, Any] = {}
    with warehouse.connect(autocommit=True) as connection:
        cursor = connection.cursor(row_factory=dict_row)
        for name, query in PARTS.items():
            with suppress(errors.UndefinedTable):
                parts[name] = cursor.execute(query).fetchall()
    return parts


def show(
    title: str, rows: list[dict[str, Any]], headings: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Prints rows as a table: numbers to the right, with thousands separators.

    Args:
        title: Stands above the table.
        rows: All with the same keys; nothing is printed where there are none.
        headings: Shorter headings for keys that would not fit 80 columns.
    """
    if not rows:
        return
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for name, value in rows[0].items():
        is_number = isinstance(value, int | Decimal)
        heading = headings.get(name, name.replace("_", " "))
        table.add_column(heading, justify="right" if is_number else "left")
    for row in rows:
        table.add_row(*(_text(value) for value in row.values()))
    out.print()
    out.print(table)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, int | Decimal):
        return f"{value:,}"
    return str(value).removesuffix(".myshopify.com")
