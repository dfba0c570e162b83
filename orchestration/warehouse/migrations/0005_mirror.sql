-- Where the source stood at a sync's snapshot, so that the next one knows what came later.
alter table ops.sync_runs
    -- The oldest transaction that was open: what commits later is not older.
    add column source_horizon bigint,
    add column source_next_xid bigint,
    -- Which history the server was on, since when it ran, since when its statistics were kept, and
    -- how much write-ahead log it had: where they do not go on, the source was restored or crashed.
    add column source_timeline integer,
    add column source_started_at timestamptz,
    add column source_stats_reset_at timestamptz,
    add column source_wal_bytes bigint;

-- One row per mirrored table: what its last sync left for the next one.
create table ops.sync_state (
    table_name text primary key,
    sync_id bigint not null references ops.sync_runs (sync_id),
    -- Change with the source's columns and types, and with its storage (replaced, rewritten).
    columns_version text not null,
    storage_version text not null,
    -- Changes when raw's table is emptied, replaced or restored by somebody else.
    raw_version text not null,
    -- How its deleted rows are found: 'masks' of which ids exist, or all 'keys'.
    presence text not null check (presence in ('masks', 'keys')),
    live_rows bigint not null
);

-- One row per table and block of 64 ids: bit n is set where id = block * 64 + n exists.
create table ops.presence_masks (
    table_name text not null,
    block bigint not null,
    mask bigint not null,
    primary key (table_name, block)
);

-- One row per row of raw that a sync changed or tombstoned: the keys and times that models group
-- and filter by, as they were before. Kept until every model's watermark has passed them.
create table ops.before_images (
    sync_id bigint not null,
    table_name text not null,
    image jsonb not null
);
