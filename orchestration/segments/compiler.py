"""Compiles the rules that raw holds into the plan from which dbt evaluates them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any

import psycopg
from psycopg import errors, sql
from psycopg.rows import TupleRow

from orchestration.database import Database
from orchestration.errors import LoyaltyError
from orchestration.segments.binding import Parameters
from orchestration.segments.catalogue import Catalogue, load_catalogue
from orchestration.segments.errors import RuleError
from orchestration.segments.parsing import MAXIMUM_BYTES, parse
from orchestration.segments.predicate import CompiledRule, compile_criteria
from orchestration.segments.words import in_words
from orchestration.warehouse import prepare

logger = logging.getLogger(__name__)

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
        and (%(only)s::bigint[] is null or segments.id = any(%(only)s))
    order by segments.id
""").format(length=sql.Literal(MAXIMUM_BYTES + 1))


@dataclass(frozen=True)
class StoredRule:
    """A segment as raw has it; `criteria` is its raw JSON text."""

    segment_id: int
    shop_id: int
    shop_domain: str | None
    name: str
    criteria: str | None
    criteria_hash: str | None
    is_active: bool
    is_automatic: bool


@dataclass(frozen=True)
class RuleResult:
    """What a rule is worth.

    Attributes:
        rule: The segment.
        status: valid, invalid, inactive (switched off) or manual (the application's own members).
        error: For an invalid rule: where in the JSON, what is wrong and the nearest valid name.
        words: For a valid rule: the rule in words.
        compiled: For a valid rule: its shape and constants.
    """

    rule: StoredRule
    status: str
    error: str | None = None
    words: str | None = None
    compiled: CompiledRule | None = None


@dataclass(frozen=True)
class CompileReport:
    """What a compilation found and wrote.

    Attributes:
        statuses: How many live segments have each rule_status.
        shapes: Distinct shapes among the valid rules.
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
        catalogue: The fields that rules may read; None means the customer features model's.

    Raises:
        LoyaltyError: The warehouse cannot be reached, or holds no segments table yet.
    """
    known = load_catalogue() if catalogue is None else catalogue
    with warehouse.connect() as connection:
        prepare(connection)
        with connection.transaction():
            connection.execute("lock table ops.segment_rules in share row exclusive mode")
            results = [assess(rule, known) for rule in read_rules(connection)]
            written = store_plan(connection, results)
    return CompileReport(
        statuses=Counter(result.status for result in results),
        shapes=len({result.compiled.shape_id for result in results if result.compiled}),
        rows_written=written,
        invalid=tuple(result for result in results if result.status == "invalid"),
    )


def read_rules(
    connection: psycopg.Connection[TupleRow], only: Sequence[int] | None = None
) -> list[StoredRule]:
    """Reads the live segments that raw holds.

    Args:
        connection: A connection to the warehouse.
        only: The ids of the segments to read; None means all of them.

    Raises:
        LoyaltyError: Nothing has been synced yet.
    """
    wanted = {"only": None if only is None else list(only)}
    try:
        return [StoredRule(*row) for row in connection.execute(_RULES, wanted)]
    except errors.UndefinedTable:
        raise LoyaltyError(
            "The warehouse holds no segments yet.", remedy="Bring them in with: loyalty sync"
        ) from None


def assess(rule: StoredRule, catalogue: Catalogue) -> RuleResult:
    """Says what a rule is worth, and compiles it where it is to be evaluated."""
    if not rule.is_active:
        return RuleResult(rule, "inactive")
    if not rule.is_automatic:
        return RuleResult(rule, "manual")
    try:
        criteria = parse(rule.criteria, catalogue)
        words, compiled = in_words(criteria, catalogue), compile_criteria(criteria, catalogue)
    except RuleError as error:
        return RuleResult(rule, "invalid", error=str(error))
    except Exception:
        # A mistake of ours in one merchant's rule must not stop the rules of all others.
        logger.exception("The rule of segment %s cannot be compiled.", rule.segment_id)
        return RuleResult(rule, "invalid", error="the rule could not be compiled: please report it")
    return RuleResult(rule, "valid", words=words, compiled=compiled)


PLAN_TABLES = ("segment_rules", "segment_parameters", "segment_plan")
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
    written = _replace(
        connection,
        (schema, "segment_rules"),
        "segment_id",
        ("shop_id", "rule_status", "rule_error", "rule_in_words", "criteria_hash"),
        (
            (r.rule.segment_id, r.rule.shop_id, r.status, r.error, r.words, r.rule.criteria_hash)
            for r in results
        ),
    )
    written += _replace(
        connection,
        (schema, "segment_parameters"),
        "segment_id",
        ("shop_id", "shape_id", *(field.name for field in fields(Parameters))),
        (
            (stored.segment_id, stored.shop_id, rule.shape_id, *astuple(rule.parameters))
            for stored, rule in compiled
        ),
    )
    return written + _replace(
        connection,
        (schema, "segment_plan"),
        "shape_id",
        ("predicate", "values_seen", "fields", "rules"),
        (
            (shape_id, rule.predicate, rule.values_seen, list(rule.fields), counts[shape_id])
            for shape_id, rule in shapes.items()
        ),
    )


def _replace(
    connection: psycopg.Connection[TupleRow],
    table: tuple[str, str],
    key: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
) -> int:
    """Makes a table hold exactly the rows; rows that are equal already are left alone."""
    target, scratch = sql.Identifier(*table), sql.Identifier("pg_temp", f"new_{table[1]}")
    every = sql.SQL(", ").join(map(sql.Identifier, (key, *columns)))
    values = sql.SQL(", ").join(map(sql.Identifier, columns))

    def of(alias: str) -> sql.Composed:
        return sql.SQL(", ").join(sql.Identifier(alias, column) for column in columns)

    names = {
        "target": target,
        "scratch": scratch,
        "key": sql.Identifier(key),
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
                "select from {scratch} as wanted where wanted.{key} = existing.{key})"
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
