"""`loyalty segments explain`: why a customer is in a segment, or is not."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text
from rich.tree import Tree

from orchestration.cli._frame import Json, databases, out, plain, print_json
from orchestration.cli._segments import Segment, Shop, document, shown
from orchestration.segments import Explanation, Verdict, iso
from orchestration.segments import explain as explain_membership


def explain(
    segment: Segment,
    customer: Annotated[
        str,
        typer.Option(metavar="ID", help="The customer: the Shopify id, or profile:<id>."),
    ],
    shop: Shop = None,
    json: Json = False,
) -> None:
    """Say why a customer is in a segment or is not: each condition, what it saw, what is lacking.

    Values are those of the last build.

    Example: loyalty segments explain --segment VIPs --shop alder.example --customer 6100000000042

    Example: loyalty segments explain --segment 12 --customer profile:42
    """
    result = explain_membership(databases().warehouse, segment, customer, shop_domain=shop)
    if json:
        print_json(document(result))
    else:
        _show(result)


def _show(result: Explanation) -> None:
    who = f"Customer {result.shopify_customer_id or ''} (profile {result.customer_id})"
    verb = "is" if result.is_member else "is not"
    out.print(
        Text(plain(f"{who} of {result.shop_domain} {verb} in {result.name}, {iso(result.as_of)}."))
    )
    for note in result.notes:
        out.print(Text(note, style="yellow"))
    if result.rule_error:
        out.print(Text(plain(result.rule_error), style="red"))
    if result.verdict:
        out.print(_tree(result.verdict, result.timezone))
    elif result.rule_status == "valid":
        out.print("The rule is empty and selects nobody.")
    if result.nearest_miss:
        count = len(result.nearest_miss)
        conditions = "1 condition is" if count == 1 else f"{count} conditions are"
        out.print(f"The nearest miss: {conditions} in the way.")
        for obstacle in result.nearest_miss:
            out.print(Text(plain(f"  {obstacle.words}: {obstacle.lacking}")))
    for stay in result.stays:
        end = shown(stay.removed_at, result.timezone) if stay.removed_at else "now"
        reason = f": {stay.reason}" if stay.reason else ""
        out.print(
            Text(plain(f"In it from {shown(stay.added_at, result.timezone)} to {end}{reason}"))
        )


def _tree(verdict: Verdict, timezone: str, into: Tree | None = None) -> Tree:
    mark, style = ("✓", "green") if verdict.holds else ("✗", "red")
    label = Text.assemble((mark, style), f" {plain(verdict.words)}")
    if verdict.reads:
        label.append(f" — {shown(verdict.seen, timezone)}")
        if verdict.lacking:
            label.append(f", {plain(verdict.lacking)}", style="bold")
    tree = into.add(label) if into else Tree(label)
    for part in verdict.parts:
        _tree(part, timezone, tree)
    return tree
