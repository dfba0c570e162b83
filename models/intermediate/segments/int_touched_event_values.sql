-- One row per customer whose events this run aggregates again: the touched ones, and all of a shop
-- whose tests are other ones than before. None in a run that computes everything.
{{ config(materialized='table', unlogged=true) }}

with

tests as (

    select
        shop_id,
        md5(string_agg(signature::text, ' ' order by test_id))::uuid as signature
    from {{ ref('int_segment_event_tests') }}
    group by shop_id

),

evaluated as (

    select
        shop_id,
        signature
    from ops.segment_evaluated_tests
    where schema_name = '{{ this.schema }}'

),

shops as (

    select coalesce(tests.shop_id, evaluated.shop_id) as shop_id
    from tests
    full join evaluated on tests.shop_id = evaluated.shop_id
    where
        not {{ this_run().is_full }}
        and tests.signature is distinct from evaluated.signature

),

customers as (

    select
        customer_id,
        shop_id
    from {{ ref('stg_customer_loyalty_profiles') }}

)

select customer_id
from {{ ref('int_touched_customers') }}

union

select customers.customer_id
from customers
inner join shops on customers.shop_id = shops.shop_id
