"""Lambda's Runtime API for one execution environment, as its runtime client calls it: one request after another.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import http.client
import select
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CHECK_SECONDS = 0.1
"""How often to check that the process is alive, when something it has started keeps its connection open."""


class RuntimeExitedError(RuntimeError):
    """The process ended before it sent what was expected."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request of the runtime."""

    path: str
    """From ``/2018-06-01/runtime/`` on, such as ``invocation/next``."""
    body: bytes


class RuntimeApi:
    """Listens on a free port of this machine; ``is_alive`` tells whether the runtime's process still runs."""

    def __init__(self, is_alive: Callable[[], bool]) -> None:
        self._is_alive = is_alive
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connection: socket.socket | None = None
        self._reader: BinaryIO | None = None
        self._is_closed = False

    @property
    def address(self) -> str:
        """The value of ``AWS_LAMBDA_RUNTIME_API``."""
        host, port = self._listener.getsockname()
        return f"{host}:{port}"

    def receive(self, timeout_seconds: float) -> Request:
        """The runtime's next request. Raises ``RuntimeExitedError`` or ``TimeoutError``."""
        try:
            return self._receive(time.monotonic() + timeout_seconds)
        except (OSError, ValueError) as error:  # what a socket raises that another thread closes
            if self._is_closed:
                raise RuntimeExitedError from error
            raise

    def _receive(self, deadline: float) -> Request:
        while True:
            self._wait(deadline)
            assert self._connection is not None  # noqa: S101 (set by _wait)
            assert self._reader is not None  # noqa: S101 (set by _wait)
            self._connection.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                request_line = self._reader.readline()
                if request_line:
                    headers = http.client.parse_headers(self._reader)
                    body = self._reader.read(int(headers.get("content-length", 0)))
                    return Request(request_line.split()[1].decode().removeprefix("/2018-06-01/runtime/"), body)
            except ConnectionError:
                pass
            self._disconnect()  # it may come again: its client connects anew for an error

    def respond(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        """Answer the request that was received. Raises ``RuntimeExitedError``."""
        lines = [f"HTTP/1.1 {status} {http.client.responses[status]}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        connection = self._connection
        if connection is None:
            raise RuntimeExitedError
        try:
            connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        except OSError as error:
            raise RuntimeExitedError from error

    def close(self) -> None:
        """Give the port back. From any thread: a ``receive`` that waits raises ``RuntimeExitedError``."""
        self._is_closed = True
        self._disconnect()
        self._listener.close()

    def _wait(self, deadline: float) -> None:
        """Wait until the connection has something to read; accept it first if there is none."""
        while True:
            poll = select.poll()  # unlike select(), it takes descriptors over 1024
            source = self._listener if self._connection is None else self._connection
            poll.register(source, select.POLLIN)
            remaining = deadline - time.monotonic()
            if self._is_closed:
                raise RuntimeExitedError
            if poll.poll(max(min(remaining, CHECK_SECONDS), 0) * 1000):
                if self._connection is not None:
                    return
                self._connect()
            elif not self._is_alive():
                raise RuntimeExitedError
            elif remaining <= 0:
                raise TimeoutError

    def _connect(self) -> None:
        connection, _ = self._listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection, self._reader = connection, connection.makefile("rb")

    def _disconnect(self) -> None:
        if self._connection is not None and self._reader is not None:
            self._reader.close()
            self._connection.close()
        self._connection = self._reader = None
