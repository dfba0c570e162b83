"""Evaluating compiled rules: all in one pass, as the models do, or with one query per rule."""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.frame.gates import require
from benchmarks.frame.rounds import Series, alternate
from benchmarks.marts.builds import Builder
from benchmarks.marts.statements import SCHEMA, Statements

MODELS = (
    "int_segment_parameters",
    "int_segment_event_tests",
    "int_segment_event_values",
    "int_segment_kept_members",
    "int_segment_matches",
)
"""What evaluates rules, in the order in which one reads the other."""

CHOOSING = (
    *("int_segment_inputs", "int_touched_rules"),
    *("int_touched_inputs", "int_touched_event_values"),
)
"""What tells which rules and which customers a build evaluates again."""

PASS, OURS, PEER, WRITING = "pass", "all rules", "query per rule", "of it, writing"

_PASS = "select * from intermediate.int_customer_features"

_RULES = """
select
    parameters.segment_id,
    plan.predicate
from intermediate.int_segment_parameters as parameters
inner join ops.segment_plan as plan on parameters.shape_id = plan.shape_id
order by parameters.segment_id
"""

# The customers of the rule's own shop, by the index on it.
_ONE_RULE = """
insert into {schema}.per_rule
select parameters.segment_id, parameters.shop_id, features.customer_id
from intermediate.int_segment_parameters as parameters
inner join intermediate.int_customer_features as features
    on parameters.shop_id = features.shop_id
where parameters.segment_id = {segment_id} and ({predicate})
"""

_CONTENT = """
select count(*), coalesce(sum(hashint8extended(customer_id, segment_id)), 0)
from {table}
"""


def measure(
    builder: Builder,
    statements: Statements,
    rounds: int,
    say: Callable[[str], None],
    *,
    per_rule: bool,
) -> tuple[dict[str, Series], int]:
    """Measures the evaluation of the rules that the last build compiled.

    Args:
        builder: Its warehouse has been built.
        statements: Runs them there.
        rounds: How often.
        say: Told what is found.
        per_rule: Whether one query per rule is measured, too, and must select the same customers.

    Returns:
        Seconds by contender, and the number of memberships.
    """
    queries = builder.queries(MODELS, full_refresh=True)

    def evaluate() -> dict[str, float]:
        seconds = {model: statements.run(model, queries[model]) for model in MODELS}
        counting = _seconds(statements, f"select count(*) from ({queries[MODELS[-1]]}) as matches")
        return {OURS: sum(seconds.values()), WRITING: seconds[MODELS[-1]] - counting}

    contenders = {PASS: lambda: {PASS: statements.run("features", _PASS)}, OURS: evaluate}
    if per_rule:
        contenders[PEER] = lambda: {PEER: _per_rule(statements)}
    found = alternate(contenders, rounds, say)
    ours = statements.values(_CONTENT.format(table=f"{SCHEMA}.int_segment_matches"))
    built = statements.values(_CONTENT.format(table="intermediate.int_segment_matches"))
    require(ours == built, f"The build selects {built}, the statements {ours}.")
    if per_rule:
        theirs = statements.values(_CONTENT.format(table=f"{SCHEMA}.per_rule"))
        require(ours == theirs, f"All rules at once select {ours}, one by one {theirs}.")
    for model in MODELS:
        statements.explain(model, queries[model])
    return found, int(ours[0])


def _seconds(statements: Statements, query: str) -> float:
    with statements.connect() as connection:
        began = time.monotonic()
        connection.execute(query.encode())
        return time.monotonic() - began


def _per_rule(statements: Statements) -> float:
    statements.execute(
        f"drop table if exists {SCHEMA}.per_rule",
        f"create unlogged table {SCHEMA}.per_rule"
        " (segment_id bigint, shop_id bigint, customer_id bigint)",
    )
    with statements.connect() as connection:
        found = connection.execute(_RULES).fetchall()
        began = time.monotonic()
        for segment_id, predicate in found:
            statement = _ONE_RULE.format(
                schema=SCHEMA, segment_id=int(segment_id), predicate=predicate
            )
            connection.execute(statement.encode())
        return time.monotonic() - began
