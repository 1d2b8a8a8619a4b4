"""A local HTTP server for the leaderboard's page: a browser cannot sign requests, so the server signs them.

It listens on 127.0.0.1 only, under a path with a random token, and answers only ``GET``.
"""

from __future__ import annotations

import secrets
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import BotoCoreError

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse

HOST = "127.0.0.1"
FORWARDED_HEADERS = (
    "content-type",
    "cache-control",
    "content-security-policy",
    "referrer-policy",
    "x-content-type-options",
)
"""Headers of the API's response that a browser needs."""


class GetApi(Protocol):
    """The part of ``SignedApi`` that the server uses."""

    def get(self, path: str) -> AWSResponse:
        """Send a signed ``GET``."""
        ...


class BoardServer(ThreadingHTTPServer):
    """Serves the page at ``url``. Port 0 selects any free port. Raises ``OSError`` if it cannot listen."""

    daemon_threads = True

    def __init__(self, api: GetApi, port: int = 0) -> None:
        super().__init__((HOST, port), _RequestHandler)
        self.api = api
        self.path = f"/{secrets.token_urlsafe(12)}/"

    @property
    def authority(self) -> str:
        """Host and port, as a browser sends them in the ``Host`` header."""
        return f"{HOST}:{self.server_address[1]}"

    @property
    def url(self) -> str:
        """The page's address. Its token is new for each server, since the address gives access to the page."""
        return f"http://{self.authority}{self.path}"


class _RequestHandler(BaseHTTPRequestHandler):
    server: BoardServer
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        path, separator, query = self.path.partition("?")
        # DNS rebinding: a foreign page can point its own name at this server; its requests carry that name as Host.
        if self.headers.get("host") != self.server.authority or not secrets.compare_digest(
            path.encode(), self.server.path.encode()
        ):
            self._respond(404, {"content-type": "text/plain"}, b"There is nothing here.\n")
            return
        try:
            response = self.server.api.get(f"/{separator}{query}")
        except BotoCoreError as error:
            self._respond(502, {"content-type": "text/plain; charset=utf-8"}, f"{error}\n".encode())
            return
        headers = {name: response.headers[name] for name in FORWARDED_HEADERS if name in response.headers}
        self._respond(response.status_code, headers, response.content)

    def _respond(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
        """Log nothing: a page view is not worth a line in the terminal."""
