-- One row per shop.
{{ config(
    unique_key='shop_id',
    indexes=[{'columns': ['shop_id'], 'unique': true}],
) }}

with

shops as (

    select * from {{ ref('int_shops') }}

)

select
    shop_id,
    shop_domain,
    loyalty_program_name,
    timezone,
    loyalty_enabled,
    points_per_dollar,
    welcome_points,
    referral_points_referrer,
    referral_points_referee,
    points_expire_enabled,
    points_expire_days,
    email_notifications_enabled,
    sms_notifications_enabled,
    created_at
from shops
