"""How rows of loyalty_analytics are written."""

from __future__ import annotations

from datetime import datetime

from psycopg.sql import SQL, Composed, Identifier

from orchestration.activation.analytics import COLUMNS, columns, declared, figures
from orchestration.activation.batches import Work
from orchestration.activation.fence import is_later


def period_work(schema: str, as_of: datetime) -> Work:
    """How the rows are written; each statement looks again whether it is needed."""
    delete = SQL("""
        with written as (
            delete from {schema}.loyalty_analytics as analytics
            using pg_temp.loyalty_batch as batch
            where
                batch.action = 'delete'
                and analytics.id = batch.analytics_id
                and analytics.shop_id = batch.shop_id
                and analytics.period_type = batch.period_type
                and analytics.date = batch.date
                and not {is_later}
            returning batch.change_no
        )
        select 'removed', change_no, 1 from written
    """).format(schema=Identifier(schema), is_later=is_later(as_of, "analytics", "computed_at"))
    update = SQL("""
        with written as (
            update {schema}.loyalty_analytics as analytics
            set date = batch.date, {assignments}
            from pg_temp.loyalty_batch as batch
            where
                batch.action = 'update'
                and analytics.id = batch.analytics_id
                and analytics.shop_id = batch.shop_id
                and analytics.period_type = batch.period_type
                and not {is_later}
                and (analytics.date, {present}) is distinct from (batch.date, {wanted})
            returning batch.change_no
        )
        select 'updated', change_no, 1 from written
    """).format(
        schema=Identifier(schema),
        is_later=is_later(as_of, "analytics", "computed_at"),
        assignments=SQL(", ").join(
            SQL("{} = {}").format(Identifier(name), _written(name)) for name in COLUMNS
        ),
        present=figures("analytics"),
        wanted=figures("batch"),
    )
    insert = SQL("""
        with written as (
            insert into {schema}.loyalty_analytics (shop_id, date, period_type, {columns})
            select batch.shop_id, batch.date, batch.period_type, {values}
            from pg_temp.loyalty_batch as batch
            inner join {schema}.shops as shops
                on batch.shop_id = shops.id
            where
                batch.action = 'insert'
                and not exists (
                    select
                    from {schema}.loyalty_analytics as analytics
                    where
                        analytics.shop_id = batch.shop_id
                        and analytics.date = batch.date
                        and analytics.period_type = batch.period_type
                )
            order by batch.change_no
            returning shop_id, date, period_type
        )
        select 'added', batch.change_no, 1
        from written
        inner join pg_temp.loyalty_batch as batch
            on
                written.shop_id = batch.shop_id
                and written.date = batch.date
                and written.period_type = batch.period_type
        where batch.action = 'insert'
    """).format(
        schema=Identifier(schema),
        columns=columns(COLUMNS),
        values=SQL(", ").join(_written(name) for name in COLUMNS),
    )
    return Work(
        columns=SQL(
            "shop_id bigint, change_no bigint, action text, analytics_id bigint, period_type text,"
            " date timestamptz, {}"
        ).format(declared()),
        statements=[delete, update, insert],
    )


def _written(name: str) -> Composed:
    """The batch's value as the application's column takes it."""
    cast = SQL("::json") if name == "tier_distributions" else SQL("")
    return Identifier("batch", name) + cast
