"""Tells a webhook that a run failed or held something back: JSON, signed, without personal data."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPException, HTTPMessage
from typing import IO, Any
from urllib import error, request

from tenacity import (
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from orchestration.settings import Settings

logger = logging.getLogger(__name__)

ATTEMPTS = 4
ANSWER_SECONDS = 8.0
"""How long one answer is waited for."""
WAIT_SECONDS = 0.5
WAIT_LONGEST_SECONDS = 5.0
"""Waits between attempts are random up to a limit that doubles."""
LONGEST_SECONDS = 45.0
"""When a run goes on whatever the webhook does, slow trickles included."""
PROBLEMS_TOLD = 100


@dataclass(frozen=True)
class Notice:
    """What there is to tell. Ids and counts only: names and messages may be somebody's.

    Attributes:
        command: What ended like this: `run`, `activate`, or the name of a Dagster job.
        run_id: Dagster's id of the run, or the number in ops.activations.
        failed_steps: The steps that failed, by Dagster's names.
        failed_checks: The dbt tests that failed as errors.
        problems: What activation held back or could not write: see ActivationResult.notable.
    """

    command: str
    run_id: str | None = None
    failed_steps: Sequence[str] = ()
    failed_checks: Sequence[str] = ()
    problems: Sequence[Mapping[str, int | str]] = ()

    @property
    def event(self) -> str:
        """`activation_incomplete` where the rest was written, else `run_failed`."""
        return "activation_incomplete" if self.problems else "run_failed"

    def body(self, sent_at: datetime) -> bytes:
        """The JSON document that is sent."""
        document = {
            "event": self.event,
            "sent_at": sent_at.isoformat(),
            "command": self.command,
            "run_id": self.run_id,
            "failed_steps": list(self.failed_steps),
            "failed_checks": list(self.failed_checks),
            "problems": [dict(problem) for problem in self.problems[:PROBLEMS_TOLD]],
            "problems_in_all": len(self.problems),
        }
        return json.dumps(document).encode()


def notify(settings: Settings, notice: Notice) -> bool:
    """Posts the notice where LOYALTY_WEBHOOK_URL says; never raises, and ends in bounded time.

    Returns:
        Whether it was taken; False also where no webhook is configured.
    """
    if settings.webhook_url is None:
        return False
    url = settings.webhook_url.get_secret_value()
    secret = settings.webhook_secret.get_secret_value() if settings.webhook_secret else None
    taken: list[bool] = []

    def deliver() -> None:
        try:
            _deliver(url, secret, notice)
            taken.append(True)
        except Exception as failure:
            # Not the URL, which may hold a token, and with it libraries' own messages.
            logger.warning("The webhook was not told of a %s: %s.", notice.event, _why(failure))

    worker = threading.Thread(target=deliver, name="loyalty-webhook", daemon=True)
    worker.start()
    worker.join(LONGEST_SECONDS)
    if worker.is_alive():
        logger.warning("The webhook took too long to take a %s.", notice.event)
    return bool(taken)


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """What the header Loyalty-Signature holds: an HMAC-SHA256 of timestamp, full stop and body."""
    signed = timestamp.encode() + b"." + body
    return "sha256=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


class _RefusedError(Exception):
    """The webhook answered something else than 2xx."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class _NoRedirects(request.HTTPRedirectHandler):
    """A redirected POST would arrive as a GET, elsewhere."""

    def redirect_request(
        self,
        req: request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> request.Request | None:
        return None


def _deliver(url: str, secret: str | None, notice: Notice) -> None:
    now = datetime.now(UTC)
    body = notice.body(now)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "loyalty-warehouse",
        # The same in every attempt: whoever took one of them ignores the others.
        "Loyalty-Delivery": str(uuid.uuid4()),
        "Loyalty-Timestamp": str(int(now.timestamp())),
    }
    if secret is not None:
        headers["Loyalty-Signature"] = signature(secret, headers["Loyalty-Timestamp"], body)
    Retrying(
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(multiplier=WAIT_SECONDS, max=WAIT_LONGEST_SECONDS),
        retry=retry_if_exception(_may_pass),
        reraise=True,
    )(_post, url, body, headers)


def _post(url: str, body: bytes, headers: Mapping[str, str]) -> None:
    # The settings let through http and https only.
    sent = request.Request(url, body, dict(headers), method="POST")  # noqa: S310
    try:
        with request.build_opener(_NoRedirects).open(sent, timeout=ANSWER_SECONDS):
            return
    except error.HTTPError as answer:
        answer.close()
        raise _RefusedError(answer.code) from None


def _may_pass(failure: BaseException) -> bool:
    if isinstance(failure, _RefusedError):
        return failure.status >= 500 or failure.status in (408, 425, 429)
    return isinstance(failure, OSError | HTTPException)


def _why(failure: Exception) -> str:
    if isinstance(failure, _RefusedError):
        return f"it answered {failure.status}"
    reason: Any = getattr(failure, "reason", failure)
    if isinstance(reason, OSError) and reason.strerror:
        return f"it cannot be reached ({reason.strerror})"
    return f"it cannot be reached ({type(reason).__name__})"
