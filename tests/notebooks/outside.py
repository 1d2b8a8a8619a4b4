"""Where the rest of the world would be: a proxy that notes who is asked for, and lets nobody through."""

from __future__ import annotations

import socketserver
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Outside(socketserver.ThreadingTCPServer):
    """``asked`` are the first lines of requests that were meant for other machines."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Door)
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        """The proxy's."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def environment(self) -> dict[str, str]:
        """Variables that send clients here, unless they want something of this machine."""
        both = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), self.url)
        return {**both, "no_proxy": "127.0.0.1,localhost", "NO_PROXY": "127.0.0.1,localhost"}


class _Door(socketserver.StreamRequestHandler):
    server: Outside

    def handle(self) -> None:
        self.server.asked.append(self.rfile.readline(1_000).decode(errors="replace").strip())
        self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


@contextmanager
def nobody_there() -> Iterator[Outside]:
    """A proxy for the time of a block."""
    with Outside() as outside:
        thread = threading.Thread(target=outside.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield outside
        finally:
            outside.shutdown()
            thread.join()
