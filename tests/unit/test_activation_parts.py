"""Batches are bounded, failures are told apart, campaigns' rules are read without trust."""

from __future__ import annotations

import json

import psycopg
import pytest
from psycopg import errors

from orchestration.activation import campaigns, spool
from orchestration.activation.pace import Pace, Patience
from orchestration.activation.session import ConnectionLostError, is_lost, is_transient


def line(shop: int, key: int, text: str = "x") -> bytes:
    return f"{shop}\t{key}\t{text}\n".encode()


def test_batches_hold_every_wanted_line_once_and_in_order() -> None:
    lines = [line(n // 7, n) for n in range(12_345)]
    made = list(spool.batches(lines, lambda key: key % 3 != 0))
    assert [entry for batch in made for entry in batch] == [
        line(n // 7, n) for n in range(12_345) if n % 3
    ]


def test_batches_are_bounded_in_rows_bytes_and_shops(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line(n // 2, n, "x" * (n % 50)) for n in range(2_000)]
    monkeypatch.setattr(spool, "BATCH_ROWS", 40)
    monkeypatch.setattr(spool, "BATCH_BYTES", 900)
    monkeypatch.setattr(spool, "BATCH_SHOPS", 12)
    for batch in spool.batches(lines, lambda key: True):
        assert len(batch) <= 40
        assert sum(map(len, batch)) <= 900
        assert len({spool.shop_of(entry) for entry in batch}) <= 12


def test_a_line_larger_than_a_batch_travels_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "BATCH_BYTES", 20)
    lines = [line(1, 1), line(1, 2, "x" * 500), line(1, 3)]
    assert [len(b) for b in spool.batches(lines, lambda key: True)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("error", "transient", "lost"),
    [
        (errors.DeadlockDetected(), True, False),
        (errors.SerializationFailure(), True, False),
        (errors.LockNotAvailable(), True, False),
        (errors.ForeignKeyViolation(), True, False),
        (errors.AdminShutdown(), True, True),
        (psycopg.OperationalError("server closed the connection unexpectedly"), True, True),
        (ConnectionLostError(), True, True),
        (errors.CheckViolation(), False, False),
        (errors.InsufficientPrivilege(), False, False),
        (ValueError(), False, False),
    ],
)
def test_failures_that_pass_by_themselves_are_told_from_those_that_stay(
    error: Exception, transient: bool, lost: bool
) -> None:
    assert (is_transient(error), is_lost(error)) == (transient, lost)


def test_a_pace_pauses_between_batches_and_makes_up_for_slow_ones() -> None:
    now, pauses = [100.0], []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    pace = Pace(100, clock=lambda: now[0], sleep=sleep)
    assert pace.most_rows == 100
    for seconds_of_work in (0.25, 3.0, 0.0, 0.0):
        pace.wait(50)
        now[0] += seconds_of_work
    # Half a second for 50 rows: the first work was quicker, the second slower; none is saved up.
    assert pauses == [0.25, 0.5]


def test_no_rate_is_no_pause() -> None:
    pace = Pace(None, sleep=lambda seconds: pytest.fail("it paused"))
    for _ in range(3):
        pace.wait(10**9)
    assert pace.most_rows is None


def test_patience_ends() -> None:
    patience = Patience(1.0)
    patience.lose(0.75)
    assert patience.is_left
    patience.lose(0.25)
    assert not patience.is_left


SEGMENTS = {(1, "Gold"): 10, (1, "Silver"): 11, (2, "Gold"): 20}


@pytest.mark.parametrize(
    ("rules", "ids", "problem"),
    [
        ('{"target_segments": ["Silver", "Gold", "Gold"]}', (10, 11), None),
        ('{"target_segments": ["Bronze"]}', (), "no segment 'Bronze'"),
        ('{"target_segments": ["Gold", "a\\u0000"]}', (), "no segment"),
        ('{"target_segments": "Gold"}', (), "not a list"),
        ('{"target_segments": [1]}', (), "not a list"),
        ('{"target_segments": {"Gold": 1}}', (), "not a list"),
        ('{"target_segments": [' + "1" * 5_000 + "]}", (), "not a list"),
    ],
)
def test_a_campaigns_segments_are_found_by_name_in_its_own_shop(
    rules: str, ids: tuple[int, ...], problem: str | None
) -> None:
    [target] = campaigns.targets([(5, 1, "Spring", rules)], SEGMENTS)
    assert target.segment_ids == ids
    assert (target.problem is None) if problem is None else (problem in (target.problem or ""))


def test_what_is_quoted_of_a_rule_is_bounded() -> None:
    names = ["x" * 10_000] + [f"unknown {n}" for n in range(1_000)]
    [target] = campaigns.targets([(5, 1, "Spring", json.dumps({"target_segments": names}))], {})
    assert target.problem is not None
    assert len(target.problem) < 200
    assert target.problem.endswith("'unknown 0', 'unknown 1' and 998 more")


def test_the_likeliest_name_is_offered() -> None:
    rules = '{"target_segments": ["gold"]}'
    [target] = campaigns.targets([(5, 1, "Spring", rules)], SEGMENTS)
    assert target.problem == "its shop has no segment 'gold'; did you mean 'Gold'?"


@pytest.mark.parametrize(
    "rules",
    [
        '{"note": "target_segments"}',
        '{"target_segments": []}',
        '{"target_segments": null}',
        '["target_segments"]',
        '"target_segments"',
    ],
)
def test_a_campaign_that_names_no_segment_is_none_of_ours(rules: str) -> None:
    assert campaigns.targets([(5, 1, "Spring", rules)], SEGMENTS) == []
