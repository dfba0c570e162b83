"""Compiles the rules that raw holds into the plan from which dbt evaluates them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any

import psycopg
from psycopg import errors, sql
from psycopg.rows import TupleRow

from orchestration.database import Database
from orchestration.errors import LoyaltyError
from orchestration.segments.assessment import RuleResult, StoredRule, assess_all
from orchestration.segments.binding import Constants, Parameters
from orchestration.segments.catalogue import Catalogue, load_catalogue
from orchestration.segments.parsing import MAXIMUM_BYTES
from orchestration.warehouse import prepare

# A rule that is too large is cut, not carried: one character more than may be is enough to tell.
_RULES = sql.SQL("""
    select
        segments.id,
        segments.shop_id,
        shops.shop_domain,
        segments.name,
        left(segments.criteria::text, {length}),
        md5(segments.criteria::text),
        coalesce(segments.is_active, true),
        coalesce(segments.auto_update, true)
    from raw.customer_segments as segments
    left join raw.shops as shops on shops.id = segments.shop_id
    where
        segments._deleted_at is null
        and (%(shop_id)s::bigint is null or segments.shop_id = %(shop_id)s)
    order by segments.id
""").format(length=sql.Literal(MAXIMUM_BYTES + 1))


@dataclass(frozen=True)
class CompileReport:
    """What a compilation found and wrote.

    Attributes:
        statuses: How many live segments have each rule_status.
        shapes: Distinct shapes among the rules that can be evaluated.
        rows_written: Rows of the plan that changed; 0 where no rule did.
        invalid: The rules that cannot be used, each with its error.
    """

    statuses: Mapping[str, int]
    shapes: int
    rows_written: int
    invalid: tuple[RuleResult, ...]


def compile_rules(warehouse: Database, catalogue: Catalogue | None = None) -> CompileReport:
    """Compiles every live segment's rule and stores the plan, in one transaction.

    A rule that cannot be used gets the status `invalid` and its error; all others go on. Where no
    rule has changed nothing is written.

    Args:
        warehouse: The warehouse, synced.
        catalogue: What rules may read; None means what the models offer.

    Raises:
        LoyaltyError: The warehouse cannot be reached, or holds no segments table yet.
    """
    known = load_catalogue() if catalogue is None else catalogue
    with warehouse.connect() as connection:
        prepare(connection)
        with connection.transaction():
            connection.execute("lock table ops.segment_rules in share row exclusive mode")
            results = assess_all(read_rules(connection), known)
            written = store_plan(connection, results)
    return CompileReport(
        statuses=Counter(result.status for result in results),
        shapes=len({result.compiled.shape_id for result in results if result.compiled}),
        rows_written=written,
        invalid=tuple(result for result in results if result.status == "invalid"),
    )


def read_rules(
    connection: psycopg.Connection[TupleRow], shop_id: int | None = None
) -> list[StoredRule]:
    """Reads the live segments that raw holds.

    Args:
        connection: A connection to the warehouse.
        shop_id: Only this shop's; None means all shops'.

    Raises:
        LoyaltyError: Nothing has been synced yet.
    """
    try:
        return [StoredRule(*row) for row in connection.execute(_RULES, {"shop_id": shop_id})]
    except errors.UndefinedTable:
        raise LoyaltyError(
            "The warehouse holds no segments yet.", remedy="Bring them in with: loyalty sync"
        ) from None


PLAN_TABLES = (
    *("segment_rules", "segment_parameters", "segment_plan"),
    *("segment_event_tests", "segment_event_plan", "segment_reference_tests"),
)
"""The tables of ops that hold the compiled rules."""


def store_plan(
    connection: psycopg.Connection[TupleRow], results: Sequence[RuleResult], schema: str = "ops"
) -> int:
    """Makes the plan that of these rules, and of no others.

    Args:
        connection: A connection to the warehouse, inside a transaction.
        results: The assessed rules.
        schema: Where the tables of the plan are: ops, or copies of them for an evaluation apart.

    Returns:
        How many rows of the plan changed.
    """
    compiled = [(result.rule, result.compiled) for result in results if result.compiled]
    counts = Counter(rule.shape_id for _, rule in compiled)
    shapes = {rule.shape_id: rule for _, rule in compiled}
    tests = {(r.shop_id, t.test.test_id): t for r, rule in compiled for t in rule.event_tests}
    kept = {(r.shop_id, k.test_id): k for r, rule in compiled for k in rule.references}
    constants = [field.name for field in fields(Constants)]
    written = _replace(
        connection,
        (schema, "segment_rules"),
        ("segment_id",),
        ("shop_id", "rule_status", "rule_error", "rule_in_words", "criteria_hash"),
        (
            (r.rule.segment_id, r.rule.shop_id, r.status, r.error, r.words, r.rule.criteria_hash)
            for r in results
        ),
    )
    written += _replace(
        connection,
        (schema, "segment_parameters"),
        ("segment_id",),
        ("shop_id", "shape_id", *(field.name for field in fields(Parameters))),
        (
            (stored.segment_id, stored.shop_id, rule.shape_id, *astuple(rule.parameters))
            for stored, rule in compiled
        ),
    )
    written += _replace(
        connection,
        (schema, "segment_plan"),
        ("shape_id",),
        ("predicate", "values_seen", "fields", "rules"),
        (
            (shape_id, rule.predicate, rule.values_seen, list(rule.fields), counts[shape_id])
            for shape_id, rule in shapes.items()
        ),
    )
    written += _replace(
        connection,
        (schema, "segment_event_tests"),
        ("shop_id", "test_id"),
        ("shape_id", "aggregate", *constants),
        (
            (*key, test.shape_id, test.test.aggregate, *astuple(test.test.constants))
            for key, test in tests.items()
        ),
    )
    written += _replace(
        connection,
        (schema, "segment_event_plan"),
        ("shape_id",),
        ("event", "predicate", "value", "fields"),
        (
            (shape_id, test.test.shape.event, test.predicate, test.value, list(test.fields))
            for shape_id, test in {test.shape_id: test for test in tests.values()}.items()
        ),
    )
    return written + _replace(
        connection,
        (schema, "segment_reference_tests"),
        ("shop_id", "test_id"),
        ("segment_id", "is_current", "window_values", "window_units"),
        (
            (*key, k.segment_id, k.is_current, list(k.window_values), list(k.window_units))
            for key, k in kept.items()
        ),
    )


def _replace(
    connection: psycopg.Connection[TupleRow],
    table: tuple[str, str],
    key: Sequence[str],
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
) -> int:
    """Makes a table hold exactly the rows; rows that are equal already are left alone."""
    target, scratch = sql.Identifier(*table), sql.Identifier("pg_temp", f"new_{table[1]}")
    every = sql.SQL(", ").join(map(sql.Identifier, (*key, *columns)))
    values = sql.SQL(", ").join(map(sql.Identifier, columns))

    def of(alias: str, columns: Sequence[str] = columns) -> sql.Composed:
        return sql.SQL(", ").join(sql.Identifier(alias, column) for column in columns)

    names = {
        "target": target,
        "scratch": scratch,
        "key": sql.SQL(", ").join(map(sql.Identifier, key)),
        "old_key": of("existing", key),
        "new_key": of("wanted", key),
        "every": every,
        "values": values,
        "old": of("existing"),
        "new": of("excluded"),
    }
    connection.execute(
        sql.SQL(
            "create temporary table {name} on commit drop as select {every} from {target} limit 0"
        ).format(name=sql.Identifier(f"new_{table[1]}"), **names)
    )
    with connection.cursor() as cursor:
        with cursor.copy(sql.SQL("copy {scratch} ({every}) from stdin").format(**names)) as copy:
            for row in rows:
                copy.write_row(row)
        cursor.execute(
            sql.SQL(
                "delete from {target} as existing where not exists ("
                "select from {scratch} as wanted where row({new_key}) = row({old_key}))"
            ).format(**names)
        )
        deleted = cursor.rowcount
        cursor.execute(
            sql.SQL(
                "insert into {target} as existing ({every}) select {every} from {scratch} "
                "on conflict ({key}) do update set ({values}, compiled_at) = row({new}, now()) "
                "where row({old}) is distinct from row({new})"
            ).format(**names)
        )
        return deleted + cursor.rowcount
