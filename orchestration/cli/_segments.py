"""What the commands on segments share: rules from files, options, and how values are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer

from orchestration.cli._frame import plain
from orchestration.errors import LoyaltyError
from orchestration.segments import RuleError, iso, load_catalogue, parse
from orchestration.segments.parsing import MAXIMUM_BYTES
from orchestration.segments.shortfall import value_in_words

Segment = Annotated[
    str, typer.Option("--segment", metavar="S", help="The segment: its id, or its name.")
]
Shop = Annotated[
    str | None,
    typer.Option("--shop", metavar="DOMAIN", help="The segment's shop, where names are ambiguous."),
]
Criteria = Annotated[
    Path, typer.Option("--criteria", metavar="FILE", help="A file with one rule as JSON.")
]


def read_rule(file: Path) -> str:
    """Reads a rule's text, but no more of it than a rule may have.

    Raises:
        RuleError: The file is no text.
        LoyaltyError: The file cannot be read.
    """
    try:
        with file.open("rb") as opened:
            # A byte-order mark and one byte too many are enough to tell.
            data = opened.read(MAXIMUM_BYTES + 4)
    except OSError as error:
        raise LoyaltyError(f"{plain(str(file))}: {error.strerror or error}.") from None
    is_cut = len(data) > MAXIMUM_BYTES + 3
    try:
        return data.decode("utf-8-sig", "replace" if is_cut else "strict")
    except UnicodeDecodeError:
        raise RuleError((), "the file is not UTF-8 text") from None


def read_criteria(file: Path) -> str:
    """Reads the rule that a command needs.

    Raises:
        LoyaltyError: It cannot be read or used; the message names the place in the JSON.
    """
    try:
        text = read_rule(file)
        parse(text, load_catalogue())
    except RuleError as error:
        raise LoyaltyError(
            f"The rule in {plain(str(file))} cannot be used: {error}.",
            remedy="What rules may say: docs/marketers.md, or loyalty segments fields",
        ) from None
    return text


def document(value: Any) -> dict[str, Any]:
    """A result as JSON: numbers as numbers, instants in ISO 8601."""
    return {key: _json(item) for key, item in asdict(value).items()}


def _json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, Decimal):
        # PostgreSQL's numbers may be none, JSON's never are.
        if not value.is_finite():
            return str(value)
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def percent(part: float | None) -> str:
    """A share from 0 to 1 as people read it."""
    return "" if part is None else f"{part * 100:.1f} %"


def shown(value: Any, timezone: str) -> str:
    """A value that a rule saw, as a terminal may show it."""
    return plain(value_in_words(value, ZoneInfo(timezone)))


def instants(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values that a rule saw, with their instants as such."""
    return {name: _instant(value) for name, value in values.items()}


def _instant(value: Any) -> Any:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return value
