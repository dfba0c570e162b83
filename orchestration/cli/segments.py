"""`loyalty segments`: what segments there are, and whether their rules are sound."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from orchestration.cli import (
    segments_explain,
    segments_export,
    segments_fields,
    segments_preview,
)
from orchestration.cli._frame import Json, databases, err, group, out, plain, print_json
from orchestration.cli._segments import read_rule
from orchestration.segments import (
    RuleError,
    assess_all,
    in_words,
    list_segments,
    load_catalogue,
    parse,
    read_rules,
)

app = group("Segments: customers grouped by rules that marketers write.")

# What a marketer should look at stands out; the rest is quiet.
_STYLES = {"valid": "green", "manual": "green", "invalid": "red", "stale": "yellow"}


@app.command("list")
def list_(json: Json = False) -> None:
    """List the segments of all shops with their size, and what is wrong with their rules."""
    found = list_segments(databases().warehouse)
    if json:
        print_json([asdict(segment) for segment in found])
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("shop", "segment", "status"):
        table.add_column(heading, overflow="fold")
    table.add_column("customers", justify="right")
    for segment in found:
        table.add_row(
            Text(plain(segment.shop_domain or "")),
            Text(plain(segment.name)),
            Text(segment.rule_status, style=_STYLES.get(segment.rule_status, "dim")),
            f"{segment.customer_count:,}",
        )
    out.print(table)
    for segment in found:
        if segment.rule_error:
            _print_error(f"{segment.shop_domain}: {segment.name}", segment.rule_error)


@app.command()
def validate(
    file: Annotated[
        Path | None,
        typer.Argument(exists=True, dir_okay=False, help="A file with one rule as JSON."),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="All rules of the application, as last synced.")
    ] = False,
    json: Json = False,
) -> None:
    """Check a rule in a file, or all rules that were synced; exit 1 if any cannot be used."""
    if (file is None) == (not every):
        raise typer.BadParameter("give either a FILE or --all")
    checked = _check_all() if file is None else [_check_file(file)]
    if json:
        print_json(checked)
    else:
        _print(checked)
    if any(rule["status"] == "invalid" for rule in checked):
        raise typer.Exit(1)


def _check_file(file: Path) -> dict[str, Any]:
    catalogue = load_catalogue()
    checked = {"file": str(file), "status": "valid", "error": None, "rule_in_words": None}
    try:
        criteria = parse(read_rule(file), catalogue)
    except RuleError as error:
        return {**checked, "status": "invalid", "error": str(error)}
    return {**checked, "rule_in_words": in_words(criteria, catalogue)}


def _check_all() -> list[dict[str, Any]]:
    catalogue = load_catalogue()
    with databases().warehouse.connect() as connection:
        results = assess_all(read_rules(connection), catalogue)
    return [
        {
            "segment_id": result.rule.segment_id,
            "shop_domain": result.rule.shop_domain,
            "name": result.rule.name,
            "status": result.status,
            "error": result.error,
            "rule_in_words": result.words,
        }
        for result in results
    ]


def _print(checked: list[dict[str, Any]]) -> None:
    invalid = [rule for rule in checked if rule["status"] == "invalid"]
    for rule in invalid:
        _print_error(rule.get("file") or f"{rule['shop_domain']}: {rule['name']}", rule["error"])
    if not (checked and "file" in checked[0]):
        out.print(f"{len(checked)} rules checked, {len(invalid)} cannot be used.")
    elif not invalid:
        out.print(Text(plain(f"Valid: {checked[0]['rule_in_words']}.")))


def _print_error(subject: str, error: str) -> None:
    err.print(Text.assemble((plain(subject), "bold"), f"\n  {plain(error)}"))


for command in (
    segments_fields.fields,
    segments_fields.schema,
    segments_preview.preview,
    segments_explain.explain,
    segments_preview.diff,
    segments_export.export,
):
    app.command()(command)
