"""Invented persons: names, addresses and numbers that belong to nobody, and the profiles' rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from orchestration.sample import cells
from orchestration.sample.behaviour import Calendar
from orchestration.sample.block import Block
from orchestration.sample.cells import NONE, Column
from orchestration.sample.irregularities import DECLARED
from orchestration.sample.program import Outcome
from orchestration.sample.seasons import DAY, Ints
from orchestration.sample.shops import Matrices

_FIRST = (
    "Ada Aisha Alejandro Amara Amir Ana Anders Anika Anton Arjun Astrid Beatriz Ben Bianca Bruno "
    "Camila Carlos Chen Chloe Clara Daniel Daria David Deepa Diego Elena Eli Elif Emeka Emma Erik "
    "Esther Eva Farah Felix Fatima Finn Freya Gabriel Grace Hana Hannah Harper Hassan Hugo Ida "
    "Imani Ines Isaac Isla Ivan Jack James Jana Jasmin Javier Jin Joana Jonas Julia Kai Kamala "
    "Karim Kofi Lars Laura Layla Lea Leo Lian Lina Lucas Lucia Maja Malik Mara Marco Maria Mateo "
    "Maya Mei Mia Mila Mina Miriam Nadia Naomi Nia Nikhil Nina Noah Nora Oliver Olivia Omar Oscar "
    "Paula Priya Rafael Rania Ravi Rosa Ruth Sam Sara Sofia Tara Theo Tomas Uma Vera Viktor Wei "
    "Yara Yuki Zara Zoe"
)
_LAST = (
    "Adeyemi Ahmed Almeida Andersson Bakker Banerjee Bauer Becker Bell Bennett Berg Bianchi Brown "
    "Carter Castro Chen Clarke Cohen Costa Cruz Dahl Das Davies Diaz Dubois Duarte Eriksen Evans "
    "Farouk Fernandez Fischer Flores Foster Garcia Gomez Gupta Haddad Hansen Harris Hassan Hill "
    "Hoffman Hughes Ito Ivanova Jackson Jensen Johnson Jones Kaur Keller Khan Kim Kowalski Kumar "
    "Larsen Lee Lewis Lind Lopez Martin Mbeki Mehta Meyer Miller Moreau Morris Nakamura Nguyen "
    "Nielsen Novak Okafor Oliveira Olsen Ortiz Osei Park Patel Perez Petrov Quinn Rahman Ramos "
    "Reyes Ricci Rossi Ruiz Santos Sato Schmidt Sharma Silva Singh Smith Suzuki Takahashi Tanaka "
    "Taylor Thomas Torres Tran Turner Vargas Vogel Walker Wang Weber White Williams Wilson Wong "
    "Yamamoto Yilmaz Young Zhang"
)
_HOSTS = (b"@example.com", b"@example.org", b"@example.net")
"""Domains that are reserved for examples: no letter can reach anybody."""

Bools = npt.NDArray[np.bool_]


def _vocabulary(words: str) -> npt.NDArray[np.bytes_]:
    return np.array(words.encode().split())


def profile_columns(
    block: Block,
    shops: Matrices,
    calendar: Calendar,
    outcome: Outcome,
    totals: dict[str, npt.NDArray[Any]],
    tier: tuple[Ints, Ints],
    origin: int,
    rng: np.random.Generator,
) -> tuple[dict[str, Column], dict[str, int]]:
    """The profiles of a block, and how many of them are irregular in which way.

    Args:
        block: The customers.
        shops: Their shops' settings.
        calendar: Their shops' days.
        outcome: What the program did with them.
        totals: Their ledger's totals.
        tier: When their tier was achieved, and when it ends.
        origin: The first day, in milliseconds since 1970.
        rng: The source of chance.
    """
    size, end = len(block), shops.days * DAY
    firsts, lasts = _vocabulary(_FIRST), _vocabulary(_LAST)
    first, last = rng.integers(0, len(firsts), size), rng.integers(0, len(lasts), size)
    number = block.customer_id.astype("S12")
    undated = rng.random(size) < DECLARED.undated_profile
    no_consent = rng.random(size) < DECLARED.null_consent
    no_tier = (rng.random(size) < DECLARED.null_tier) & (outcome.level > 0)
    level = outcome.level
    top = (shops.tier_id[block.shop] > 0).sum(axis=1)
    vip = (level >= top) & (rng.random(size) < 0.3) | (rng.random(size) < 0.004)
    gone = (block.leaves < end - 270 * DAY) & (rng.random(size) < 0.25)
    seen = np.maximum(totals["last_purchase"], block.created)
    login = np.minimum(seen + rng.exponential(9 * DAY, size).astype(np.int64), end - 1)
    login[rng.random(size) < 0.25] = NONE
    touched = np.maximum(totals["last_earned"], tier[0])
    touched = np.where(touched <= block.created + DAY, NONE, touched)
    noon = block.born * DAY + DAY // 2 - calendar.offset[block.shop - block.shop[0], 0]
    phone = rng.integers(0, 10_000_000, size)
    has_phone, has_email = rng.random(size) < 0.55, rng.random(size) < 0.985
    tier_id = np.where(no_tier, 0, shops.tier_id[block.shop, level])
    address = (
        np.char.lower(firsts)[first], b".", np.char.lower(lasts)[last], number,
        np.array(_HOSTS)[block.customer_id % len(_HOSTS)],
    )  # fmt: skip
    columns: dict[str, Column] = {
        "id": number,
        "shop_id": cells.integers(block.shop + 1),
        "shopify_customer_id": cells.integers(6_100_000_000_000 + block.customer_id * 7),
        "email": _only(has_email, *address),
        "first_name": firsts[first],
        "last_name": lasts[last],
        "phone": _only(has_phone, b"+1555", np.char.zfill(phone.astype("S7"), 7)),
        "points_balance": cells.integers(totals["balance"]),
        "lifetime_points_earned": cells.integers(totals["earned"]),
        "lifetime_points_redeemed": cells.integers(totals["redeemed"]),
        "lifetime_spent": cells.money(totals["spent"]),
        "lifetime_orders": cells.integers(totals["orders"]),
        "current_tier_id": cells.references(tier_id),
        "tier_achieved_at": cells.times(shifted(np.where(no_tier, NONE, tier[0]), origin)),
        "tier_expires_at": cells.times(shifted(np.where(no_tier, NONE, tier[1]), origin)),
        "last_purchase_at": cells.times(shifted(totals["last_purchase"], origin)),
        "last_login_at": cells.times(shifted(login, origin)),
        "last_points_earned_at": cells.times(shifted(totals["last_earned"], origin)),
        "email_opt_in": cells.flags(np.where(no_consent, -1, rng.random(size) < 0.76)),
        "sms_opt_in": cells.flags(np.where(no_consent, -1, has_phone & (rng.random(size) < 0.55))),
        "birthday": cells.times(np.where(block.birthday_known, noon, NONE)),
        "is_active": cells.flags(~gone),
        "is_vip": cells.flags(vip),
        "created_at": cells.times(shifted(np.where(undated, NONE, block.created), origin)),
        "updated_at": cells.times(shifted(touched, origin)),
    }
    return columns, {
        "undated_profile": int(undated.sum()),
        "null_consent": int(no_consent.sum()),
        "null_tier": int(no_tier.sum()),
        "unposted_expiry": int((block.unposted & (shops.expire_days[block.shop] > 0)).sum()),
    }


def shifted(at: Ints, origin: int) -> Ints:
    """Instants since the first day as instants since 1970; NONE stays."""
    moved: Ints = np.where(at == NONE, NONE, at + origin)
    return moved


def _only(known: Bools, *parts: npt.NDArray[np.bytes_] | bytes) -> Column:
    """The text that the parts make where it is known, NULL elsewhere."""
    first, *others = parts
    return np.where(known, first, cells.NULL), *(np.where(known, part, b"") for part in others)
