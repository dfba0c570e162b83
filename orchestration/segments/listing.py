"""What there is: the fields of rules, and the segments of the last build, with size and state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import errors
from psycopg.rows import class_row

from orchestration.database import Database
from orchestration.errors import LoyaltyError
from orchestration.segments.catalogue import (
    AGGREGATES,
    AGGREGATES_OF,
    OPERATORS,
    Catalogue,
    CatalogueField,
    FieldType,
    numbers_of,
)

_SEGMENTS = """
    select
        segments.segment_id,
        shops.shop_domain,
        segments.name,
        segments.rule_status,
        segments.rule_error,
        segments.customer_count,
        segments.reachable_by_email,
        segments.reachable_by_sms
    from marts.customer_segments as segments
    left join raw.shops as shops on shops.id = segments.shop_id
    order by shops.shop_domain collate "C", segments.name collate "C", segments.segment_id
"""


@dataclass(frozen=True)
class Segment:
    """A segment as the last build left it, in the columns of marts.customer_segments."""

    segment_id: int
    shop_domain: str | None
    name: str
    rule_status: str
    rule_error: str | None
    customer_count: int
    reachable_by_email: int
    reachable_by_sms: int


def list_segments(warehouse: Database) -> list[Segment]:
    """Lists the segments of all shops, by shop and name.

    Raises:
        LoyaltyError: The warehouse has not been built yet.
    """
    with warehouse.connect() as connection:
        try:
            return connection.cursor(row_factory=class_row(Segment)).execute(_SEGMENTS).fetchall()
        except errors.UndefinedTable:
            raise LoyaltyError(
                "The warehouse has no segments yet: its models have not been built.",
                remedy="Build them with: loyalty run",
            ) from None


@dataclass(frozen=True)
class FieldEntry:
    """A field that rules may read, as a list for marketers shows it.

    Attributes:
        name: Its name in rules.
        type: number, text, boolean or timestamp.
        operators: What rules may ask of it.
        label: What people call it.
        description: What it means.
        is_personal: Whether its value is personal data, which nothing but explanations shows.
        example: A condition on it.
    """

    name: str
    type: FieldType
    operators: tuple[str, ...]
    label: str
    description: str
    is_personal: bool
    example: Mapping[str, Any]


@dataclass(frozen=True)
class EventEntry:
    """Something that customers do, as a list for marketers shows it.

    Attributes:
        name: Its name in rules.
        label: What people call several of them.
        description: What is counted.
        aggregates: What rules may make of a customer's events.
        fields: What `where` may test of it; `of` may name those that are numbers.
        example: A condition on it.
    """

    name: str
    label: str
    description: str
    aggregates: tuple[str, ...]
    fields: tuple[FieldEntry, ...]
    example: Mapping[str, Any]


def list_fields(catalogue: Catalogue) -> list[FieldEntry]:
    """Lists the customers' fields, in the order of their model."""
    return [_entry(field) for field in catalogue.values()]


def list_events(catalogue: Catalogue) -> list[EventEntry]:
    """Lists the events, by name."""
    return [
        EventEntry(
            name=event.name,
            label=event.label,
            description=event.description,
            aggregates=tuple(
                one for one in AGGREGATES if numbers_of(event) or one not in AGGREGATES_OF
            ),
            fields=tuple(map(_entry, event.fields.values())),
            example={
                "event": event.name,
                "aggregate": "count",
                "op": "gte",
                "value": 1,
                "within_last": {"value": 90, "unit": "day"},
            },
        )
        for event in catalogue.events.values()
    ]


def _entry(field: CatalogueField) -> FieldEntry:
    return FieldEntry(
        name=field.name,
        type=field.type,
        operators=OPERATORS[field.type],
        label=field.label,
        description=field.description,
        is_personal=field.is_personal,
        example={"field": field.name, **_example(field)},
    )


def _example(field: CatalogueField) -> dict[str, Any]:
    match field.type:
        case FieldType.NUMBER:
            value = field.example if isinstance(field.example, int) else 1
            return {"op": "gte" if value else "eq", "value": value}
        case FieldType.TEXT:
            return {"op": "eq", "value": field.example} if field.example else {"op": "is_set"}
        case FieldType.BOOLEAN:
            return {"op": "is_true"}
        case FieldType.TIMESTAMP:
            window = {"value": 30, "unit": "day"}
            if field.is_personal:
                return {"op": "anniversary_within_next", **window}
            return {"op": "within_next" if field.is_known_ahead else "within_last", **window}
