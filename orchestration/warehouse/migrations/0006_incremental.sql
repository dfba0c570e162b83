-- What an invocation computes: all rows, or those touched since the sync and instant that every
-- model it may build has seen (macros/begin_run.sql).
alter table ops.dbt_runs
    add column is_full boolean not null default true,
    add column full_because text,
    add column since_sync_id bigint,
    add column since_as_of timestamptz;

alter table ops.model_watermarks
    -- Of the models, macros, seeds and variables: rows that another version computed are no base.
    add column version text,
    -- What the run that last built it computed: a table that is rebuilt in each run holds no more.
    add column is_full boolean not null default true,
    add column since_sync_id bigint,
    add column since_as_of timestamptz;

-- The last sync whose before-images are forgotten: a model that is older cannot tell what it missed.
create table ops.images_horizon (
    only_row boolean primary key default true check (only_row),
    sync_id bigint not null
);
