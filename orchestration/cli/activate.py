"""`loyalty activate`: writes segments, analytics and campaign audiences back to the application."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict
from typing import Annotated

import typer
from rich import box
from rich.markup import escape
from rich.table import Table

from orchestration.activation import ActivationResult, CampaignResult, SegmentResult
from orchestration.activation import activate as write_back
from orchestration.cli._frame import (
    Json,
    RowsPerSecond,
    err,
    failures_told,
    out,
    plain,
    print_json,
    settings,
)
from orchestration.databases import open_databases
from orchestration.notification import Notice, notify

SEGMENTS_SHOWN = 50
NOTES_SHOWN = 20
"""How many segments and periods are listed, the gravest first; `--json` lists all."""


def activate(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be written, and write nothing.")
    ] = False,
    segment: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only segments of this name, and no analytics."),
    ] = None,
    shop: Annotated[
        str | None, typer.Option(metavar="DOMAIN", help="Only the shop of this domain.")
    ] = None,
    allow_large_changes: Annotated[
        bool,
        typer.Option("--allow-large-changes", help="Let through what the brakes would hold."),
    ] = False,
    max_rows_per_second: RowsPerSecond = None,
    as_json: Json = False,
) -> None:
    """Write segments, analytics and campaign audiences back to the application; only differences.

    Exit code 1 where something was held back or failed; the rest has been written.
    """
    effective = settings()
    with failures_told(effective, "activate") if not dry_run else nullcontext():
        opened = open_databases(effective)
        result = write_back(
            opened.operational,
            opened.operational_schema,
            opened.warehouse,
            dry_run=dry_run,
            segment=segment,
            shop=shop,
            allow_large_changes=allow_large_changes,
            max_rows_per_second=max_rows_per_second or effective.max_rows_per_second,
            waiting=lambda message: err.print(message, markup=False),
        )
    if as_json:
        print_json(
            {**asdict(result), "rows_written": result.rows_written, "problems": result.problems}
        )
    else:
        _show(result)
    if result.problems:
        if not dry_run:
            notify(effective, Notice("activate", str(result.run_id), problems=result.notable))
        raise typer.Exit(1)


def _show(result: ActivationResult) -> None:
    verb = "would write" if result.dry_run else "wrote"
    noted = [s for s in result.segments if s.is_news]
    listed = noted if len(noted) <= SEGMENTS_SHOWN else result.news(SEGMENTS_SHOWN)
    if listed:
        out.print(_segment_table(listed))
    for entry in listed:
        if entry.reason:
            out.print(
                f"Segment {entry.name!r} of {entry.shop_domain}: {_what(entry)}, {entry.reason}.",
                markup=False,
            )
    if len(noted) > len(listed):
        out.print(f"… and {len(noted) - len(listed):,} more segments (--json lists all).")
    quiet = len(result.segments) - len(noted)
    if quiet:
        out.print(f"{quiet:,} segments needed nothing.")
    if result.left_alone:
        left = ", ".join(f"{n:,} {status}" for status, n in sorted(result.left_alone.items()))
        out.print(f"Left as they were: {left}.")

    analytics = result.analytics
    out.print(
        f"Analytics: {analytics.added:,} rows added, {analytics.updated:,} updated, "
        f"{analytics.removed:,} removed, {analytics.unchanged:,} unchanged, "
        f"{analytics.held:,} held, {analytics.skipped:,} skipped, {analytics.failed:,} failed."
    )
    for note in analytics.notes[:NOTES_SHOWN]:
        out.print(
            f"  {note.shop_domain} {note.period_type} {note.period_on}: {note.status}, "
            f"{note.reason}",
            markup=False,
        )
    if len(analytics.notes) > NOTES_SHOWN:
        out.print(f"  … and {len(analytics.notes) - NOTES_SHOWN:,} more (--json lists all).")

    for campaign in result.campaigns:
        if campaign.status != "unchanged":
            out.print(
                f"Campaign {campaign.name!r} of {campaign.shop_domain}: {campaign.status}, "
                f"{campaign.audience:,} customers{_left_out(campaign)}.",
                markup=False,
            )
    out.print(f"The run {verb} {result.rows_written:,} rows.")
    for sentence in result.advice:
        out.print(sentence)


def _left_out(campaign: CampaignResult) -> str:
    """Why it is not written, or who of its segments is not in it."""
    notes = [campaign.reason] if campaign.reason else []
    if campaign.unreachable:
        notes.append(f"{campaign.unreachable:,} not reachable by {campaign.channel}")
    if campaign.beyond_limit:
        notes.append(f"{campaign.beyond_limit:,} beyond its limit")
    return f" ({', '.join(notes)})" if notes else ""


def _segment_table(segments: list[SegmentResult]) -> Table:
    """Counts by segment; the less usual columns only where they say something."""
    always = ("added", "removed", "unchanged")
    seldom = ("refreshed", "held", "skipped", "failed")
    shown = [*always, *(name for name in seldom if any(getattr(s, name) for s in segments))]
    table = Table(box=box.SIMPLE)
    table.add_column("Segment", overflow="fold")
    table.add_column("Shop", overflow="fold")
    for name in shown:
        table.add_column(name.capitalize(), justify="right", no_wrap=True)
    for segment in segments:
        counts = (f"{getattr(segment, name):,}" for name in shown)
        table.add_row(escape(plain(segment.name)), escape(plain(segment.shop_domain)), *counts)
    return table


def _what(segment: SegmentResult) -> str:
    return {"held": "held", "failed": "failed in part"}.get(segment.status, "skipped in part")
