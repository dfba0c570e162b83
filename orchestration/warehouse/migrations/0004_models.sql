-- One row per dbt invocation: the state of raw that it read. Written by macros/begin_run.sql.
create table ops.dbt_runs (
    invocation_id text primary key,
    target text not null,
    sync_id bigint not null,
    as_of timestamptz not null,
    started_at timestamptz not null,
    finished_at timestamptz
);

-- One row per model that keeps rows, such as marts.dim_shops: the state of raw that it shows. Written
-- in the transaction that wrote the model's rows (macros/finish_model.sql).
create table ops.model_watermarks (
    model text primary key,
    sync_id bigint not null,
    as_of timestamptz not null,
    built_at timestamptz not null
);
