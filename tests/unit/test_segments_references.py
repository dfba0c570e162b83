"""What rules are worth that name other segments of their shop, and how cycles are told."""

from __future__ import annotations

import json
from random import Random

import pytest

from orchestration.segments import RuleResult, StoredRule, assess_all, load_catalogue, targets_of
from orchestration.segments.assessment import MAXIMUM_LEVELS
from orchestration.segments.cycles import cycles

CATALOGUE = load_catalogue()
VIP = {"field": "is_vip", "op": "is_true"}
BROKEN = {"field": "is_vp", "op": "is_true"}


def rule(name: str, criteria: object, shop: int = 1, *, active: bool = True, auto: bool = True):
    number = abs(hash((shop, name)))
    text = json.dumps(criteria)
    return StoredRule(number, shop, f"{shop}.example", name, text, "hash", active, auto)


def assessed(*rules: StoredRule) -> dict[str, RuleResult]:
    return {result.rule.name: result for result in assess_all(rules, CATALOGUE)}


def reads(*names: str) -> dict[str, object]:
    return {"all": [{"segment": name} for name in names]}


def test_a_rule_may_name_any_segment_of_its_shop() -> None:
    results = assessed(
        rule("by rule", reads("by hand", "off", "VIPs")),
        rule("VIPs", VIP),
        rule("by hand", {}, auto=False),
        rule("off", BROKEN, active=False),
    )
    statuses = {name: result.status for name, result in results.items()}
    assert statuses == {"by rule": "valid", "VIPs": "valid", "by hand": "manual", "off": "inactive"}


def test_an_unknown_segment_is_answered_with_the_nearest_of_the_shop() -> None:
    results = assessed(
        rule("VIPs", VIP),
        rule("Very rich", VIP, shop=2),
        rule("a", {"any": [VIP, {"not": {"segment": "vip"}}]}),
        rule("b", {"segment": "Very rich"}),
    )
    assert results["a"].error == (
        'any[1].not.segment: the shop has no segment called "vip"; did you mean "VIPs"?'
    )
    assert results["b"].error == (
        'segment: the shop has no segment called "Very rich"; none has a similar name'
    )


def test_two_segments_of_one_name_are_not_guessed_between() -> None:
    twins = [StoredRule(at, 1, None, "Twin", json.dumps(VIP), None, True, True) for at in (1, 2)]
    results = assess_all([*twins, rule("a", reads("Twin"))], CATALOGUE)
    assert [result.status for result in results] == ["valid", "valid", "invalid"]
    assert results[2].error == 'all[0].segment: the shop has 2 segments called "Twin"'


def test_a_rule_that_reads_an_invalid_segment_is_stale_and_so_is_who_reads_it() -> None:
    results = assessed(
        rule("c", reads("VIPs", "b")), rule("b", {"not": reads("bad")}), rule("bad", BROKEN),
        rule("VIPs", VIP),
    )  # fmt: skip
    assert {name: result.status for name, result in results.items()} == {
        "VIPs": "valid",
        "bad": "invalid",
        "b": "stale",
        "c": "stale",
    }
    assert results["b"].error == (
        'not.all[0].segment: reads the segment "bad", which is invalid; its last good members count'
    )
    assert results["c"].error == 'all[1].segment: reads the segment "b", which is stale'
    assert results["b"].compiled
    assert results["b"].words == 'Not (in the segment "bad")'


def test_a_segment_that_reads_itself_is_a_cycle() -> None:
    results = assessed(rule("me", {"any": [VIP, {"segment": "me"}]}))
    assert results["me"].error == 'any[1].segment: a cycle: "me" reads itself'


def test_everybody_on_a_cycle_is_invalid_and_who_reads_one_is_stale() -> None:
    results = assessed(
        rule("a", reads("VIPs", "b")), rule("b", reads("c")), rule("c", {"not": reads("a")}),
        rule("reader", reads("b")), rule("VIPs", VIP),
    )  # fmt: skip
    assert results["a"].error == (
        'all[1].segment: a cycle: "a" reads "b", which reads "c", which reads "a"'
    )
    assert results["c"].error == (
        'not.all[0].segment: a cycle: "c" reads "a", which reads "b", which reads "c"'
    )
    assert results["b"].status == "invalid"
    assert results["reader"].status == "stale"
    assert results["VIPs"].status == "valid"


def test_a_segment_that_is_switched_off_ends_a_cycle() -> None:
    results = assessed(rule("a", reads("b")), rule("b", reads("a"), active=False))
    assert [result.status for result in results.values()] == ["valid", "inactive"]


def test_thousands_of_segments_in_one_cycle_or_chain_are_told_shortly() -> None:
    ring = assessed(*(rule(f"s{at}", reads(f"s{(at + 1) % 3000}")) for at in range(3000)))
    assert {result.status for result in ring.values()} == {"invalid"}
    assert ring["s0"].error == (
        'all[0].segment: a cycle: "s0" reads "s1" and so on, over more than 8 segments'
    )
    chain = assessed(
        rule("s0", VIP), *(rule(f"s{at}", reads(f"s{at - 1}")) for at in range(1, 3000))
    )
    assert all(chain[f"s{at}"].status == "valid" for at in range(MAXIMUM_LEVELS))
    assert chain[f"s{MAXIMUM_LEVELS}"].error == (
        "criteria: it reads segments that read others, over 8 levels deep"
    )
    assert chain[f"s{MAXIMUM_LEVELS + 1}"].status == "stale"


def test_rules_that_multiply_are_refused() -> None:
    results = assessed(
        rule("s0", {"all": [VIP] * 90}),
        rule("s1", reads(*["s0"] * 5)),
        rule("s2", reads("s1", "s1")),
    )
    assert results["s1"].status == "valid"
    assert results["s2"].error == (
        "criteria: 912 conditions with those of the segments that it reads; 500 at most"
    )


def test_what_another_rule_may_name_follows_from_the_shops_segments() -> None:
    results = assess_all([rule("VIPs", VIP), rule("bad", BROKEN)], CATALOGUE)
    targets = targets_of(results)
    assert {name: target.is_computed for name, target in targets.items()} == {
        "VIPs": True,
        "bad": False,
    }


@pytest.mark.parametrize("seed", range(50))
def test_cycles_are_found_as_by_trying_all_ways(seed: int) -> None:
    draw = Random(seed)
    reads = {one: draw.choices(range(7), k=draw.randint(0, 2)) for one in range(7)}

    def reached(start: int) -> set[int]:
        found: set[int] = set()
        waiting = [start]
        while waiting:
            new = set(reads[waiting.pop()]) - found
            found |= new
            waiting += new
        return found

    ways = cycles(reads)
    assert set(ways) == {one for one in reads if one in reached(one)}
    for one, way in ways.items():
        assert way[-1] == one
        assert all(
            other in reads[earlier] for earlier, other in zip([one, *way], way, strict=False)
        )
