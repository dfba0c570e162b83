-- One row per sync that was committed; written in the same transaction as the rows it moved.
create table ops.sync_runs (
    sync_id bigint primary key,
    started_at timestamptz not null,
    finished_at timestamptz not null,
    -- The source's clock when the snapshot was taken: nothing committed later was seen.
    snapshot_at timestamptz not null,
    -- Whether raw's tables come from more than one snapshot after this sync.
    is_mixed boolean not null,
    -- Which database was read; the system identifier where the role may see it.
    source_system text,
    source_database text not null,
    source_oid bigint not null,
    source_schema text not null,
    warnings text[] not null default '{}'
);

-- One row per sync and table that it read.
create table ops.sync_tables (
    sync_id bigint not null references ops.sync_runs (sync_id),
    table_name text not null,
    mode text not null,
    reason text not null,
    rows_read bigint not null,
    rows_changed bigint not null,
    rows_deleted bigint not null,
    bytes bigint not null,
    seconds double precision not null,
    primary key (sync_id, table_name)
);
