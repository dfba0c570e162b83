"""Rules evaluated outside a build: by the build's own models, over the rows of one shop only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import IsolationLevel, errors, sql
from psycopg.rows import dict_row

from orchestration.database import Database
from orchestration.errors import LoyaltyError
from orchestration.segments.assessment import RuleResult
from orchestration.segments.catalogue import EVENT_MODEL, Catalogue
from orchestration.segments.compiler import PLAN_TABLES, store_plan
from orchestration.segments.finding import Shop, not_built
from orchestration.segments.rendering import referenced, render

MODELS = (
    "int_segment_event_tests",
    "int_segment_parameters",
    "int_segment_event_values",
    "int_segment_kept_members",
    "int_segment_matches",
)
"""The models that evaluate rules, in the order in which they read each other."""

FEATURES = "int_customer_features"
STAYS = "segment_stays"
_BUILT_SCHEMAS = ["staging", "intermediate", "marts", "ops"]

Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Evaluation:
    """Rules that have been evaluated, for as long as the transaction lasts.

    The temporary relations of the transaction are named as the models are: `int_segment_matches`
    has a row per rule (as segment_id) and customer that it selects, `int_segment_parameters` the
    rules' constants, `int_customer_features` the customers, `segment_stays` the stays until then.

    Attributes:
        connection: Where the temporary tables are.
        shop: The shop.
        as_of: The instant that the rules were evaluated for.
        built_as_of: The instant that the last build shows.
    """

    connection: Connection
    shop: Shop
    as_of: datetime
    built_as_of: datetime

    @property
    def is_backtest(self) -> bool:
        """Whether the rules were evaluated for an instant before the last build's."""
        return self.as_of < self.built_as_of

    def rows(self, query: str, **given: Any) -> list[dict[str, Any]]:
        """Runs a query over the temporary tables; `shop_id` and `as_of` are given, too."""
        known = {"shop_id": self.shop.shop_id, "as_of": self.as_of, **given}
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query.encode(), known).fetchall()

    def values_seen(self, query: str, **given: Any) -> list[dict[str, Any]]:
        """Runs a query, with the values that each rule saw of each customer in the place of {}.

        Args:
            query: SQL in which {values} is to be the values as jsonb, {source} what they come from:
                `parameters`, a row per rule, and `features`, a row per customer.
            given: As for `rows`.
        """
        plan = self.rows("select shape_id, values_seen from pg_temp.segment_plan")
        cases = [
            sql.SQL("when {} then {}").format(shape["shape_id"], sql.SQL(shape["values_seen"]))
            for shape in plan
        ]
        values = sql.SQL("case parameters.shape_id {} end").format(sql.SQL(" ").join(cases))
        text = query.format(values=values.as_string().replace("%", "%%"), source=_SEEN)
        return self.rows(text, **given)


_SEEN = """
    pg_temp.int_segment_parameters as parameters
    inner join pg_temp.int_customer_features as features on parameters.shop_id = features.shop_id
    left join pg_temp.int_segment_event_values as event_values
        on
            features.customer_id = event_values.customer_id
            and features.shop_id = event_values.shop_id
"""


@contextmanager
def snapshot(warehouse: Database) -> Iterator[Connection]:
    """One view of the warehouse, of which nothing stays: the transaction is rolled back at its end.

    Raises:
        LoyaltyError: The warehouse cannot be reached.
    """
    with warehouse.connect(autocommit=True) as connection:
        connection.isolation_level = IsolationLevel.REPEATABLE_READ
        with connection.transaction(force_rollback=True):
            connection.execute("set local jit = off")
            yield connection


def evaluate(
    connection: Connection,
    shop: Shop,
    rules: Sequence[RuleResult],
    catalogue: Catalogue,
    *,
    as_of: datetime | None = None,
    customer_id: int | None = None,
) -> Evaluation:
    """Evaluates rules of one shop as a build would, into temporary tables.

    Before the last build's as_of it is a backtest: times are relative to the earlier instant, and
    what is dated after it does not exist. What has no history, such as a balance, is as it is now.

    Args:
        connection: Inside a `snapshot`, in which nothing has been evaluated yet.
        shop: The shop whose customers are looked at.
        rules: Compiled rules of the shop, under ids that tell them apart.
        catalogue: The fields and events that they were compiled with.
        as_of: The instant to evaluate for; None means the last build's.
        customer_id: The only customer to look at; None means all of the shop.

    Raises:
        LoyaltyError: The warehouse has not been built, or `as_of` is after the last build's.
    """
    built_as_of = _built_as_of(connection)
    wanted = built_as_of if as_of is None else as_of
    if wanted > built_as_of:
        raise LoyaltyError(
            f"The instant {iso(wanted)} is later than the last build's, {iso(built_as_of)}: "
            "the warehouse cannot know yet who will qualify.",
            remedy="Leave out --as-of, or bring the warehouse up to date with: loyalty run",
        )
    evaluation = Evaluation(connection, shop, wanted, built_as_of)
    _store_rules(connection, rules)
    _restrict_relations(evaluation, customer_id, catalogue)
    for model in MODELS:
        text = render(model, _names(evaluation, catalogue))
        name = sql.Identifier(model)
        create = sql.SQL("create temporary table {} on commit drop as ").format(name)
        connection.execute(create.as_bytes(connection) + text.encode())
        connection.execute(sql.SQL("analyze pg_temp.{}").format(name))
    return evaluation


