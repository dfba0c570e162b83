"""The shops by name: what each calls its program, where it is, and how its program works."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TierType = Literal["points_based", "spend_based", "hybrid"]


@dataclass(frozen=True)
class Program:
    """How a shop runs its program; None is a NULL setting, which means the application's default.

    Attributes:
        handle: The first part of the shop's domain.
        timezone: The IANA zone in which its days begin.
        order_value: What a middling order costs, in dollars.
        expire_days: Days until points expire; None where they do not.
        tier_type: What its tiers ask for.
        window: Days that count towards a tier; 0 is a lifetime.
        tiers: The tiers' names from the lowest up.
        has_base_tier: Whether everybody starts in the lowest tier.
        maintenance: Whether a tier must be earned again.
    """

    handle: str
    name: str
    timezone: str
    color: str | None
    order_value: float
    points_per_dollar: float | None
    welcome_points: int | None
    referrer_points: int | None
    referee_points: int | None
    expire_enabled: bool | None
    expire_days: int | None
    tier_type: TierType
    window: int | None
    tiers: tuple[str, ...]
    has_base_tier: bool = True
    maintenance: bool = True

    @property
    def expires_after(self) -> int:
        """Days after which its points expire, with the application's default; 0 is never."""
        return (self.expire_days or 365) if self.expire_enabled else 0


_METALS = ("Bronze", "Silver", "Gold", "Platinum")
_SHORT = ("Silver", "Gold", "Platinum")
_LONG = ("Member", "Bronze", "Silver", "Gold", "Diamond")


def _program(
    handle: str,
    name: str,
    timezone: str,
    order_value: float,
    points: tuple[float | None, int | None, int | None, int | None],
    expiry: tuple[bool | None, int | None],
    tiers: tuple[TierType, int | None, tuple[str, ...]],
    *,
    color: str | None = "#8B5CF6",
    has_base_tier: bool = True,
    maintenance: bool = True,
) -> Program:
    per_dollar, welcome, referrer, referee = points
    return Program(
        handle=handle,
        name=name,
        timezone=timezone,
        color=color,
        order_value=order_value,
        points_per_dollar=per_dollar,
        welcome_points=welcome,
        referrer_points=referrer,
        referee_points=referee,
        expire_enabled=expiry[0],
        expire_days=expiry[1],
        tier_type=tiers[0],
        window=tiers[1],
        tiers=tiers[2],
        has_base_tier=has_base_tier,
        maintenance=maintenance,
    )


