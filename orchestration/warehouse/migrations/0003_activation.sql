-- What activation has written to the application's database, and up to when.

-- One row per run that was not a dry run; an aborted one keeps its error.
create table ops.activations (
    run_id bigint generated always as identity primary key,
    started_at timestamptz not null default now(),
    finished_at timestamptz,
    status text not null default 'running'
        check (status in ('running', 'done', 'degraded', 'aborted')),
    error text,
    segments_as_of timestamptz not null,
    analytics_as_of timestamptz not null,
    segment_name text,
    shop_domain text,
    counters_written bigint,
    counters_failed bigint,
    analytics_added bigint,
    analytics_updated bigint,
    analytics_removed bigint,
    analytics_unchanged bigint,
    analytics_held bigint,
    analytics_skipped bigint,
    analytics_failed bigint,
    campaigns_written bigint,
    campaigns_unchanged bigint,
    campaigns_held bigint,
    campaigns_skipped bigint,
    campaigns_failed bigint
);

-- One row per run and segment; all counts are membership rows.
create table ops.activation_runs (
    run_id bigint not null references ops.activations,
    segment_id bigint not null,
    shop_id bigint not null,
    started_at timestamptz not null,
    finished_at timestamptz not null,
    added bigint not null,
    removed bigint not null,
    refreshed bigint not null,
    unchanged bigint not null,
    held bigint not null,
    skipped bigint not null,
    failed bigint not null,
    reason text,
    primary key (run_id, segment_id)
);

create index on ops.activation_runs (segment_id, run_id);

-- One row per subject ('segments', 'analytics'): the newest as_of that was written. It never goes back.
create table ops.activation_state (
    subject text primary key check (subject in ('segments', 'analytics')),
    as_of timestamptz not null,
    run_id bigint not null
);

-- One row per segment: the as_of up to which its members in the application are complete.
create table ops.activated_segments (
    segment_id bigint primary key,
    as_of timestamptz not null
);

-- One row per row of the application's loyalty_analytics that is ours: where a shop's time zone
-- changes, these are the rows that no longer belong.
create table ops.activated_analytics (
    shop_id bigint not null,
    period_type text not null,
    date timestamptz not null,
    period_on date not null,
    primary key (shop_id, period_type, date)
);
