"""Active customers per day, week and month: flags of first activity against count(distinct)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.frame.gates import require
from benchmarks.frame.report import Report, Target
from benchmarks.frame.rounds import Series, alternate
from benchmarks.marts.statements import SCHEMA, Statements

# metrics.md's activity, each at its day in the shop's time zone: what both ways count.
_EVENTS = f"""
create unlogged table {SCHEMA}.events as

with

customers as (

    select
        customers.customer_id,
        customers.shop_id,
        shops.timezone
    from staging.stg_customer_loyalty_profiles as customers
    inner join intermediate.int_shops as shops
        on customers.shop_id = shops.shop_id

),

activities as (

    select
        customer_id,
        created_at as occurred_at
    from staging.stg_point_transactions
    where transaction_type in ('earned', 'bonus', 'redeemed', 'refunded')

    union all

    select
        customer_id,
        redeemed_at as occurred_at
    from staging.stg_redemption_logs
    where coalesce(status not in ('failed', 'cancelled'), true)

    union all

    select
        customer_id,
        joined_at as occurred_at
    from staging.stg_campaign_participations

)

select
    customers.shop_id,
    customers.customer_id,
    (activities.occurred_at at time zone customers.timezone)::date as occurred_on
from activities
inner join customers
    on activities.customer_id = customers.customer_id
where activities.occurred_at is not null
"""

# As int_customer_day_totals flags and int_shop_days and loyalty_analytics sum.
FLAGS = f"""
with

days as (

    select
        shop_id,
        customer_id,
        occurred_on,
        lag(occurred_on) over (
            partition by customer_id
            order by occurred_on
        ) as previous_on
    from {SCHEMA}.events
    group by customer_id, occurred_on, shop_id

),

shop_days as (

    select
        shop_id,
        occurred_on,
        count(*) as active_customers,
        count(*) filter (
            where coalesce(
                date_trunc('week', previous_on::timestamp)
                < date_trunc('week', occurred_on::timestamp),
                true
            )
        ) as newly_active_in_week,
        count(*) filter (
            where coalesce(
                date_trunc('month', previous_on::timestamp)
                < date_trunc('month', occurred_on::timestamp),
                true
            )
        ) as newly_active_in_month
    from days
    group by shop_id, occurred_on

)

select
    shop_days.shop_id,
    period.period_type,
    case period.period_type
        when 'daily' then shop_days.occurred_on
        when 'weekly' then date_trunc('week', shop_days.occurred_on::timestamp)::date
        when 'monthly' then date_trunc('month', shop_days.occurred_on::timestamp)::date
    end as date,
    sum(
        case period.period_type
            when 'daily' then shop_days.active_customers
            when 'weekly' then shop_days.newly_active_in_week
            when 'monthly' then shop_days.newly_active_in_month
        end
    )::bigint as active_customers
from shop_days
cross join (values ('daily'), ('weekly'), ('monthly')) as period (period_type)
group by shop_days.shop_id, period.period_type, date
"""

_PERIODS = {
    "daily": "occurred_on",
    "weekly": "date_trunc('week', occurred_on::timestamp)::date",
    "monthly": "date_trunc('month', occurred_on::timestamp)::date",
}

DISTINCT = tuple(
    f"""
    select
        shop_id,
        '{period_type}' as period_type,
        {date} as date,
        count(distinct customer_id) as active_customers
    from {SCHEMA}.events
    group by shop_id, date
    """
    for period_type, date in _PERIODS.items()
)

_DIFFERENCES = """
select count(*)
from {one} as one
full join {other} as other using (shop_id, period_type, date)
where one.active_customers is distinct from other.active_customers
"""

_MART = "(select * from marts.loyalty_analytics where active_customers > 0)"


def measure(
    statements: Statements, rounds: int, say: Callable[[str], None]
) -> tuple[dict[str, Series], int]:
    """Measures both ways over the same events, comparing the results with each other and the mart.

    Returns:
        The figures, and how many events there are.
    """
    statements.execute(_EVENTS, f"vacuum (analyze) {SCHEMA}.events")
    events = int(statements.values(f"select count(*) from {SCHEMA}.events")[0])
    found = alternate(
        {
            "flags": lambda: {"flags": statements.run("flags", FLAGS)},
            "count(distinct)": lambda: {
                "count(distinct)": statements.run("counts", *DISTINCT),
            },
        },
        rounds,
        say,
    )
    _require_equal(statements, f"{SCHEMA}.flags", f"{SCHEMA}.counts")
    if statements.values("select to_regclass('marts.loyalty_analytics') is not null") == ("True",):
        _require_equal(statements, f"{SCHEMA}.flags", _MART)
    statements.explain("active customers by flags", FLAGS)
    statements.explain("active customers by count(distinct)", *DISTINCT)
    return found, events


def _require_equal(statements: Statements, one: str, other: str) -> None:
    (differing,) = statements.values(_DIFFERENCES.format(one=one, other=other))
    require(differing == "0", f"Active customers differ in {differing} periods of {one}, {other}.")


def write(report: Report, figures: Mapping[str, Series], events: int) -> None:
    """Adds the section on rollups."""
    flags, counts = figures["flags"], figures["count(distinct)"]
    report.heading("Active customers per day, week and month")
    report.table(
        [f"{events:,} events", "seconds", "count(distinct) = 1"],
        [
            ["first activity flagged, flags summed", flags.show(), (flags / counts).show()],
            ["three count(distinct)", counts.show(), "1"],
        ],
    )
    report.points(
        [
            "The events are those that loyalty_analytics calls activity, as a table of shop, "
            "customer and local day.",
            "`first activity flagged`: one row per customer and day, told by `lag` whether it is "
            "the customer's first in its week and month, and these summed per shop and day, then "
            "per period: what int_customer_day_totals, int_shop_days and loyalty_analytics do. "
            "There the customer's days carry every other measure as well.",
            "`three count(distinct)`: one statement for each period type.",
            "Both results are compared period by period, and with loyalty_analytics, which a build "
            "computed from the models.",
        ]
    )
    report.targets.append(
        Target(
            "active customers by flags; three count(distinct) = 1",
            (flags / counts).median,
            0.30,
            is_least=False,
        )
    )
