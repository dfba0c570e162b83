{% macro segment_events() -%}
    {#- dbt learns what a model reads while it parses, where it cannot list models: an event is here
        and in the folder events. A test compares the two. -#}
    {{ return({
        'campaign_joined': ref('int_event_campaign_joined'),
        'order_placed': ref('int_event_order_placed'),
        'points_earned': ref('int_event_points_earned'),
        'points_expired': ref('int_event_points_expired'),
        'points_redeemed': ref('int_event_points_redeemed'),
        'referral_clicked': ref('int_event_referral_clicked'),
        'referral_converted': ref('int_event_referral_converted'),
        'reward_redeemed': ref('int_event_reward_redeemed'),
        'tier_changed': ref('int_event_tier_changed'),
    }) }}
{%- endmacro %}
