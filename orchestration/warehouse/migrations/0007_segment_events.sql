-- Rules that test events and other segments.

-- `stale`: a good rule that reads an invalid or stale segment, and which one.
alter table ops.segment_rules
    drop constraint segment_rules_rule_status_check,
    drop constraint segment_rules_check,
    drop constraint segment_rules_check1,
    add constraint segment_rules_status check (
        rule_status in ('valid', 'invalid', 'inactive', 'manual', 'stale')
    ),
    add constraint segment_rules_error check (
        (rule_error is not null) = (rule_status in ('invalid', 'stale'))
    ),
    add constraint segment_rules_in_words check (
        (rule_in_words is not null) = (rule_status in ('valid', 'stale'))
    );

-- The tests of its shop that a rule reads, by position.
alter table ops.segment_parameters
    add column event_tests bigint [] not null default '{}',
    add column reference_tests bigint [] not null default '{}';

-- One row per shape of event tests: which events count, and which number of them. Like the rules'
-- plan, nothing in it was typed by a user.
create table ops.segment_event_plan (
    shape_id bigint primary key,
    event text not null,
    predicate text not null,
    value text not null,
    fields text [] not null,
    compiled_at timestamptz not null default now()
);

-- One row per shop and event test, whatever rules of the shop share it: what its events are made
-- into, and its constants, by type and position.
create table ops.segment_event_tests (
    shop_id bigint not null,
    test_id bigint not null,
    shape_id bigint not null references ops.segment_event_plan deferrable initially deferred,
    aggregate text not null,
    numbers numeric [] not null,
    texts text [] not null,
    seeds text [] not null,
    instants timestamptz [] not null,
    local_times timestamp [] not null,
    window_values integer [] not null,
    window_units text [] not null,
    compiled_at timestamptz not null default now(),
    primary key (shop_id, test_id),
    check (cardinality(instants) = cardinality(local_times)),
    check (cardinality(window_values) = cardinality(window_units))
);

-- One row per shop and reference to members that are kept, not computed: the stays of a window, if
-- there is one, and, where `is_current`, the present members.
create table ops.segment_reference_tests (
    shop_id bigint not null,
    test_id bigint not null,
    segment_id bigint not null,
    is_current boolean not null,
    window_values integer [] not null check (cardinality(window_values) <= 1),
    window_units text [] not null check (cardinality(window_units) = cardinality(window_values)),
    compiled_at timestamptz not null default now(),
    primary key (shop_id, test_id)
);
