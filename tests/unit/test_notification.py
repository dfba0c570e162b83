"""The webhook: signed, tried again where that may help, never loud, never for long."""

from __future__ import annotations

import hashlib
import hmac
import logging
import socket

import pytest
from pydantic import ValidationError
from webhooks import header, listening

from orchestration import notification
from orchestration.notification import Notice, notify
from orchestration.settings import Settings

NOTICE = Notice("run", "7", ["sync"], problems=[{"subject": "segment", "segment_id": 1, "rows": 5}])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notification, "WAIT_SECONDS", 0.001)


def settings(url: str | None, secret: str | None = None) -> Settings:
    return Settings.model_validate({"webhook_url": url, "webhook_secret": secret})


def test_the_message_is_signed_over_its_time_and_body() -> None:
    with listening() as webhook:
        assert notify(settings(webhook.url, "s3cret"), NOTICE)
    [(method, headers, body)] = webhook.requests
    assert method == "POST"
    signed = header(headers, "Loyalty-Timestamp").encode() + b"." + body
    expected = hmac.new(b"s3cret", signed, hashlib.sha256).hexdigest()
    assert header(headers, "Loyalty-Signature") == f"sha256={expected}"
    assert webhook.documents[0] | {"sent_at": ""} == {
        "event": "activation_incomplete",
        "sent_at": "",
        "command": "run",
        "run_id": "7",
        "failed_steps": ["sync"],
        "failed_checks": [],
        "problems": [{"subject": "segment", "segment_id": 1, "rows": 5}],
        "problems_in_all": 1,
    }


def test_without_a_secret_nothing_is_signed() -> None:
    with listening() as webhook:
        assert notify(settings(webhook.url), Notice("run"))
    [(_, headers, _)] = webhook.requests
    assert "loyalty-signature" not in {name.lower() for name in headers}
    assert webhook.documents[0]["event"] == "run_failed"


def test_without_a_url_nobody_is_told() -> None:
    assert not notify(settings(None), NOTICE)


@pytest.mark.parametrize(
    ("answers", "tries", "taken"),
    [
        ([503, 429, 500], 4, True),
        ([500] * 9, 4, False),
        ([404], 1, False),
        ([302], 1, False),
        ([307], 1, False),
        ([204], 1, True),
    ],
)
def test_what_may_pass_is_tried_again_under_the_same_delivery(
    answers: list[int], tries: int, taken: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with listening(*answers) as webhook, caplog.at_level(logging.WARNING):
        assert notify(settings(webhook.url, "s3cret"), NOTICE) is taken
    assert [method for method, _, _ in webhook.requests] == ["POST"] * tries
    assert len({header(headers, "Loyalty-Delivery") for _, headers, _ in webhook.requests}) == 1
    assert bool(caplog.text) is not taken
    assert "t0ken" not in caplog.text
    assert "s3cret" not in caplog.text


def test_a_webhook_that_is_not_there_is_a_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert not notify(settings(f"http://127.0.0.1:{port}/t0ken"), NOTICE)
    assert "Connection refused" in caplog.text
    assert "t0ken" not in caplog.text


def test_a_webhook_that_never_answers_does_not_hold_the_run(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(notification, "LONGEST_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        assert not notify(settings(f"http://127.0.0.1:{deaf.getsockname()[1]}/"), NOTICE)
    assert "too long" in caplog.text


def test_many_problems_are_counted_and_a_hundred_told() -> None:
    problems = [{"subject": "segment", "segment_id": n} for n in range(1_000)]
    with listening() as webhook:
        notify(settings(webhook.url), Notice("run", problems=problems))
    [document] = webhook.documents
    assert (len(document["problems"]), document["problems_in_all"]) == (100, 1_000)


@pytest.mark.parametrize("url", ["ftp://example.com/t0ken", "t0ken", "file:///t0ken", "http:///"])
def test_a_url_of_another_kind_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ValidationError) as error:
        settings(url)
    assert all("t0ken" not in str(entry["msg"]) for entry in error.value.errors())
