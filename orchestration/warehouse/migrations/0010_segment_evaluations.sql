-- With what the rules were evaluated last, for each dbt schema that holds their matches: where it is the
-- same, so are the matches. Written in the transactions that write those (macros/segment_remember_*).

-- One row per rule: a hash of its shape and its constants, windows resolved.
create table ops.segment_evaluated_rules (
    schema_name text not null,
    segment_id bigint not null,
    signature uuid not null,
    primary key (schema_name, segment_id)
);

-- One row per customer: a hash of all that rules may read of them.
create table ops.segment_evaluated_inputs (
    schema_name text not null,
    customer_id bigint not null,
    inputs uuid not null,
    primary key (schema_name, customer_id)
);

-- One row per shop with event tests: a hash of all of them.
create table ops.segment_evaluated_tests (
    schema_name text not null,
    shop_id bigint not null,
    signature uuid not null,
    primary key (schema_name, shop_id)
);
