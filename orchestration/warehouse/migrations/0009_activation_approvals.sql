-- One row per segment whose change the brakes have let through and no run has completed yet: what is
-- left of it after a kill, a lost connection or a locked row is not judged again.
create table ops.activation_approvals (
    segment_id bigint primary key,
    run_id bigint not null,
    added bigint not null,
    removed bigint not null
);
