"""What a live application does to a random history: late rows, edits, deletes, moves, and time.

Rows stay legal by the application's schema (types, NOT NULL, uniqueness), except that rows may
point to ones that are gone, as in a source without foreign keys.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from psycopg import sql
from warehouses import _text

from oracles.history import ZONES, History, Row, _shop, random_history
from orchestration.database import Database
from orchestration.operational.tables import metadata

Tables = dict[str, dict[int, Row]]

WEIGHTS = {
    "point_transactions": 8,
    "customer_loyalty_profiles": 4,
    "customer_tier_history": 4,
    "redemption_logs": 4,
    "campaign_participations": 3,
    "referral_conversions": 3,
    "referral_links": 3,
    "referral_clicks": 3,
    "tier_definitions": 3,
    "campaigns": 3,
    "shops": 1,
    "reward_definitions": 1,
    "customer_segments": 1,
    "customer_segment_memberships": 1,
    "loyalty_analytics": 1,
}
"""How often a change meets a table."""

TELLING = {
    "point_transactions": "customer_id transaction_type points_amount points_balance_after source"
    " order_id campaign_id redemption_id expires_at expired_at created_at",
    "customer_loyalty_profiles": "shop_id points_balance current_tier_id is_active created_at"
    " email phone email_opt_in sms_opt_in",
    "customer_tier_history": "customer_id tier_id achieved_at ended_at reason is_current",
    "redemption_logs": "customer_id reward_id status points_spent discount_amount used_at"
    " used_order_id expires_at redeemed_at",
    "campaign_participations": "campaign_id customer_id joined_at points_earned amount_spent"
    " orders_made completed_at",
    "referral_conversions": "referral_link_id referred_customer_id order_id order_amount status"
    " converted_at",
    "referral_links": "customer_id is_active created_at expires_at",
    "referral_clicks": "referral_link_id ip_address user_agent converted clicked_at converted_at"
    " conversion_order_id",
    "tier_definitions": "shop_id tier_level tier_type min_points_required min_spend_required"
    " min_orders_required qualification_period_days points_multiplier requires_maintenance"
    " is_active",
    "campaigns": "shop_id start_date end_date bonus_points bonus_multiplier budget_limit status",
    "shops": "shop_domain points_per_dollar points_expire_enabled points_expire_days created_at",
    "reward_definitions": "shop_id reward_type points_cost is_active",
}
"""The columns that models compute with, which most edits change."""

WORDS: Mapping[str, list[Any]] = {
    "transaction_type": ["earned"] * 5
    + ["bonus", "redeemed", "redeemed", "expired", "adjusted", "refunded", "gifted"],
    "source": ["purchase", "purchase", "purchase", "referral", "manual", "carrier"],
    "redemption_logs.status": [None, "pending", "completed", "failed", "cancelled", "odd"],
    "referral_conversions.status": [None, "completed", "completed", "pending", "cancelled"],
    "campaigns.status": [None, "draft", "active", "paused", "completed", "odd"],
    "tier_type": [None, "points_based", "spend_based", "hybrid", "mystery"],
    "reason": [None, "qualification", "manual", "downgrade"],
    "reward_type": ["discount_fixed", "free_shipping", "discount"],
    "period_type": ["daily", "weekly", "monthly"],
    "ip_address": [None, "10.0.0.1", "10.0.0.2", "::1"],
    "user_agent": [None, "one", "another"],
    "email": [None, "ada@example.com", " Ada@Example.com", "grace@example.com", "no address"],
    "phone": [None, "+1 555 010 0199", "0015550100199", "+15550100200", "n/a"],
    "criteria": [
        {"field": "points_balance", "op": "gt", "value": 0},
        {"field": "last_order_at", "op": "within_last", "value": 30, "unit": "day"},
        {"field": "points_expiring_30d", "op": "gt", "value": 0},
        {"field": "no such field", "op": "gt", "value": 0},
        {
            "event": "points_earned",
            "aggregate": "sum",
            "of": "points",
            "op": "gte",
            "value": 30,
            "where": [{"field": "source", "op": "eq", "value": "purchase"}],
        },
        {
            "event": "order_placed",
            "aggregate": "count",
            "op": "gte",
            "value": 1,
            "within_last": {"value": 14, "unit": "day"},
        },
        {"event": "reward_redeemed", "aggregate": "days_since_last", "op": "lte", "value": 40},
        {"event": "referral_clicked", "aggregate": "count", "op": "eq", "value": 0},
        {
            "all": [
                {"segment": "Segment 0"},
                {"not": {"segment": "Segment 1"}},
                {"event": "tier_changed", "aggregate": "count", "op": "is_set"},
            ]
        },
        {"field": "last_order_at", "op": "within_last", "value": 36, "unit": "hour"},
        {"field": "birthday", "op": "anniversary_within_next", "value": 60, "unit": "day"},
    ],
    "target_tier_ids": [None, [1, 2], []],
    "target_customer_ids": [None, [1, 5, 9], []],
}

OPT_INS = ("email_opt_in", "sms_opt_in")

NUMBERS = {
    "points_amount": [*range(1, 60), *(-n for n in range(1, 30))],
    "points_balance_after": [0, 5, 100],
    "tier_level": [1, 2, 3, 4, 5],
    "qualification_period_days": [None, 0, 1, 30, 90, 365],
    "min_points_required": [None, 0, 20, 100],
    "min_spend_required": [None, 0, 10, 60],
    "min_orders_required": [None, 0, 1, 3],
    "points_per_dollar": [None, 0, 1, Decimal("2.50"), 10],
    "points_multiplier": [None, 1, Decimal("1.50"), Decimal("2.25")],
    "bonus_multiplier": [None, 0, 1, 2],
    "order_amount": [Decimal("1.00"), Decimal("19.99"), Decimal("150.50")],
    "points_cost": [5, 50],
    "points_spent": [1, 5, 50],
}

LAST = datetime(2025, 6, 30, tzinfo=UTC)
"""No as_of is later, as none may be later than the sync."""


@dataclass
class LiveHistory(History):
    """A history whose rows come and go, so that ids have gaps."""

    next_ids: dict[str, int] = field(default_factory=dict)

    def add(self, table: str, **values: Any) -> int:
        following = max((row["id"] for row in self.rows(table)), default=0) + 1
        row = {"id": max(self.next_ids.get(table, 1), following), **values}
        self.next_ids[table] = row["id"] + 1
        self.rows(table).append(row)
        return int(row["id"])

    def copy(self) -> Tables:
        """The rows by table and id, which later changes leave alone."""
        return {
            name: {row["id"]: deepcopy(row) for row in rows} for name, rows in self.tables.items()
        }


def live_history(seed: int, customers: int = 6) -> LiveHistory:
    """A history to begin with: a hundred days before the spring of 2024."""
    draw = random.Random(f"live {seed}")
    begins = datetime(2024, 2, 20, tzinfo=UTC) + timedelta(hours=draw.randrange(24 * 60))
    history = random_history(seed, as_of=begins, customers=customers)
    # Many rows are dated a microsecond after the as_of: that is over at the first build, as
    # the next one would touch nearly everybody.
    live = LiveHistory(begins + timedelta(hours=1), history.tables)
    _part_orders(live, draw)
    for person in live.rows("customer_loyalty_profiles"):
        person.update({name: draw.choice(WORDS[name]) for name in ("email", "phone")})
        person.update({name: draw.choice([None, True, True, False]) for name in OPT_INS})
    shops = live.rows("shops")
    for index, shop in enumerate(shops):
        for kind, criteria in enumerate(WORDS["criteria"][: 4 * (index + 1)]):
            live.add(
                "customer_segments", shop_id=shop["id"], name=f"Segment {kind}", criteria=criteria
            )
    return live


def _part_orders(live: LiveHistory, draw: random.Random) -> None:
    """Few customers share an order: shared as they are, one change would touch a whole shop."""
    shops = {row["id"]: row["shop_id"] for row in live.rows("customer_loyalty_profiles")}
    bought: dict[Any, list[str]] = {}
    for table, customer, order in (
        ("point_transactions", "customer_id", "order_id"),
        ("referral_conversions", "referred_customer_id", "order_id"),
        ("redemption_logs", "customer_id", "used_order_id"),
    ):
        for row in live.rows(table):
            if not row.get(order):
                continue
            orders = bought.setdefault(shops.get(row[customer]), [])
            if table != "point_transactions" and orders and draw.random() < 0.3:
                row[order] = draw.choice(orders)
            else:
                row[order] += f" of {row[customer]}"
                orders.append(row[order])


class Application:
    """Changes a history, in steps that follow from the seed and the history alone."""

    def __init__(self, seed: int, history: LiveHistory) -> None:
        self.history = history
        self.draw = random.Random(f"application {seed}")
        self.trash: list[tuple[str, Row]] = []
        self.instants: list[datetime] = []
        self.kinds: list[tuple[int, Callable[[], str]]] = [
            (8, self.add_rows),
            (12, self.edit),
            (4, self.delete),
            (1, self.delete_whole),
            (3, self.bring_back),
            (3, self.move_customer),
            (3, self.share_an_order),
            (2, self.enrol),
            (1, self.open_shop),
            (2, self.rekey),
            (4, self.date_exactly),
            (1, self.swap_domains),
            (2, self.give_to_another),
        ]

    def step(self) -> list[str]:
        """Some changes, or none; says which."""
        self.instants = list(self._instants())
        number = self.draw.choice([0, 1, 1, 2, 4, 8])
        weights = [weight for weight, _ in self.kinds]
        actions = [kind for _, kind in self.kinds]
        return [action() for action in self.draw.choices(actions, weights, k=number)]

    def pass_time(self) -> str:
        """Moves as_of on: not at all, a little, over a boundary, or far."""
        draw, now = self.draw, self.history.as_of
        zone = self.history.zone(draw.choice(self._shops_of_known_zones()))
        local = now.astimezone(zone)
        tomorrow = datetime.combine(local.date() + timedelta(days=1), time(), zone)
        month = datetime.combine((local.replace(day=1) + timedelta(days=32)).date(), time(), zone)
        aside = timedelta(microseconds=draw.choice([-1, 0, 1]))
        dates = [moment for moment in self._instants() if now < moment < now + timedelta(days=60)]
        moves = {
            "no time passes": now,
            "a microsecond": now + timedelta(microseconds=1),
            "some hours": now + timedelta(minutes=draw.randrange(30, 900)),
            "a local midnight": tomorrow.astimezone(UTC) + aside,
            "a month's end": month.replace(day=1).astimezone(UTC) + aside,
            "100 days": now + timedelta(days=100),
            "just to a row's time": draw.choice(dates or [now]) + aside,
        }
        weights = [2, 2, 3, 4, 3, 1, 4]
        name = draw.choices(list(moves), weights)[0]
        if not now <= moves[name] <= LAST:
            name = "no time passes"
        self.history.as_of = moves[name]
        return f"{name}: as_of {self.history.as_of.isoformat()}"

    # Changes: each says what it did.

    def add_rows(self) -> str:
        table = self._table()
        if table in ("shops", "customer_loyalty_profiles"):
            table = "point_transactions"
        return ", ".join(self._add(table) for _ in range(self.draw.choice([1, 1, 2, 5])))

    def edit(self) -> str:
        table, row = self._row()
        columns = [c for c in _columns(table) if c.name not in ("id", "archived_at")]
        telling = TELLING.get(table, "").split()
        if telling and self.draw.random() < 0.8:
            columns = [column for column in columns if column.name in telling]
        return self._change(table, row, self.draw.sample(columns, self.draw.choice([1, 1, 1, 2])))

    def delete(self) -> str:
        table, row = self._row()
        if table == "shops":
            return self.delete_whole()
        self._remove(table, row)
        return f"delete {table} {row['id']}, and nothing else"

    def delete_whole(self) -> str:
        tables = ["customer_loyalty_profiles"] * 4 + ["tier_definitions", "campaigns"]
        table = self.draw.choice([*tables, "referral_links", "shops", "reward_definitions"])
        rows = self.history.rows(table)
        if len(rows) < 2:
            return "nothing to delete"
        row = self.draw.choice(rows)
        gone = self._cascade(table, row)
        return f"delete {table} {row['id']} with {gone - 1} rows"

    def bring_back(self) -> str:
        if not self.trash:
            return "nothing to bring back"
        start = self.draw.randrange(len(self.trash))
        back = self.trash[start : start + self.draw.choice([1, 1, 5, 100])]
        returned = []
        for table, row in back:
            if self._is_free(table, row) and not self._has(table, row["id"]):
                self.trash.remove((table, row))
                self.history.rows(table).append(row)
                returned.append(f"{table} {row['id']}")
        return "bring back " + ", ".join(returned)

    def move_customer(self) -> str:
        row = self._pick("customer_loyalty_profiles")
        if not row:
            return "nobody to move"
        columns = [metadata.tables["customer_loyalty_profiles"].columns["shop_id"]]
        return self._change("customer_loyalty_profiles", row, columns)

    def share_an_order(self) -> str:
        carriers = [
            (table, column)
            for table, column in (
                ("point_transactions", "order_id"),
                ("point_transactions", "order_id"),
                ("referral_conversions", "order_id"),
                ("redemption_logs", "used_order_id"),
            )
            if self.history.rows(table)
        ]
        if not carriers:
            return "no orders"
        (table, column), (other, its_column) = self.draw.choices(carriers, k=2)
        row, source = (self.draw.choice(self.history.rows(name)) for name in (table, other))
        order = source.get(its_column)
        if order is None and table == "referral_conversions":
            return "no order to share"
        row[column] = order
        if table == "point_transactions" and self.draw.random() < 0.7:
            row |= {"transaction_type": "earned", "source": "purchase"}
        return f"{table} {row['id']} has the order {order!r} of {other} {source['id']}"

    def enrol(self) -> str:
        said = [self._add("customer_loyalty_profiles")]
        person = self.history.rows("customer_loyalty_profiles")[-1]["id"]
        for table in ("point_transactions", "customer_tier_history", "redemption_logs"):
            for _ in range(self.draw.choice([0, 1, 3])):
                said.append(self._add(table, customer_id=person))
        return ", ".join(said)

    def open_shop(self) -> str:
        taken = {row["shop_domain"] for row in self.history.rows("shops")}
        free = sorted(set(ZONES) - taken)
        if not free:
            return "no shop to open"
        _shop(self.history, self.draw, self._moment, 0, self.draw.choice(free), 3)
        return f"open shop {self.history.rows('shops')[-1]['id']}"

    def rekey(self) -> str:
        table, row = self._row()
        number = self.draw.choice([row["id"] + 1, row["id"] - 1, row["id"] + 1000])
        if number < 1 or self._has(table, number):
            return "no other id is free"
        old, row["id"] = row["id"], number
        return f"{table} {old} is now {number}"

    def date_exactly(self) -> str:
        table, row = self._row()
        times = [c.name for c in _columns(table) if isinstance(c.type, sa.DateTime)]
        name = self.draw.choice([name for name in times if name in TELLING.get(table, "")] or times)
        aside = timedelta(microseconds=self.draw.choice([-1, 0, 1]))
        zone = self.history.zone(self.draw.choice(self._shops_of_known_zones()))
        today = datetime.combine(self.history.as_of.astimezone(zone).date(), time(), zone)
        soon = self.history.as_of + timedelta(minutes=self.draw.randrange(1, 3000))
        tomorrow = (today + timedelta(days=1)).astimezone(UTC)
        moments = [self.history.as_of, today.astimezone(UTC), tomorrow, soon, soon]
        moment = self.draw.choice(moments) + aside
        changed = {**row, name: moment}
        if name in ("archived_at", "start_date", "end_date") or not self._is_free(table, changed):
            return "no time to set"
        row[name] = moment
        return f"{table} {row['id']}: {name} = {moment.isoformat()}"

    def swap_domains(self) -> str:
        one, other = self.draw.choices(self.history.rows("shops"), k=2)
        names = one["shop_domain"], other["shop_domain"]
        other["shop_domain"], one["shop_domain"] = names
        return f"shops {one['id']} and {other['id']} swap their domains"

    def give_to_another(self) -> str:
        tables = ["point_transactions"] * 3 + ["redemption_logs", "customer_tier_history"]
        table = self.draw.choice([*tables, "referral_links", "campaign_participations"])
        row, person = self._pick(table), self._pick("customer_loyalty_profiles")
        if not row or not person or not self._is_free(table, {**row, "customer_id": person["id"]}):
            return "nothing to give"
        row["customer_id"] = person["id"]
        return f"{table} {row['id']} is now of customer {person['id']}"

    # Rows and values.

    def _table(self) -> str:
        return self.draw.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]

    def _pick(self, table: str) -> Row | None:
        rows = self.history.rows(table)
        return self.draw.choice(rows) if rows else None

    def _row(self) -> tuple[str, Row]:
        while True:
            table = self._table()
            row = self._pick(table)
            if row is not None:
                return table, row

    def _has(self, table: str, number: int) -> bool:
        return any(row["id"] == number for row in self.history.rows(table))

    def _shops_of_known_zones(self) -> list[Row]:
        return [row for row in self.history.rows("shops") if row["shop_domain"] in ZONES]

    def _add(self, table: str, **given: Any) -> str:
        row: Row = {"id": 0}
        for column in _columns(table):
            if column.name in given:
                row[column.name] = given[column.name]
            elif column.name not in ("id", "archived_at"):
                telling = column.name in TELLING.get(table, "").split()
                if telling or not column.nullable or self.draw.random() < 0.3:
                    row[column.name] = self._value(table, column)
        if not self._is_free(table, row):
            return f"no room in {table}"
        del row["id"]
        number = self.history.add(table, **row)
        if self.draw.random() < 0.3:  # ids commit out of order, and skip
            self.history.next_ids[table] += self.draw.choice([1, 3])
        skipped = [n for n in range(max(1, number - 5), number) if not self._has(table, n)]
        if skipped and self.draw.random() < 0.3:
            number = self.history.rows(table)[-1]["id"] = self.draw.choice(skipped)
        return f"add {table} {number}"

    def _change(self, table: str, row: Row, columns: list[sa.Column[Any]]) -> str:
        changed = row | {column.name: self._value(table, column) for column in columns}
        if not self._is_free(table, changed):
            return f"no change of {table} {row['id']}"
        said = ", ".join(f"{c.name} {row.get(c.name)!s} → {changed[c.name]!s}" for c in columns)
        row |= changed
        return f"{table} {row['id']}: {said}"

    def _remove(self, table: str, row: Row) -> None:
        self.history.tables[table] = [one for one in self.history.rows(table) if one is not row]
        self.trash.append((table, row))

    def _cascade(self, table: str, row: Row) -> int:
        self._remove(table, row)
        gone = 1
        for child in metadata.sorted_tables:
            for key in child.foreign_keys:
                if key.column.table.name == table:
                    name = key.parent.name
                    for one in list(self.history.rows(child.name)):
                        if one.get(name) == row["id"] and key.ondelete:
                            gone += self._cascade(child.name, one)
                        elif one.get(name) == row["id"] and self.draw.random() < 0.5:
                            one[name] = None
        return gone

    def _is_free(self, table: str, row: Row) -> bool:
        """Whether the row may be written beside the others, by the schema's unique constraints."""
        others = [one for one in self.history.rows(table) if one["id"] != row["id"]]
        for constraint in metadata.tables[table].constraints:
            if isinstance(constraint, sa.UniqueConstraint):
                names = [column.name for column in constraint.columns]
                key = [row.get(name) for name in names]
                if None not in key and any([o.get(n) for n in names] == key for o in others):
                    return False
        if table == "campaigns":
            starts, ends = row.get("start_date"), row.get("end_date")
            return isinstance(starts, datetime) and isinstance(ends, datetime) and starts < ends
        return True

    def _value(self, table: str, column: sa.Column[Any]) -> Any:
        draw, name = self.draw, column.name
        words = WORDS.get(f"{table}.{name}") or WORDS.get(name) or NUMBERS.get(name)
        if words is not None:
            return deepcopy(draw.choice(words))
        if column.nullable and draw.random() < 0.1:
            return None
        for key in column.foreign_keys:
            ids = [row["id"] for row in self.history.rows(key.column.table.name)]
            luck = draw.random()
            if column.nullable and luck < 0.2:
                return None
            return draw.choice(ids) if ids and luck < 0.97 else 999_999
        if name in ("order_id", "used_order_id", "conversion_order_id"):
            return self._order(column.nullable)
        if name == "shop_domain":
            return draw.choice([*ZONES, "ALDER-and-ash.myshopify.com", "new.myshopify.com"])
        if isinstance(column.type, sa.DateTime):
            return self._moment() if column.nullable else draw.choice(self._pool())
        if isinstance(column.type, sa.Boolean):
            return draw.choice([None, True, False])
        if isinstance(column.type, sa.Integer):
            return draw.choice([0, 1, 2, 5, 500])
        if isinstance(column.type, sa.Numeric):
            return draw.choice([0, 1, Decimal("0.50"), Decimal("2.25"), Decimal("9.99")])
        if isinstance(column.type, sa.JSON):
            return draw.choice([{}, [], [1, 2], {"a": 1}])
        assert isinstance(column.type, sa.String)
        return f"text {draw.randrange(100_000)}"[: column.type.length]

    def _order(self, nullable: bool) -> str | None:
        rows = self.history.rows("point_transactions") + self.history.rows("referral_conversions")
        known = [row["order_id"] for row in rows if row.get("order_id") is not None]
        luck = self.draw.random()
        if nullable and luck < 0.2:
            return None
        return self.draw.choice(known) if known and luck < 0.9 else f"new-{luck:.3f}"

    def _pool(self) -> list[datetime]:
        """Instants to draw from: many in the past, some soon to come, boundaries, and others'."""
        draw, now = self.draw, self.history.as_of
        zone = ZONES_BY_NAME[draw.choice(sorted(ZONES))]
        day = (now + timedelta(days=draw.randrange(-100, 40))).astimezone(zone).date()
        midnight = datetime.combine(day, time(), zone).astimezone(UTC)
        aside = timedelta(microseconds=draw.choice([-1, 0, 1]))
        return [
            midnight + aside,
            midnight + timedelta(seconds=draw.randrange(86_400)),
            now - timedelta(hours=draw.randrange(100 * 24)),
            now - timedelta(days=draw.randrange(500)),
            now + timedelta(minutes=draw.randrange(72 * 60)),
            now + timedelta(days=draw.randrange(150)),
            now + aside,
            *([draw.choice(self.instants)] * 3 if self.instants else []),
        ]

    def _moment(self, *, nulls: float = 0.06, odd: float = 0.02) -> Any:
        luck = self.draw.random()
        if luck < nulls:
            return None
        if luck < nulls + odd:
            return self.draw.choice(["infinity", "-infinity", datetime(1970, 1, 1, tzinfo=UTC)])
        return self.draw.choice(self._pool())

    def _instants(self) -> Iterator[datetime]:
        """The times of rows that models compute with."""
        for table, telling in TELLING.items():
            for row in self.history.rows(table):
                for name in telling.split():
                    value = row.get(name)
                    if isinstance(value, datetime) and value.year >= 2000:
                        yield value


