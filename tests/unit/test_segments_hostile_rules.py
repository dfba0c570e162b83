"""Hostile rules against the parser: one short error each that names a place."""

from __future__ import annotations

import json
import re

import pytest
from hostile_rules import BROKEN, INJECTIONS, NO_JSON, harmful, harmless

from orchestration.segments import RuleError, load_catalogue, parse
from orchestration.segments.predicate import compile_criteria

CATALOGUE = load_catalogue()
PLACE = re.compile(r"^(criteria|[a-z_]\w*|\")")


def error_of(text: str) -> str:
    with pytest.raises(RuleError) as caught:
        parse(text, CATALOGUE)
    return str(caught.value)


@pytest.mark.parametrize("name", [*BROKEN, *NO_JSON])
def test_a_broken_rule_is_one_short_line_that_names_the_place(name: str) -> None:
    error = error_of({**BROKEN, **NO_JSON}[name])
    assert PLACE.match(error), error
    assert len(error) < 1000
    assert error.isprintable(), error
    error.encode()


@pytest.mark.parametrize("text", INJECTIONS)
def test_a_text_in_the_place_of_a_word_is_refused_in_one_short_line(text: str) -> None:
    for place, rule in harmful(text).items():
        if place == "a segment":  # which segments there are, the shop says
            continue
        error = error_of(json.dumps(rule))
        assert len(error) < 1000, place
        assert error.isprintable(), place


@pytest.mark.parametrize("text", INJECTIONS)
def test_a_text_that_is_a_value_is_never_in_the_sql(text: str) -> None:
    for place, rule in harmless(text).items():
        compiled = compile_criteria(parse(json.dumps(rule), CATALOGUE), CATALOGUE)
        plain = compile_criteria(parse(json.dumps(harmless("text")[place]), CATALOGUE), CATALOGUE)
        assert compiled.predicate == plain.predicate
        assert compiled.values_seen == plain.values_seen
        assert [(t.predicate, t.value) for t in compiled.event_tests] == [
            (t.predicate, t.value) for t in plain.event_tests
        ]
