"""`loyalty segments fields` and `schema`: what rules may say, for people and for editors."""

from __future__ import annotations

import json as json_text

from rich.text import Text

from orchestration.cli._frame import Json, out, print_json
from orchestration.cli._segments import document
from orchestration.segments import (
    EventEntry,
    FieldEntry,
    list_events,
    list_fields,
    load_catalogue,
    rule_schema,
)
from orchestration.segments.catalogue import OPERATORS


def fields(json: Json = False) -> None:
    """List what rules may read: fields and events, with what they mean and examples.

    Example: loyalty segments fields --json
    """
    catalogue = load_catalogue()
    listed, events = list_fields(catalogue), list_events(catalogue)
    if json:
        print_json({"fields": [*map(document, listed)], "events": [*map(document, events)]})
        return
    out.print("[bold]Operators[/]")
    for kind, operators in OPERATORS.items():
        out.print(f"  {kind}: {', '.join(operators)}")
    out.print("\n[bold]Fields of customers[/]")
    for field in listed:
        personal = " Personal data." if field.is_personal else ""
        _show(field, f" ({field.type}): {field.description}{personal}")
    out.print("\n[bold]Events[/]")
    for event in events:
        parts = ", ".join(f"{field.name} ({field.type})" for field in event.fields) or "none"
        about = f"aggregates {', '.join(event.aggregates)}; fields {parts}"
        _show(event, f": {event.description}\n    {about}")


def _show(entry: FieldEntry | EventEntry, meaning: str) -> None:
    out.print(Text.assemble("  ", (entry.name, "bold"), meaning))
    out.print(Text(f"    {json_text.dumps(entry.example)}", style="dim"))


def schema() -> None:
    """Print the JSON Schema of rules, with which editors complete and check them.

    Example: loyalty segments schema > rule.schema.json
    """
    print_json(rule_schema())