def iso(instant: datetime) -> str:
    """An instant as commands take and show it."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _built_as_of(connection: Connection) -> datetime:
    try:
        row = connection.execute(
            "select as_of from ops.model_watermarks"
            " where model = 'intermediate.int_customer_features'"
            " and to_regclass(model) is not null"
        ).fetchone()
    except errors.UndefinedTable:
        raise not_built() from None
    if row is None:
        raise not_built()
    built: datetime = row[0]
    return built


def _store_rules(connection: Connection, rules: Sequence[RuleResult]) -> None:
    """Stores the rules in copies of the plan's tables that end with the transaction."""
    for table in PLAN_TABLES:
        copy = sql.SQL("create temporary table {} (like {} including all) on commit drop")
        name = sql.Identifier("ops", table)
        try:
            connection.execute(copy.format(sql.Identifier(table), name))
        except errors.UndefinedTable:
            raise not_built() from None
    store_plan(connection, rules, schema="pg_temp")


def _restrict_relations(
    evaluation: Evaluation, customer_id: int | None, catalogue: Catalogue
) -> None:
    """Puts views of the shop's rows, or the customer's, in the place of what the models read."""
    names = {name for model in MODELS for name in referenced(model)} - set(MODELS)
    names |= {FEATURES, STAYS, *_event_models(catalogue).values()}
    found = evaluation.rows(
        """
        select
            classes.relname as name,
            min(schemas.nspname) as schema,
            array_agg(attributes.attname::text order by attributes.attnum) as columns,
            coalesce(
                array_agg(attributes.attname::text) filter (
                    where attributes.atttypid = 'timestamptz'::regtype
                ),
                '{}'
            ) as times
        from pg_class as classes
        inner join pg_namespace as schemas on classes.relnamespace = schemas.oid
        inner join pg_attribute as attributes on classes.oid = attributes.attrelid
        where
            classes.relname = any(%(names)s)
            and schemas.nspname = any(%(schemas)s)
            and attributes.attnum > 0
            and not attributes.attisdropped
        group by classes.relname
        """,
        names=list(names),
        schemas=_BUILT_SCHEMAS,
    )
    if {relation["name"] for relation in found} != names:
        raise not_built()
    for relation in found:
        columns, conditions = relation["columns"], []
        for key, value in (("shop_id", evaluation.shop.shop_id), ("customer_id", customer_id)):
            if key in columns and value is not None:
                equal = sql.SQL("{} = {}")
                conditions.append(equal.format(sql.Identifier(key), sql.Literal(value)))
        unknown: set[str] = set()
        if evaluation.is_backtest and relation["name"] in _BEGINS:
            unknown = {time for time in relation["times"] if not _is_known_ahead(time, catalogue)}
            begins = sql.SQL("coalesce({} <= {}, true)")
            began = sql.Identifier(_BEGINS[relation["name"]])
            conditions.append(begins.format(began, sql.Literal(evaluation.as_of)))
        evaluation.connection.execute(
            sql.SQL("create temporary view {} as select {} from {} where {}").format(
                sql.Identifier(relation["name"]),
                sql.SQL(", ").join(
                    _until(name, evaluation.as_of) if name in unknown else sql.Identifier(name)
                    for name in columns
                ),
                sql.Identifier(relation["schema"], relation["name"]),
                sql.SQL(" and ").join(conditions),
            )
        )


_BEGINS = {FEATURES: "created_at", STAYS: "added_at"}
"""Relations of things that last, with when they began: a backtest takes back what came later."""


def _until(column: str, as_of: datetime) -> sql.Composed:
    until = sql.SQL("case when {0} <= {1} then {0} end as {0}")
    return until.format(sql.Identifier(column), sql.Literal(as_of))


def _is_known_ahead(name: str, catalogue: Catalogue) -> bool:
    """Whether a time is known before it comes, as the end of a tier is: it is not history."""
    return name in catalogue and catalogue[name].is_known_ahead


def _event_models(catalogue: Catalogue) -> dict[str, str]:
    return {name: f"{EVENT_MODEL}{name}" for name in catalogue.events}


def _names(evaluation: Evaluation, catalogue: Catalogue) -> dict[str, Any]:
    """What stands for dbt's own names, and for the macros that ask the database."""

    def source(schema: str, table: str) -> str:
        return f"pg_temp.{table}" if table in PLAN_TABLES else f"{schema}.{table}"

    def segment_plan(_: str) -> list[dict[str, Any]]:
        return evaluation.rows(
            "select plan.shape_id::text, plan.predicate, plan.values_seen"
            " from pg_temp.segment_plan as plan"
            " where plan.shape_id in (select shape_id from pg_temp.int_segment_parameters)"
            " order by plan.shape_id"
        )

    def segment_event_plan(_: str) -> list[dict[str, Any]]:
        return evaluation.rows(
            "select plan.event, plan.shape_id::text, plan.predicate, plan.value"
            " from pg_temp.segment_event_plan as plan"
            " where plan.shape_id in (select shape_id from pg_temp.int_segment_event_tests)"
            " order by plan.event, plan.shape_id"
        )

    events = {event: f"pg_temp.{model}" for event, model in _event_models(catalogue).items()}
    return {
        "ref": lambda name: f"pg_temp.{name}",
        "source": source,
        "as_of": lambda: f"timestamptz '{iso(evaluation.as_of)}'",
        "config": lambda **_: "",
        "segment_plan": segment_plan,
        "segment_plan_warning": lambda: "",
        "segment_event_plan": segment_event_plan,
        "segment_events": lambda: events,
        "segment_kept_stays": lambda: f"pg_temp.{STAYS}",
        # All of it: what a build has evaluated before does not count here.
        "segment_touched_matches": lambda *_: ["true"],
        "is_touched": lambda *_: "true",
    }
