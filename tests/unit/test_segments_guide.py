"""The marketer's guide against the language: its examples work, and it leaves no field out."""

from __future__ import annotations

import re

import pytest

from orchestration.segments import load_catalogue, parse
from orchestration.segments.catalogue import AGGREGATES, OPERATORS
from orchestration.settings import PROJECT_DIR

GUIDE = (PROJECT_DIR / "docs" / "marketers.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_a_valid_rule(example: str) -> None:
    assert parse(example, load_catalogue())


def test_every_field_event_and_operator_is_in_the_guide() -> None:
    catalogue = load_catalogue()
    names = {*catalogue, *(op for ops in OPERATORS.values() for op in ops), *AGGREGATES}
    names |= {*catalogue.events, *(f for e in catalogue.events.values() for f in e.fields)}
    assert {name for name in names if f"`{name}`" not in GUIDE} == set()
