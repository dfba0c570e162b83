import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
import json
import pytest
from oracles.history import random_history
from warehouses import filled_warehouse
from orchestration.segments import compile_rules
from orchestration.build import dbt_build_arguments, run_dbt

def test_hostile(server):
    a = datetime(2025, 1, 8, 15, 30, tzinfo=UTC)
    h = random_history(11, as_of=a, customers=12)
    t = a - timedelta(days=20)
    for shop, tag in ((777_777, "x"), (1, "y")):
        tier = [h.add("tier_definitions", shop_id=shop, name=f"{tag}{i}", tier_level=l, points_multiplier=m, min_spend_required=s, min_points_required=-5)
                for i, (l, m, s) in enumerate([(1, "NaN", "NaN"), (1, 0, -3), (0, -1, None), (-4, 1, 1), (2147483647, 1, 1)])]
        camp = h.add("campaigns", shop_id=shop, name="c", start_date="infinity", end_date="-infinity", bonus_multiplier="NaN", budget_limit=-1, bonus_points=-2, max_participants=-1)
        rew = h.add("reward_definitions", shop_id=shop, name="r", reward_type="", points_cost=-5)
        seg = h.add("customer_segments", shop_id=shop, name="s"+tag, criteria={"field":"nope","op":"gt","value":0}, segment_type="??")
        for i in range(8):
            p = h.add("customer_loyalty_profiles", shop_id=shop, shopify_customer_id=f"{tag}", points_balance=-3, lifetime_spent="NaN", current_tier_id=tier[i % 5], created_at=[t, None, "infinity", "-infinity", t, t, t, t][i])
            for k, (kind, amt, src) in enumerate([("earned", 2_000_000_000, "purchase"), ("earned", -2_000_000_000, "purchase"), ("redeemed", 50, "x"), ("bonus", -7, "y"), ("expired", 9, ""), ("refunded", 2_000_000_000, ""), ("", 0, ""), ("adjusted", -2_000_000_000, "manual")]):
                h.add("point_transactions", customer_id=p, transaction_type=kind, points_amount=amt, points_balance_after=-1, source=src, order_id=f"o{tag}{i%3}", campaign_id=camp, redemption_id=99999, created_at=[t + timedelta(hours=i), None][k % 5 == 4], expires_at="-infinity", expired_at=None)
            for k in range(3):
                h.add("customer_tier_history", customer_id=p, tier_id=[tier[k], 666_666][k == 2 and i == 3], achieved_at=[None, None, t][k] if i % 2 else t, ended_at=t - timedelta(days=k), is_current=True, reason="")
            h.add("redemption_logs", customer_id=p, reward_id=rew, points_spent=-9, status="", discount_amount="NaN", used_at=t - timedelta(days=3000), used_order_id=f"o{tag}{i%3}", redeemed_at=t, expires_at=t)
            h.add("campaign_participations", campaign_id=camp, customer_id=p, joined_at=t, completed_at=t - timedelta(days=1), amount_spent="NaN", points_earned=-5, orders_made=-1)
            l = h.add("referral_links", customer_id=p, referral_code="same", referral_url="", clicks=-1, conversions=-3, total_revenue="NaN", created_at="infinity")
            for k in range(2):
                h.add("referral_clicks", referral_link_id=l, converted=True, conversion_amount="NaN", clicked_at=t, converted_at=t - timedelta(days=9))
                h.add("referral_conversions", referral_link_id=l, referred_customer_id=p - k, order_id=f"o{tag}{i%4}", order_amount=["NaN", -5, Decimal("9999999999.99"), 0][i % 4], status="odd", converted_at=t)
            h.add("customer_segment_memberships", segment_id=seg, customer_id=p - i % 2 * 9, added_at="infinity", removed_at=t)
    h.add("customer_tier_history", customer_id=1, tier_id=666_666, achieved_at=t, ended_at=None, is_current=True)
    h.rows("shops")[0]["points_per_dollar"] = Decimal("NaN")
    h.rows("shops")[1]["points_per_dollar"] = -1
    source, target = (server.url(server.create_database()) for _ in range(2))
    w = filled_warehouse(source, target, h.tables)
    compile_rules(w)
    folder = Path("/tmp/w/h/findings/hostile"); folder.mkdir(exist_ok=True)
    result = run_dbt(w, dbt_build_arguments(as_of=a.isoformat()), target_dir=folder, quiet=True)
    for r in json.loads((folder/"run_results.json").read_text())["results"]:
        if r["status"] not in ("success", "pass", "skipped"):
            print(r["status"], r["unique_id"], r["message"], r.get("failures"))
    with w.connect() as c:
        for row in c.execute('select "check", relation, count(*), count(shop_id), min(detail) from marts.data_quality_findings group by 1,2 order by 1,2'): print(row)
