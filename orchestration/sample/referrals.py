"""Who sends whom: links, the clicks on them, and the orders that came of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from orchestration.sample import cells, codes
from orchestration.sample.block import Block, Events, Purchases
from orchestration.sample.cells import NONE
from orchestration.sample.rows import Table
from orchestration.sample.seasons import DAY, Ints
from orchestration.sample.shops import Matrices

_SPAN = 1 << 42

SOURCES = (b"instagram", b"facebook", b"whatsapp", b"email", b"tiktok")
MEDIUMS = (b"social", b"social", b"messaging", b"email", b"social")
PAGES = (
    b"https://www.instagram.com/",
    b"https://www.facebook.com/",
    cells.NULL,
    cells.NULL,
    b"https://www.tiktok.com/",
)
AGENTS = (
    b"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
    b"Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/131.0 Mobile Safari/537.36",
    b"Mozilla/5.0 (Macintosh; Intel Mac OS X 14_7) AppleWebKit/605.1.15 Safari/605.1.15",
    b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/131.0 Safari/537.36",
)


@dataclass(frozen=True)
class Invitations:
    """Links, by shop and time, and the customers that came by one.

    Attributes:
        owner: Each link's customer.
        created: When it was made.
        came: Customers that enrolled by a link.
        by: The link of each of these.
    """

    owner: Ints
    created: Ints
    came: Ints
    by: Ints


@dataclass(frozen=True)
class Referrals:
    """What came of the invitations; a click's or conversion's `link` is the invitations' row.

    Attributes:
        clicks: link, at, ip, agent, source (or -1), campaign (0 or 1), purchase (or -1), converted.
        conversions: link, customer, purchase, at, status, referrer, referee (points).
        awards: What the two get.
    """

    clicks: Table
    conversions: Table
    awards: Events


def invite(block: Block, shops: Matrices, rng: np.random.Generator) -> Invitations:
    """Draws the links of some customers, and who enrolled by them: a few links bring most."""
    size, end = len(block), shops.days * DAY
    owner = np.flatnonzero(rng.random(size) < 0.12)
    created = block.created[owner] + DAY + rng.exponential(35 * DAY, len(owner)).astype(np.int64)
    in_time = created < end
    owner, created = owner[in_time], created[in_time]
    order = np.lexsort((created, block.shop[owner]))
    owner, created = owner[order], created[order]
    keys = block.shop[owner] * _SPAN + created
    first = np.searchsorted(keys, block.shop * _SPAN)
    known = np.searchsorted(keys, block.shop * _SPAN + block.created - 3 * DAY) - first
    came = np.flatnonzero((known > 0) & (rng.random(size) < 0.16))
    by = first[came] + np.floor(rng.random(len(came)) ** 1.8 * known[came]).astype(np.int64)
    return Invitations(owner=owner, created=created, came=came, by=by)


def refer(
    block: Block,
    shops: Matrices,
    purchases: Purchases,
    invitations: Invitations,
    rng: np.random.Generator,
) -> Referrals:
    """Turns the first orders of those who came by a link into conversions, and draws the clicks."""
    end = shops.days * DAY
    buyers, firsts = np.unique(purchases.customer, return_index=True)
    bought = np.isin(invitations.came, buyers)
    customer, link = invitations.came[bought], invitations.by[bought]
    purchase = firsts[np.searchsorted(buyers, customer)]
    at = np.minimum(purchases.at[purchase] + 30_000, end - 500)
    luck = rng.random(len(customer))
    status = np.where(luck < 0.04, codes.CONVERSION_CANCELLED, codes.CONVERSION_COMPLETED)
    status[(luck > 0.7) & (at > end - 10 * DAY)] = codes.CONVERSION_PENDING
    paid = status == codes.CONVERSION_COMPLETED
    referrer = np.where(paid, shops.referrer[block.shop[customer]], 0)
    referee = np.where(paid, shops.referee[block.shop[customer]], 0)
    awards = Events(
        customer=np.concatenate([invitations.owner[link[paid]], customer[paid]]),
        at=np.minimum(np.concatenate([at[paid] + 10_000, at[paid] + 11_000]), end - 400),
        source=np.full(2 * int(paid.sum()), codes.REFERRAL),
        value=np.concatenate([referrer[paid], referee[paid]]),
        purchase=np.concatenate([purchase[paid], purchase[paid]]),
    )
    conversions = Table(
        {
            "link": link, "customer": customer, "purchase": purchase, "at": at, "status": status,
            "referrer": referrer, "referee": referee,
        }
    )  # fmt: skip
    order = np.full(len(invitations.came), -1)
    order[bought] = purchase
    return Referrals(_clicks(block, invitations, order, end, rng), conversions, awards)


def _clicks(
    block: Block, invitations: Invitations, order: Ints, end: int, rng: np.random.Generator
) -> Table:
    """One click for everyone who came, and many that led nowhere, some of them repeated."""
    links = np.arange(len(invitations.owner))
    idle = np.repeat(links, rng.poisson(rng.gamma(0.7, 20.0, len(links))))
    made = invitations.created[idle]
    idle_at = made + (rng.random(len(idle)) ** 2 * (end - made)).astype(np.int64)
    before = rng.exponential(0.4 * DAY, len(invitations.came)).astype(np.int64)
    came_at = block.created[invitations.came] - np.minimum(before, 3 * DAY) - 60_000
    count = len(idle) + len(came_at)
    address = rng.integers(0, 1 << 24, count)
    agent = rng.choice(len(AGENTS), count, p=[0.38, 0.31, 0.13, 0.18])
    again = np.flatnonzero(rng.random(len(idle)) < 0.15)
    again = again[(again > 0) & (idle[again] == idle[again - 1])]
    address[again], agent[again] = address[again - 1], agent[again - 1]
    source = rng.choice(len(SOURCES) + 1, count, p=[0.28, 0.18, 0.22, 0.16, 0.06, 0.10])
    purchase = np.concatenate([np.full(len(idle), -1), order])
    return Table(
        {
            "link": np.concatenate([idle, invitations.by]),
            "at": np.concatenate([idle_at, came_at]),
            "ip": address,
            "agent": agent,
            "source": np.where(source == len(SOURCES), -1, source),
            "campaign": rng.integers(0, 2, count),
            "purchase": purchase,
            "converted": (purchase >= 0).astype(np.int64),
        }
    )


def link_totals(
    invitations: Invitations, referrals: Referrals, purchases: Purchases
) -> dict[str, Ints]:
    """The counters that the application keeps on a link: clicks, conversions, revenue, points."""
    links = len(invitations.owner)
    conversions = referrals.conversions
    done = conversions["status"] == codes.CONVERSION_COMPLETED
    link = conversions["link"][done]
    revenue, points = np.zeros(links, dtype=np.int64), np.zeros(links, dtype=np.int64)
    np.add.at(revenue, link, purchases.cents[conversions["purchase"][done]])
    np.add.at(points, link, (conversions["referrer"] + conversions["referee"])[done])
    last = np.full(links, NONE)
    np.maximum.at(last, referrals.clicks["link"], referrals.clicks["at"])
    return {
        "clicks": np.bincount(referrals.clicks["link"], minlength=links),
        "conversions": np.bincount(link, minlength=links),
        "revenue": revenue,
        "points": points,
        "last_used": last,
    }
