"""`loyalty segments export`: the marketing list of a segment."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from orchestration.cli._frame import Json, databases, err, plain, print_json
from orchestration.cli._segments import Segment, Shop, document
from orchestration.segments import Channel, Format
from orchestration.segments import export as export_list


def export(
    segment: Segment,
    channel: Annotated[
        Channel | None,
        typer.Option(help="Only whom it may reach, with their addresses: consent is checked."),
    ] = None,
    format_: Annotated[
        Format, typer.Option("--format", help="CSV is safe to open in a spreadsheet.")
    ] = Format.CSV,
    file: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Where to; without it, standard output."),
    ] = None,
    shop: Shop = None,
    json: Json = False,
) -> None:
    """Write a segment's members of the last build as a list, of any size.

    Without --channel it has all members, by their ids. With it, only members who opted in to that
    channel, are active and have an address there, with their addresses: personal data.

    Example: loyalty segments export --segment "Win back" --channel email --out list.csv

    Example: loyalty segments export --segment 12 --format jsonl | head
    """
    if json and file is None:
        raise typer.BadParameter("--json says what was written, so it needs --out")
    if file is None and format_ is Format.PARQUET and sys.stdout.isatty():
        raise typer.BadParameter("Parquet is not for a terminal: give --out, or send it elsewhere")
    result = export_list(
        databases().warehouse,
        segment,
        file or sys.stdout.buffer,
        channel=channel,
        to=format_,
        shop_domain=shop,
    )
    if json:
        print_json(document(result))
        return
    where = f" to {result.file}" if result.file else ""
    by = {None: "members", Channel.EMAIL: "e-mail addresses", Channel.SMS: "phone numbers"}[channel]
    message = f"{result.rows:,} {by} of {result.name} ({result.shop_domain}) written{where}."
    err.print(plain(message), markup=False)
    if result.rule_status not in ("valid", "manual"):
        status = result.rule_status or "not built yet"
        err.print(f"The segment is {status}: its members are as they were.", markup=False)
