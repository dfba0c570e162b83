"""The marketing list of a segment: its members, or those of them whom a channel may reach."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO

import psycopg

from orchestration.database import Database
from orchestration.errors import LoyaltyError
from orchestration.segments.evaluation import snapshot
from orchestration.segments.finding import FoundSegment, find_segment, find_shop, not_built
from orchestration.segments.formats import Column, Format, write

ROWS_PER_FETCH = 5_000


class Channel(StrEnum):
    """The ways to reach a customer."""

    EMAIL = "email"
    SMS = "sms"


@dataclass(frozen=True)
class Export:
    """What an export wrote.

    Attributes:
        segment_id: The segment.
        name: Its name.
        shop_domain: Its shop.
        rule_status: The segment's, in the last build; None before its first.
        channel: The channel; None for all members.
        rows: How many customers were written.
        file: Where to; None means standard output.
    """

    segment_id: int
    name: str
    shop_domain: str
    rule_status: str | None
    channel: Channel | None
    rows: int
    file: str | None


# Addresses go with a channel only: without one nobody has asked for consent.
_MEMBERS = """
    select
        features.shopify_customer_id,
        stays.customer_id,
        stays.added_at,
        stays.qualification_reason
    from ops.segment_stays as stays
    left join intermediate.int_customer_features as features
        on stays.customer_id = features.customer_id
    where
        stays.segment_id = %(segment_id)s
        and stays.shop_id = %(shop_id)s
        and stays.removed_at is null
    order by stays.customer_id
"""
_MEMBER_COLUMNS = (
    Column("shopify_customer_id", "text"),
    Column("profile_id", "integer"),
    Column("added_at", "instant"),
    Column("reason", "text"),
)
_CONTACTS = """
    select
        contacts.shopify_customer_id,
        contacts.customer_id,
        contacts.contact,
        contacts.first_name,
        contacts.last_name
    from marketing.segment_contacts as contacts
    where
        contacts.segment_id = %(segment_id)s
        and contacts.shop_id = %(shop_id)s
        and contacts.channel = %(channel)s
    order by contacts.customer_id
"""
_STATUS = "select rule_status from marts.customer_segments where segment_id = %s"


def _columns(channel: Channel | None) -> Sequence[Column]:
    if channel is None:
        return _MEMBER_COLUMNS
    return (
        Column("shopify_customer_id", "text"),
        Column("profile_id", "integer"),
        Column("email" if channel is Channel.EMAIL else "phone", "text"),
        Column("first_name", "text"),
        Column("last_name", "text"),
    )


def export(
    warehouse: Database,
    segment: str,
    out: BinaryIO | Path,
    *,
    channel: Channel | None = None,
    to: Format = Format.CSV,
    shop_domain: str | None = None,
) -> Export:
    """Writes a segment's members of the last build, as they are read.

    Args:
        warehouse: The warehouse, built.
        segment: The segment's id or name.
        out: A binary file, or where to make one. That one appears when it is complete, and only its
            owner may read it.
        channel: Only members who may be reached by it, with their addresses; None means all
            members, without addresses.
        to: The format.
        shop_domain: The segment's shop; None means any.

    Raises:
        LoyaltyError: The segment or shop is unknown, the name ambiguous, the warehouse not built,
            or the file cannot be made there.
    """
    with snapshot(warehouse) as connection:
        shop = find_shop(connection, shop_domain) if shop_domain is not None else None
        found = find_segment(connection, segment, shop)
        try:
            status = connection.execute(_STATUS, [found.segment_id]).fetchone()
            rows, columns = _rows(connection, found, channel), _columns(channel)
            if isinstance(out, Path):
                with _complete_file(out) as file:
                    count = write(rows, columns, to, file)
            else:
                count = write(rows, columns, to, out)
        except psycopg.errors.UndefinedTable:
            raise not_built() from None
    return Export(
        segment_id=found.segment_id,
        name=found.name,
        shop_domain=found.shop_domain,
        rule_status=status[0] if status else None,
        channel=channel,
        rows=count,
        file=str(out) if isinstance(out, Path) else None,
    )


def _rows(
    connection: psycopg.Connection[Any], segment: FoundSegment, channel: Channel | None
) -> Iterator[Sequence[Any]]:
    """The rows of the list, by profile, through a cursor of the server's."""
    query = _MEMBERS if channel is None else _CONTACTS
    given = {
        "segment_id": segment.segment_id,
        "shop_id": segment.shop_id,
        "channel": channel,
    }
    with connection.cursor("segment_export") as cursor:
        cursor.itersize = ROWS_PER_FETCH
        yield from cursor.execute(query, given)


@contextmanager
def _complete_file(path: Path) -> Iterator[BinaryIO]:
    """A file that takes its name when it is complete, and that only its owner may read.

    Raises:
        LoyaltyError: There is something else than a file of that name, or no folder for it.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not stat.S_ISREG(target.stat().st_mode):
        raise LoyaltyError(
            f"{path} is not a file that can be replaced.",
            remedy="Give --out the name of a file, or leave it out for standard output.",
        )
    if not target.parent.is_dir():
        raise LoyaltyError(
            f"There is no folder {target.parent}.", remedy="Make it, or name another."
        )
    part = target.with_name(f".{target.name[:100]}.{secrets.token_hex(8)}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()
