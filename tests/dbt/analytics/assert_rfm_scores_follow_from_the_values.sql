{{ config(meta={'dagster': {'ref': {'name': 'customer_rfm'}}}) }}
-- Within a shop a better value never has a lower score, and an equal one the same; who has ordered
-- has scores, and nobody else.
with

scores as (

    select
        customer_rfm.shop_id,
        customer_rfm.customer_id,
        score.score_name,
        score.score,
        score.goodness
    from {{ ref('customer_rfm') }} as customer_rfm
    cross join
        lateral (
            values
            ('r_score', customer_rfm.r_score, -customer_rfm.recency_days::numeric),
            ('f_score', customer_rfm.f_score, customer_rfm.orders_365d::numeric),
            ('m_score', customer_rfm.m_score, customer_rfm.spend_365d::numeric)
        ) as score (score_name, score, goodness)
    where
        customer_rfm.last_ordered_on is not null
        and score.goodness is not null
        -- A recount of whole shops: in runs that compute or test all rows.
        and {{ this_run().is_full }}

),

scores_in_sequence as (

    select
        shop_id,
        customer_id,
        score_name,
        score,
        goodness,
        lag(score) over better as previous_score,
        lag(goodness) over better as previous_goodness
    from scores
    window better as (partition by shop_id, score_name order by goodness, score, customer_id)

)

select
    shop_id,
    customer_id,
    score_name,
    score,
    goodness
from scores_in_sequence
where
    score is null
    or score < previous_score
    or (goodness = previous_goodness and score != previous_score)

union all

select
    shop_id,
    customer_id,
    'none' as score_name,
    coalesce(r_score, f_score, m_score) as score,
    null as goodness
from {{ ref('customer_rfm') }}
where
    last_ordered_on is null
    and coalesce(r_score, f_score, m_score) is not null
    and {{ is_touched_shop('shop_id') }}
