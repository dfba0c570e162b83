-- The compiled segment rules, and the membership stays: the one thing that cannot be derived again.

-- One row per live segment: what its rule is worth, as of the last compilation. `criteria_hash` is
-- that of the rule's text, so that a plan older than raw's rules can be told.
create table ops.segment_rules (
    segment_id bigint primary key,
    shop_id bigint not null,
    rule_status text not null check (rule_status in ('valid', 'invalid', 'inactive', 'manual')),
    rule_error text check ((rule_error is not null) = (rule_status = 'invalid')),
    rule_in_words text check ((rule_in_words is not null) = (rule_status = 'valid')),
    criteria_hash text,
    compiled_at timestamptz not null default now()
);

-- One row per shape: rules that differ in nothing but their constants. Both expressions are made of
-- catalogue names, operators and positions of parameters; nothing in them was typed by a user.
create table ops.segment_plan (
    shape_id bigint primary key,
    predicate text not null,
    values_seen text not null,
    fields text [] not null,
    rules integer not null check (rules > 0),
    compiled_at timestamptz not null default now()
);

-- One row per valid rule: its constants, by type and position. A point in time is an instant, or,
-- where that is null, local to the shop.
create table ops.segment_parameters (
    segment_id bigint primary key references ops.segment_rules on delete cascade,
    shop_id bigint not null,
    shape_id bigint not null references ops.segment_plan deferrable initially deferred,
    numbers numeric [] not null,
    texts text [] not null,
    seeds text [] not null,
    instants timestamptz [] not null,
    local_times timestamp [] not null,
    window_values integer [] not null,
    window_units text [] not null,
    compiled_at timestamptz not null default now(),
    check (cardinality(instants) = cardinality(local_times)),
    check (cardinality(window_values) = cardinality(window_units))
);

-- One row per stay of a customer in a segment, written by the dbt model segment_stays. Back it up:
-- no rule can tell afterwards who was in a segment when.
create table ops.segment_stays (
    segment_id bigint not null,
    shop_id bigint not null,
    customer_id bigint not null,
    added_at timestamptz not null,
    removed_at timestamptz check (removed_at >= added_at),
    qualification_reason text,
    qualification_data jsonb,
    primary key (segment_id, customer_id, added_at)
);

create unique index segment_stays_open on ops.segment_stays (segment_id, customer_id)
where removed_at is null;

create index segment_stays_customer on ops.segment_stays (customer_id);
