"""`loyalty segments preview` and `diff`: what a rule would do, before anybody saves it."""

from __future__ import annotations

import json as json_text
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from orchestration.build import parse_as_of
from orchestration.cli._frame import Json, databases, out, plain, print_json
from orchestration.cli._segments import (
    Criteria,
    Segment,
    Shop,
    document,
    instants,
    percent,
    read_criteria,
    shown,
)
from orchestration.segments import (
    ChangedCustomer,
    OpenDifference,
    Preview,
    SampleCustomer,
    difference,
    iso,
)
from orchestration.segments import preview as evaluate_preview

OVERLAPS_SHOWN = 10
"""How many segments a preview compares with; `--json` has all."""


def preview(
    shop: Annotated[
        str, typer.Option("--shop", metavar="DOMAIN", help="The shop whose customers to look at.")
    ],
    criteria: Criteria,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="T", help="An earlier instant, ISO 8601: a backtest."),
    ] = None,
    json: Json = False,
) -> None:
    """Show whom a rule would select: how many, how to reach them, and some of them. Saves nothing.

    The customers are those of the last build.

    Example: loyalty segments preview --shop alder.example --criteria rule.json

    With an earlier --as-of it is a backtest: times are relative to that instant, and what is dated
    after it does not exist. What has no history, such as a balance, is as it is now.

    Example: loyalty segments preview --shop alder.example --criteria rule.json --as-of 2026-09-01
    """
    rule = read_criteria(criteria)
    instant = parse_as_of(as_of)
    result = evaluate_preview(
        databases().warehouse,
        shop,
        rule,
        as_of=datetime.fromisoformat(instant) if instant else None,
    )
    if json:
        print_json(document(result))
    else:
        _show_preview(result)


def diff(
    segment: Segment,
    criteria: Criteria,
    shop: Shop = None,
    json: Json = False,
) -> None:
    """Show who would enter and who would leave a segment if its rule changed. Saves nothing.

    The members now are those of the last build. With --json all who move are listed.

    Example: loyalty segments diff --segment VIPs --shop alder.example --criteria rule.json
    """
    rule = read_criteria(criteria)
    with difference(databases().warehouse, segment, rule, shop_domain=shop) as opened:
        if json:
            _print_difference(opened)
        else:
            _show_difference(opened)


def _show_preview(result: Preview) -> None:
    out.print(Text(plain(result.rule_in_words)))
    out.print(f"{result.shop_domain} as of {iso(result.as_of)}", markup=False)
    for note in result.notes:
        out.print(f"[dim]{note}[/]")
    share = f" ({percent(result.share)})" if result.share is not None else ""
    out.print(
        f"\n{result.customers:,} of {result.shop_customers:,} customers{share}: "
        f"{result.reachable_by_email:,} reachable by e-mail, {result.reachable_by_sms:,} by SMS."
    )
    common = [overlap for overlap in result.overlaps if overlap.in_common]
    if common:
        table = Table(box=None, pad_edge=False)
        table.add_column("\nsegments in common", overflow="fold")
        for heading in ("\nmembers", "\nin common", "share of\nthe rule", "share of\nthe segment"):
            table.add_column(heading, justify="right")
        for overlap in common[:OVERLAPS_SHOWN]:
            table.add_row(
                Text(plain(overlap.name)),
                f"{overlap.customers:,}",
                f"{overlap.in_common:,}",
                percent(overlap.share_of_rule),
                percent(overlap.share_of_segment),
            )
        out.print(table)
    if len(common) > OVERLAPS_SHOWN:
        out.print(f"… and {len(common) - OVERLAPS_SHOWN:,} more segments (--json lists all).")
    if result.sample:
        out.print()
        out.print(_sample_table(result.sample, result.timezone))


def _sample_table(sample: Iterable[SampleCustomer], timezone: str) -> Table:
    rows = [(customer, instants(customer.values)) for customer in sample]
    table = Table(box=None, pad_edge=False)
    for heading in ("Shopify id", "profile", *rows[0][1]):
        table.add_column(Text(plain(heading)), overflow="fold")
    for customer, values in rows:
        table.add_row(
            Text(plain(customer.shopify_customer_id or "")),
            str(customer.customer_id),
            *(Text(shown(value, timezone)) for value in values.values()),
        )
    return table


def _show_difference(opened: OpenDifference) -> None:
    result = opened.summary
    out.print(Text(plain(f"{result.name} of {result.shop_domain}, as of {iso(result.as_of)}")))
    out.print(Text(plain(f"with the rule: {result.rule_in_words}")))
    table = Table(box=None, pad_edge=False)
    for heading in ("", "now", "then", "change"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, now, then in (
        ("members", result.customers_now, result.customers_then),
        ("by e-mail", result.reachable_by_email_now, result.reachable_by_email_then),
        ("by SMS", result.reachable_by_sms_now, result.reachable_by_sms_then),
    ):
        table.add_row(name, f"{now:,}", f"{then:,}", f"{then - now:+,}")
    out.print(table)
    for verb, count, movement in (
        ("would enter", result.entering, opened.sample("enters")),
        ("would leave", result.leaving, opened.sample("leaves")),
    ):
        some = ", ".join(_named(customer) for customer in movement)
        more = f" and {count - len(movement):,} more" if count > len(movement) else ""
        out.print(Text(f"{count:,} {verb}{': ' if count else '.'}{some}{more}"))


def _named(customer: ChangedCustomer) -> str:
    return plain(customer.shopify_customer_id or f"profile:{customer.customer_id}")


def _print_difference(opened: OpenDifference) -> None:
    """One JSON document, the customers of which are written as they are read."""
    summary = json_text.dumps(document(opened.summary), indent=2, ensure_ascii=False)
    typer.echo(summary.removesuffix("\n}"), nl=False)
    for movement in ("enters", "leaves"):
        typer.echo(f',\n  "{movement}": [', nl=False)
        for position, customer in enumerate(opened.customers(movement)):
            line = json_text.dumps(document(customer), ensure_ascii=False)
            typer.echo(f"{',' if position else ''}\n    {line}", nl=False)
        typer.echo("\n  ]", nl=False)
    typer.echo("\n}")
