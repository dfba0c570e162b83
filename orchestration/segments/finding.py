"""Which shop, segment or customer somebody means, and what to say where there is none such."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.rows import class_row

from orchestration.errors import LoyaltyError
from orchestration.segments.errors import quoted

CHOICES_SHOWN = 10
"""How many of several possible segments or customers a message lists."""

_SHOPS = """
    select shops.shop_id, shops.shop_domain, shops.timezone
    from intermediate.int_shops as shops
    where {condition}
    order by shops.shop_domain collate "C", shops.shop_id
"""
_SEGMENTS = """
    select
        segments.id as segment_id,
        segments.name,
        segments.shop_id,
        shops.shop_domain
    from raw.customer_segments as segments
    inner join raw.shops as shops on segments.shop_id = shops.id
    where
        segments._deleted_at is null
        and shops._deleted_at is null
        and (%(shop_id)s::bigint is null or segments.shop_id = %(shop_id)s)
        and {condition}
    order by shops.shop_domain collate "C", segments.name collate "C", segments.id
"""
_CUSTOMERS = """
    select features.customer_id, features.shopify_customer_id, features.shop_id
    from intermediate.int_customer_features as features
    where {condition}
    order by features.customer_id
"""
_LARGEST_ID = 2**63 - 1


_Found = TypeVar("_Found")


@dataclass(frozen=True)
class Shop:
    """A shop, as the rules see it."""

    shop_id: int
    shop_domain: str
    timezone: str


@dataclass(frozen=True)
class FoundSegment:
    """A live segment that raw holds, built or not."""

    segment_id: int
    name: str
    shop_id: int
    shop_domain: str


@dataclass(frozen=True)
class FoundCustomer:
    """A customer of the last build."""

    customer_id: int
    shopify_customer_id: str | None
    shop_id: int


def not_built() -> LoyaltyError:
    """Says that the models have not been built."""
    return LoyaltyError(
        "The warehouse has no customers to look at yet: its models have not been built.",
        remedy="Build them with: loyalty run",
    )


def find_shop(connection: psycopg.Connection[Any], domain: str) -> Shop:
    """Finds a shop by its domain, ignoring case.

    Raises:
        LoyaltyError: There is no such shop, or the warehouse has not been built.
    """
    named = "lower(shops.shop_domain) = lower(%(domain)s)"
    shops = _rows(connection, Shop, _SHOPS, named, {"domain": domain})
    if len(shops) == 1:
        return shops[0]
    exact = [shop for shop in shops if shop.shop_domain == domain]
    if len(exact) == 1:
        return exact[0]
    if shops:
        domains = ", ".join(quoted(shop.shop_domain) for shop in shops[:CHOICES_SHOWN])
        raise LoyaltyError(f"Several shops are called that: {domains}.")
    known = [s.shop_domain for s in _rows(connection, Shop, _SHOPS, "true", {}) if s.shop_domain]
    raise LoyaltyError(f"There is no shop {quoted(domain)}.", remedy=_nearest(domain, known))


def shop_of(connection: psycopg.Connection[Any], shop_id: int) -> Shop:
    """Finds a shop by its id.

    Raises:
        LoyaltyError: There is no such shop, or the warehouse has not been built.
    """
    found = _rows(connection, Shop, _SHOPS, "shops.shop_id = %(id)s", {"id": shop_id})
    if not found:
        raise LoyaltyError(f"There is no shop of the id {shop_id}.")
    return found[0]


def find_segment(
    connection: psycopg.Connection[Any], text: str, shop: Shop | None = None
) -> FoundSegment:
    """Finds a segment by its id, or by its name: as written, or else ignoring case.

    Args:
        connection: A connection to the warehouse.
        text: The id or the name. Digits are an id where there is such a segment.
        shop: Where to look; None means in all shops.

    Raises:
        LoyaltyError: There is no such segment, or several.
    """
    given = {"shop_id": shop.shop_id if shop else None, "text": text}
    if _is_id(text):
        found = _rows(
            connection, FoundSegment, _SEGMENTS, "segments.id = %(id)s", {**given, "id": int(text)}
        )
        if found:
            return found[0]
    named = "lower(segments.name) = lower(%(text)s)"
    found = _rows(connection, FoundSegment, _SEGMENTS, named, given)
    found = [segment for segment in found if segment.name == text] or found
    if len(found) == 1:
        return found[0]
    where = f" in {shop.shop_domain}" if shop else ""
    if found:
        choices = [f"{segment.segment_id} of {segment.shop_domain}" for segment in found]
        raise LoyaltyError(
            f"There are {len(found):,} segments {quoted(text)}{where}: {_some(choices)}.",
            remedy="Name one by its id, or its shop with --shop.",
        )
    known = {s.name for s in _rows(connection, FoundSegment, _SEGMENTS, "true", given) if s.name}
    raise LoyaltyError(
        f"There is no segment {quoted(text)}{where}.", remedy=_nearest(text, sorted(known))
    )


def find_customer(connection: psycopg.Connection[Any], text: str, shop: Shop) -> FoundCustomer:
    """Finds a customer of a shop by the Shopify id, or by `profile:<id>`.

    Raises:
        LoyaltyError: There is no such customer in that shop, or several.
    """
    in_shop = "features.shop_id = %(shop_id)s and "
    given: dict[str, Any] = {"shop_id": shop.shop_id, "text": text}
    profile = text.removeprefix("profile:")
    if text.startswith("profile:"):
        if not _is_id(profile):
            raise LoyaltyError(f"{quoted(text)} is not a profile: write profile: and its number.")
        condition = "features.customer_id = %(id)s"
        given["id"] = int(profile)
    else:
        condition = "features.shopify_customer_id = %(text)s"
    found = _rows(connection, FoundCustomer, _CUSTOMERS, in_shop + condition, given)
    if len(found) == 1:
        return found[0]
    if found:
        choices = [f"profile:{customer.customer_id}" for customer in found]
        raise LoyaltyError(
            f"{len(found):,} customers of {shop.shop_domain} have the Shopify id {quoted(text)}: "
            f"{_some(choices)}.",
            remedy="Name one of them.",
        )
    raise LoyaltyError(
        f"{shop.shop_domain} has no customer {quoted(text)} in the last build.",
        remedy=_customer_hint(connection, profile, shop),
    )


def _customer_hint(connection: psycopg.Connection[Any], text: str, shop: Shop) -> str:
    if _is_id(text):
        is_near = (
            "features.shop_id = %(shop_id)s"
            " and (features.customer_id = %(id)s or features.shopify_customer_id = %(text)s)"
        )
        given = {"shop_id": shop.shop_id, "id": int(text), "text": text}
        near = _rows(connection, FoundCustomer, _CUSTOMERS, is_near, given)
        if near:
            ids = (f"profile:{c.customer_id} (Shopify id {c.shopify_customer_id})" for c in near)
            return f"Did you mean {_some(list(ids))}?"
    return (
        "Give the Shopify id, or profile: and the profile's number. Who enrolled since is there"
        " after: loyalty run"
    )


def _is_id(text: str) -> bool:
    return bool(re.fullmatch(r"[0-9]{1,19}", text)) and int(text) <= _LARGEST_ID


def _nearest(text: str, known: Sequence[str]) -> str:
    if not known:
        return "There are none. Bring the application's in with: loyalty run"
    folded = {name.lower(): name for name in known}
    # Comparing with a very long text takes very long, and nothing is near it.
    wanted = text[:100].lower()
    near = difflib.get_close_matches(wanted, folded, n=3)
    near = near or [name for name in folded if wanted and wanted in name][:3]
    if near:
        return f"Did you mean {' or '.join(quoted(folded[name]) for name in near)}?"
    return f"There are: {_some([quoted(name) for name in known])}."


def _some(choices: Sequence[str]) -> str:
    more = len(choices) - CHOICES_SHOWN
    shown = ", ".join(choices[:CHOICES_SHOWN])
    return f"{shown} and {more:,} more" if more > 0 else shown


def _rows(
    connection: psycopg.Connection[Any],
    kind: type[_Found],
    query: str,
    condition: str,
    given: dict[str, Any],
) -> list[_Found]:
    """Runs one of the queries above; text that PostgreSQL cannot hold is found nowhere."""
    if not all(_is_storable(value) for value in given.values() if isinstance(value, str)):
        return []
    try:
        cursor = connection.cursor(row_factory=class_row(kind))
        return cursor.execute(query.format(condition=condition).encode(), given).fetchall()
    except errors.UndefinedTable:
        raise not_built() from None


def _is_storable(text: str) -> bool:
    """Whether PostgreSQL can hold the text: what came from a command line may be no Unicode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text
