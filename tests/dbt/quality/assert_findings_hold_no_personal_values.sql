{{ config(meta={'dagster': {'ref': {'name': 'data_quality_findings'}}}) }}
-- Details with what may be an address or a text that somebody wrote: values are shown if codes.
select
    relation,
    key,
    detail
from {{ ref('data_quality_findings') }}
where
    "check" <> 'invalid_rule'
    and (
        detail like '%@%'
        or detail ~ $$'[^']* [^']*'$$
    )