ZONES_BY_NAME = {domain: History(LAST).zone({"shop_domain": domain}) for domain in ZONES}


def _columns(table: str) -> list[sa.Column[Any]]:
    return list(metadata.tables[table].columns)


def write(source: Database, before: Tables, after: Tables) -> None:
    """Turns the source's rows, which are those of `before`, into those of `after`, at once."""
    with source.connect() as connection:
        for name in sorted(before.keys() | after.keys()):
            old, new = before.get(name, {}), after.get(name, {})
            table = sql.Identifier(name)
            connection.execute(
                sql.SQL("delete from {} where id = any(%s)").format(table),
                [sorted(old.keys() - new.keys())],
            )
            for number, row in new.items():
                was = old.get(number)
                changed = {
                    key: value
                    for key, value in row.items()
                    if was is None or key not in was or was[key] != value
                }
                if not changed:
                    continue
                names = [sql.Identifier(key) for key in changed]
                values = [_text(value) for value in changed.values()]
                if was is None:
                    statement = sql.SQL("insert into {} ({}) values ({})").format(
                        table,
                        sql.SQL(", ").join(names),
                        sql.SQL(", ").join([sql.Placeholder()] * len(names)),
                    )
                else:
                    statement = sql.SQL("update {} set {} where id = {}").format(
                        table,
                        sql.SQL(", ").join(sql.SQL("{} = %s").format(one) for one in names),
                        sql.Literal(number),
                    )
                connection.execute(statement, values)
