"""What a rule may read: the columns of the customer features model that are tagged as fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

import yaml

from orchestration.errors import LoyaltyError
from orchestration.settings import PROJECT_DIR

FEATURES = PROJECT_DIR / "models" / "intermediate" / "segments" / "int_customer_features.yml"


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


@dataclass(frozen=True)
class CatalogueField:
    """One field that rules may read.

    Attributes:
        name: The column of the customer features, and the name in rules.
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


Catalogue = Mapping[str, CatalogueField]
"""The fields by name, in the order of the model."""


@cache
def load_catalogue(features: Path = FEATURES) -> Catalogue:
    """Reads the field catalogue from the model's own yml, where a column is tagged by its meta.

    Args:
        features: The yml of the customer features model.

    Raises:
        LoyaltyError: The yml is missing, is not that of one model, or a tag is incomplete.
    """
    try:
        document = yaml.safe_load(features.read_text(encoding="utf-8"))
        (model,) = document["models"]
        columns = model["columns"]
        fields = [_field(column) for column in columns if "segment_field" in _meta(column)]
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise LoyaltyError(
            f"The field catalogue cannot be read from {features.name}: {error}.",
            remedy="Each tagged column needs config.meta with segment_field (number, text, boolean "
            "or timestamp) and label, and a description.",
        ) from error
    return {field.name: field for field in fields}


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
