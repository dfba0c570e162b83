"""What a rule may read: the tagged columns of the customer features, the events and theirs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

import yaml

from orchestration.errors import LoyaltyError
from orchestration.settings import PROJECT_DIR

SEGMENT_MODELS = PROJECT_DIR / "models" / "intermediate" / "segments"
FEATURES = SEGMENT_MODELS / "int_customer_features.yml"
EVENTS = SEGMENT_MODELS / "events"
EVENT_MODEL = "int_event_"
"""How the name of an event's model begins; the event's own name follows."""

# The same loader in C, where PyYAML has it: every command about rules reads the catalogue.
_LOADER: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class FieldType(StrEnum):
    """The types of fields; they decide which operators fit."""

    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "boolean"
    TIMESTAMP = "timestamp"


_WINDOWS = ("within_last", "not_within_last", "within_next", "more_than_ago")
_ANY_TYPE = ("is_set", "is_not_set")
OPERATORS: Mapping[FieldType, tuple[str, ...]] = {
    FieldType.NUMBER: (
        *("eq", "neq", "gt", "gte", "lt", "lte", "between", "in", "not_in"),
        *_ANY_TYPE,
    ),
    FieldType.TEXT: (
        *("eq", "neq", "in", "not_in", "contains", "starts_with", "ends_with"),
        *_ANY_TYPE,
    ),
    FieldType.BOOLEAN: ("is_true", "is_false", *_ANY_TYPE),
    FieldType.TIMESTAMP: (
        *("before", "after", "between", *_WINDOWS, "anniversary_within_next"),
        *_ANY_TYPE,
    ),
}
"""The operators of each type, in the order in which messages list them."""

AGGREGATES_OF = ("sum", "avg", "min", "max")
"""What can be made of a number field of events (`of`)."""
AGGREGATES = ("count", *AGGREGATES_OF, "days_since_last", "days_since_first")
"""What can be made of a customer's events: each gives a number."""


@dataclass(frozen=True)
class CatalogueField:
    """One field that rules may read.

    Attributes:
        name: The column of its model, and the name in rules.
        type: Decides which operators fit.
        label: What people call it, as in "points balance".
        description: What it means, for marketers.
        is_personal: Personal data: rules may read it, membership records never keep its value.
        is_known_ahead: A date that is known before it comes, such as the end of a tier; a backtest
            takes all other times after its instant for unknown.
        example: A value of it, for examples; None where none is named.
    """

    name: str
    type: FieldType
    label: str
    description: str
    is_personal: bool
    is_known_ahead: bool = False
    example: str | int | None = None


Fields = Mapping[str, CatalogueField]
"""Fields by name, in the order of their model."""


@dataclass(frozen=True)
class CatalogueEvent:
    """Something that customers do, one row each time.

    Attributes:
        name: The name in rules; its model is `int_event_<name>`.
        label: What people call several of them, as in "orders".
        description: What is counted, for marketers.
        fields: What `of` and `where` may read of it.
    """

    name: str
    label: str
    description: str
    fields: Fields


@dataclass(frozen=True, eq=False)
class Catalogue(Mapping[str, CatalogueField]):
    """The customers' fields by name, in the order of the model, and beside them the events.

    Attributes:
        fields: The customers' fields; the catalogue itself is a mapping of them.
        events: The events by name.
    """

    fields: Fields
    events: Mapping[str, CatalogueEvent]

    def __getitem__(self, name: str) -> CatalogueField:
        return self.fields[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.fields)

    def __len__(self) -> int:
        return len(self.fields)


@cache
def load_catalogue(features: Path = FEATURES, events: Path = EVENTS) -> Catalogue:
    """Reads the catalogue from the models' own yml, where meta tags a column or a whole model.

    Args:
        features: The yml of the customer features model.
        events: The folder of the event models.

    Raises:
        LoyaltyError: A yml is missing, is not that of one model, or a tag is incomplete.
    """
    found = [_event(path) for path in sorted(events.glob("*.yml"))]
    return Catalogue(_load(features)[1], {event.name: event for event in found})


def _load(path: Path) -> tuple[Mapping[str, object], Fields]:
    """The model that a yml describes, and its fields."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), Loader=_LOADER)  # noqa: S506
        (model,) = document["models"]
        fields = [_field(column) for column in model["columns"] if "segment_field" in _meta(column)]
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise LoyaltyError(
            f"The field catalogue cannot be read from {path.name}: {error}.",
            remedy="Each tagged column needs config.meta with segment_field (number, text, boolean "
            "or timestamp) and label, and a description.",
        ) from error
    return model, {field.name: field for field in fields}


def _event(path: Path) -> CatalogueEvent:
    model, fields = _load(path)
    meta = _meta(model)
    try:
        name, label = str(meta["segment_event"]), str(meta["label"])
        description = str(model["description"]).strip()
        if model["name"] != EVENT_MODEL + name:
            raise ValueError(f"the model of {name} is not called {EVENT_MODEL}{name}")
    except (KeyError, ValueError) as error:
        raise LoyaltyError(
            f"The event cannot be read from {path.name}: {error}.",
            remedy=f"A model {EVENT_MODEL}<name> needs config.meta with segment_event (that name) "
            "and label, and a description.",
        ) from error
    return CatalogueEvent(name, label, description, fields)


def numbers_of(event: CatalogueEvent) -> Sequence[str]:
    """The fields of an event that `of` may name."""
    return [field.name for field in event.fields.values() if field.type is FieldType.NUMBER]


def _meta(column: Mapping[str, object]) -> Mapping[str, object]:
    config = column.get("config")
    meta = config.get("meta") if isinstance(config, dict) else None
    return meta if isinstance(meta, dict) else {}


def _field(column: Mapping[str, object]) -> CatalogueField:
    meta = _meta(column)
    return CatalogueField(
        name=str(column["name"]),
        type=FieldType(str(meta["segment_field"])),
        label=str(meta["label"]),
        description=str(column["description"]).strip(),
        is_personal=bool(meta.get("personal_data", False)),
        is_known_ahead=bool(meta.get("known_ahead", False)),
        example=_example(meta),
    )


def _example(meta: Mapping[str, object]) -> str | int | None:
    example = meta.get("example")
    return example if isinstance(example, str | int) else None