PROGRAMS: tuple[Program, ...] = (
    _program(
        "alder-and-ash", "Grove Rewards", "America/New_York", 68,
        (1, 100, 500, 250), (True, 365), ("points_based", 365, _METALS), color="#2F6B4F",
    ),
    _program(
        "basalt-coffee", "Bean Points", "America/Los_Angeles", 34,
        (5, 150, 500, 250), (False, 365), ("spend_based", 365, _SHORT), color="#5B3A29",
    ),
    _program(
        "copperleaf-home", "Copper Club", "Europe/London", 92,
        (1, 50, 400, 200), (True, 180), ("hybrid", 180, _LONG), color="#B46A3C",
    ),
    _program(
        "dune-and-daughters", "Oasis", "Asia/Kolkata", 46,
        (2, None, None, None), (False, None), ("spend_based", 0, _METALS), maintenance=False,
    ),
    _program(
        "everfell-outdoor", "Trail Miles", "Pacific/Auckland", 118,
        (1, 200, 1000, 500), (True, 365), ("points_based", 365, _METALS), color="#1D4E89",
    ),
    _program(
        "fennel-kitchen", "The Pantry", "UTC", 52,
        (None, 100, 500, 250), (None, None), ("hybrid", None, _SHORT), color=None,
    ),
    _program(
        "glasshouse-botanics", "Bloom", "Europe/Paris", 41,
        (10, 500, 2500, 1500), (True, 365),
        ("points_based", 365, ("Seedling", "Sapling", "Evergreen")), color="#4C9F70",
    ),
    _program(
        "harbor-and-pine", "Harbour Club", "America/Chicago", 77,
        (1, 100, 500, 250), (False, 365), ("spend_based", 365, _METALS), has_base_tier=False,
    ),
    _program(
        "indigo-loom", "Thread Society", "Asia/Tokyo", 63,
        (1, 0, 300, 300), (True, 730), ("hybrid", 365, _METALS), color="#3D348B",
    ),
    _program(
        "juniper-skin", "Glow Points", "Australia/Sydney", 57,
        (2, 200, 600, 300), (True, 365), ("points_based", 180, _SHORT), color="#E08E79",
    ),
    _program(
        "kestrel-cycles", "Slipstream", "Europe/Berlin", 139,
        (1, 100, 1000, 500), (False, 365), ("spend_based", 730, _LONG), color="#D7263D",
    ),
    _program(
        "lumen-candles", "Afterglow", "America/Toronto", 38,
        (5, 250, 1000, 500), (True, 365), ("points_based", 365, _METALS), color="#F2A541",
    ),
    _program(
        "marrow-and-mint", "Greens Club", "America/Denver", 44,
        (1.5, 75, 500, 250), (False, 365), ("hybrid", 365, _SHORT),
    ),
    _program(
        "northlight-paper", "Margins", "Europe/Stockholm", 29,
        (1, 25, 100, 100), (True, 365), ("points_based", 0, _SHORT), maintenance=False,
    ),
    _program(
        "oak-and-otter", "River Rewards", "America/Halifax", 61,
        (1, 100, None, None), (True, None), ("spend_based", 365, _METALS), color="#0B6E4F",
    ),
    _program(
        "pepper-pup", "Treat Bank", "America/Phoenix", 49,
        (2, 100, 500, 500), (False, 365), ("points_based", 365, _LONG), color="#EF6F6C",
    ),
    _program(
        "quarry-denim", "Selvedge", "America/Sao_Paulo", 98,
        (1, 100, 500, 250), (True, 365), ("spend_based", 365, _METALS), color="#27476E",
    ),
    _program(
        "rosewater-books", "Dog-Ears", "Europe/Dublin", 26,
        (10, 300, 1500, 750), (False, 365), ("points_based", 365, _METALS), color="#9B2335",
    ),
    _program(
        "saltmarsh-surf", "Swell", "Pacific/Honolulu", 84,
        (1, 100, 500, 250), (True, 180), ("points_based", 180, _METALS), color="#00A6A6",
    ),
    _program(
        "thistle-tea", "Steep", "Asia/Kathmandu", 31,
        (3, 60, 300, 150), (False, None), ("hybrid", 365, _SHORT),
    ),
    _program(
        "umber-ceramics", "Kiln Club", "Africa/Johannesburg", 71,
        (1, 100, 500, 250), (True, 365), ("spend_based", 365, _METALS), color="#7D4F50",
    ),
    _program(
        "velvet-yarn", "Skein", "Asia/Singapore", 36,
        (5, 100, 500, 500), (False, 365), ("points_based", 365, _METALS), color="#8A4FFF",
    ),
    _program(
        "willow-baby", "Lullaby", "America/Mexico_City", 58,
        (1, 150, 750, 500), (True, 365), ("points_based", 365, _SHORT), color="#A7C4A0",
    ),
    _program(
        "yonder-luggage", "Boarding Pass", "Asia/Dubai", 129,
        (1, 250, 1000, 500), (False, 365), ("spend_based", 730, _LONG), color="#1B1B1E",
    ),
)  # fmt: skip


def domain(number: int) -> str:
    """The domain of the shop with this number (from 0): a named one first, then numbered ones."""
    handle = PROGRAMS[number].handle if number < len(PROGRAMS) else f"shop-{number + 1:05d}"
    return f"{handle}.myshopify.com"


def program(number: int) -> Program:
    """How the shop with this number runs its program; beyond the names, they recur."""
    return PROGRAMS[number % len(PROGRAMS)]


def timezone(number: int) -> str:
    """The zone of the shop with this number; shops that no seed names live in UTC."""
    return PROGRAMS[number].timezone if number < len(PROGRAMS) else "UTC"
