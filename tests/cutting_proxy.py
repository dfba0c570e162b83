"""A proxy between a client and PostgreSQL that loses connections at chosen moments."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum

from psycopg import conninfo


class Cut(Enum):
    """What becomes of a message of the client's."""

    PASS = "pass"
    LOSE_IT = "lose it"
    LOSE_THE_ANSWER = "lose the answer"


class Proxy:
    """Passes bytes on; `judge` sees each message block of a client and may cut the connection."""

    def __init__(self, host: str, port: int, judge: Callable[[bytes], Cut]) -> None:
        self._target = (host, port)
        self._judge = judge
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                threading.Thread(target=self._up, args=(client, server), daemon=True).start()
                threading.Thread(target=self._down, args=(server, client), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while block := client.recv(1 << 16):
                verdict = self._judge(block)
                if verdict is Cut.PASS:
                    server.sendall(block)
                    continue
                self.cuts += 1
                _end(client)
                if verdict is Cut.LOSE_THE_ANSWER:
                    server.sendall(block)
                    server.shutdown(socket.SHUT_WR)  # it answers nobody, and then ends
                    return
                break
        _end(server)

    def _down(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while block := server.recv(1 << 16):
                client.sendall(block)
        _end(client)
        _end(server)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextmanager
def through_proxy(url: str, judge: Callable[[bytes], Cut]) -> Iterator[tuple[str, Proxy]]:
    """The URL by way of a proxy, and the proxy."""
    fields = {name: str(value) for name, value in conninfo.conninfo_to_dict(url).items()}
    proxy = Proxy(fields["host"], int(fields["port"]), judge)
    fields |= {"host": "127.0.0.1", "port": str(proxy.port), "sslmode": "disable"}
    try:
        yield conninfo.make_conninfo("", **fields), proxy
    finally:
        proxy.close()
