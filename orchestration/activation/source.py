"""What the warehouse says: as of when it was built, and which segments and shops are in scope."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches

import psycopg
from psycopg.rows import TupleRow
from psycopg.sql import SQL

from orchestration.errors import LoyaltyError

Warehouse = psycopg.Connection[TupleRow]

_SEGMENTS = "marts.customer_segments"
_ANALYTICS = "marts.loyalty_analytics"
_RELATIONS = (
    "marts.customer_segments",
    "marts.customer_segment_memberships",
    "marts.loyalty_analytics",
    "marts.dim_shops",
    "intermediate.int_reachable_contacts",
    "staging.stg_campaigns",
    "ops.model_watermarks",
)


@dataclass(frozen=True)
class Segment:
    """A segment of the warehouse."""

    segment_id: int
    shop_id: int
    shop_domain: str
    name: str
    rule_status: str


@dataclass(frozen=True)
class Scope:
    """What one activation is about.

    Attributes:
        segments: The segments in scope, whatever their rule_status.
        named: Every segment's id by shop and name, in scope or not: campaigns name them.
        shops: The domains by shop id.
        segment: The one segment name that was asked for.
        shop: The one shop that was asked for.
    """

    segments_as_of: datetime
    analytics_as_of: datetime
    segments: tuple[Segment, ...]
    named: dict[tuple[int, str], int]
    shops: dict[int, str]
    segment: str | None
    shop: str | None


def read_scope(warehouse: Warehouse, *, segment: str | None, shop: str | None) -> Scope:
    """Reads the scope, and leaves it in the session's temporary tables for later queries.

    Args:
        warehouse: A direct connection, inside the transaction that the plan is read in.
        segment: Only segments of this name; analytics are then left out.
        shop: Only the shop of this domain.

    Raises:
        LoyaltyError: Nothing has been built yet, or no such segment or shop exists.
    """
    for relation in _RELATIONS:
        row = warehouse.execute("select to_regclass(%s) is not null", [relation]).fetchone()
        if not row or not row[0]:
            raise LoyaltyError(
                f"The warehouse has no {relation} yet.",
                remedy="Build it first: `loyalty sync`, then `loyalty build`.",
            )
    watermarks = _built_as_of(warehouse)
    for model in (_SEGMENTS, _ANALYTICS):
        if watermarks.get(model) is None:
            raise LoyaltyError(
                f"The model {model} has not been built yet, so there is nothing to write back.",
                remedy="Build it first: `loyalty build`.",
            )
    shops: dict[int, str] = dict(
        warehouse.execute("select shop_id, shop_domain from marts.dim_shops").fetchall()
    )
    if shop is not None and shop not in shops.values():
        raise _unknown("shop", shop, shops.values())
    _create_scope(warehouse, segment=segment, shop=shop)
    rows = warehouse.execute(
        "select segment_id, shop_id, name, rule_status from marts.customer_segments"
        ' order by shop_id, name collate "C", segment_id'
    ).fetchall()
    if segment is not None and segment not in {name for _, _, name, _ in rows}:
        raise _unknown("segment", segment, {name for _, _, name, _ in rows})
    in_scope = {s for (s,) in warehouse.execute("select segment_id from pg_temp.activation_scope")}
    return Scope(
        segments_as_of=watermarks[_SEGMENTS],
        analytics_as_of=watermarks[_ANALYTICS],
        segments=tuple(
            Segment(segment_id, shop_id, shops[shop_id], name, rule_status)
            for segment_id, shop_id, name, rule_status in rows
            if segment_id in in_scope
        ),
        named={(shop_id, name): segment_id for segment_id, shop_id, name, _ in rows},
        shops=shops,
        segment=segment,
        shop=shop,
    )


def choose_shops(warehouse: Warehouse, shop: str | None) -> None:
    """Leaves the shops in scope in a temporary table of the session."""
    warehouse.execute(
        SQL("""
            create temporary table activation_shops as
            select shop_id from marts.dim_shops
            where shop_domain = {shop} or {shop} is null
        """).format(shop=shop)
    )
    warehouse.execute("analyze pg_temp.activation_shops")


def _create_scope(warehouse: Warehouse, *, segment: str | None, shop: str | None) -> None:
    choose_shops(warehouse, shop)
    warehouse.execute(
        SQL("""
            create temporary table activation_scope as
            select
                segments.segment_id,
                segments.rule_status,
                activated.as_of as activated_as_of
            from marts.customer_segments as segments
            inner join pg_temp.activation_shops as shops
                on segments.shop_id = shops.shop_id
            left join ops.activated_segments as activated
                on segments.segment_id = activated.segment_id
            where segments.name = {segment} or {segment} is null
        """).format(segment=segment)
    )
    warehouse.execute("analyze pg_temp.activation_scope")


def refuse_going_back(warehouse: Warehouse, scope: Scope) -> None:
    """Refuses what is older than what has been written already.

    Raises:
        LoyaltyError: The warehouse was built as of an earlier time than the last activation.
    """
    wanted = {"segments": scope.segments_as_of, "analytics": scope.analytics_as_of}
    for subject, as_of in warehouse.execute("select subject, as_of from ops.activation_state"):
        if wanted[subject] < as_of:
            raise LoyaltyError(
                f"The warehouse's {subject} are as of {wanted[subject].isoformat()}, but those as "
                f"of {as_of.isoformat()} were written to the application already; "
                "activation never goes back.",
                remedy="Build the present again (`loyalty run`), or leave activation out "
                "(`loyalty run --no-activate`).",
            )


def refuse_overtaken(warehouse: Warehouse, scope: Scope) -> None:
    """Refuses a plan that was made from an earlier build than the warehouse's.

    Raises:
        LoyaltyError: The warehouse has been built since.
    """
    built = _built_as_of(warehouse)
    if (built.get(_SEGMENTS), built.get(_ANALYTICS)) != (
        scope.segments_as_of,
        scope.analytics_as_of,
    ):
        raise LoyaltyError(
            "The warehouse was built again after the plan of this activation was made.",
            remedy="Run it again: the plan is then made from the newer build.",
        )


def _built_as_of(warehouse: Warehouse) -> dict[str, datetime]:
    rows = warehouse.execute(
        "select model, as_of from ops.model_watermarks where model = any(%s)",
        [[_SEGMENTS, _ANALYTICS]],
    )
    return dict(rows.fetchall())


def _unknown(kind: str, name: str, known: Iterable[str]) -> LoyaltyError:
    names = sorted(known)
    near = get_close_matches(name, names, n=3)
    hint = f"Did you mean {', '.join(near)}?" if near else "`loyalty segments list` shows them all."
    return LoyaltyError(f"The warehouse knows no {kind} {name!r}.", remedy=hint)
