"""`loyalty segments validate` on files: what it prints, and how it exits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestration.cli.segments import app

GOOD = '{"field": "lifetime_spent", "op": "gt", "value": 500}'
BAD = '{"field": "lifetime_spend", "op": "gt", "value": 500}'


@pytest.fixture
def rule(tmp_path: Path) -> Path:
    return tmp_path / "rule.json"


def test_a_good_rule_is_said_in_words(rule: Path) -> None:
    rule.write_text(GOOD)
    result = CliRunner().invoke(app, ["validate", str(rule)])
    assert (result.exit_code, result.stdout) == (0, "Valid: Lifetime spend over 500.\n")


def test_a_bad_rule_fails_with_its_error(rule: Path) -> None:
    rule.write_text(BAD)
    result = CliRunner().invoke(app, ["validate", str(rule)])
    assert result.exit_code == 1
    assert 'field: unknown field "lifetime_spend"; did you mean lifetime_spent?' in result.stderr


def test_json_says_the_same_to_machines(rule: Path) -> None:
    rule.write_text(BAD)
    result = CliRunner().invoke(app, ["validate", str(rule), "--json"])
    assert result.exit_code == 1
    (checked,) = json.loads(result.stdout)
    assert checked["status"] == "invalid"
    assert checked["error"].startswith("field: unknown field")


def test_control_characters_of_a_rule_do_not_reach_the_terminal(rule: Path) -> None:
    rule.write_text(json.dumps({"field": "tier_name", "op": "eq", "value": "a\x1b]0;t\x07"}))
    result = CliRunner().invoke(app, ["validate", str(rule)])
    assert result.stdout == "Valid: Tier is a\\x1b]0;t\\x07.\n"


def test_a_file_that_is_no_text_is_an_invalid_rule(rule: Path) -> None:
    rule.write_bytes(b"\xff\xfe{")
    result = CliRunner().invoke(app, ["validate", str(rule)])
    assert result.exit_code == 1
    assert "not UTF-8" in result.stderr


@pytest.mark.parametrize("arguments", [[], ["RULE", "--all"], ["missing.json"]])
def test_wrong_usage_exits_with_two(arguments: list[str], rule: Path) -> None:
    rule.write_text(GOOD)
    given = [str(rule) if argument == "RULE" else argument for argument in arguments]
    assert CliRunner().invoke(app, ["validate", *given]).exit_code == 2
