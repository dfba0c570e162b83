"""A webhook of the tests' own: it answers as it is told, and keeps what it was sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Webhook:
    """Where it listens, and the requests that came: method, headers and body."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def documents(self) -> list[Any]:
        return [json.loads(body) for _, _, body in self.requests]


@contextmanager
def listening(*answers: int) -> Iterator[Webhook]:
    """A webhook that gives these answers in turn, and 200 afterwards."""
    webhook = Webhook(answers=list(answers))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            webhook.requests.append((self.command, dict(self.headers), body))
            status = webhook.answers.pop(0) if webhook.answers else 200
            self.send_response(status)
            if status in (301, 302, 307):
                self.send_header("Location", webhook.url + "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            webhook.requests.append((self.command, dict(self.headers), b"{}"))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    webhook.url = f"http://127.0.0.1:{server.server_port}/hook/t0ken"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield webhook
    finally:
        server.shutdown()
        server.server_close()


def header(headers: dict[str, str], name: str) -> str:
    """A header, whatever its case."""
    return {key.lower(): value for key, value in headers.items()}[name.lower()]


def events(webhook: Webhook) -> Sequence[str]:
    """The events that were told of."""
    return [document["event"] for document in webhook.documents]
