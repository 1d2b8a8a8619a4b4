"""``dwell board``: the leaderboard's page in a browser, which cannot sign requests: a small server here does it.

It listens on this machine only, under an address that nobody guesses, reads only, and is there until it is stopped.
"""

from __future__ import annotations

import secrets
import webbrowser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Annotated, Protocol

import typer
from botocore.exceptions import BotoCoreError

from dwell.client.leaderboard import BoardError
from dwell.client.signed_api import api_for
from dwell.client.stack import find
from dwell.commands.options import StackName, explained, out

if TYPE_CHECKING:
    from botocore.awsrequest import AWSResponse

HOST = "127.0.0.1"
PASSED_ON = ("content-type", "cache-control", "content-security-policy", "referrer-policy", "x-content-type-options")
"""Headers of an answer that matter to a browser; the others are the API's business."""


class Api(Protocol):
    """What asks the API."""

    def get(self, path: str) -> AWSResponse:
        """Answer a signed ``GET``."""
        ...


class Board(ThreadingHTTPServer):
    """Serves the page at ``url``. Port 0 takes any free one. Raises ``OSError`` if it cannot listen."""

    daemon_threads = True

    def __init__(self, api: Api, port: int = 0) -> None:
        super().__init__((HOST, port), _Request)
        self.api = api
        self.path = f"/{secrets.token_urlsafe(12)}/"

    @property
    def authority(self) -> str:
        """What a browser calls it."""
        return f"{HOST}:{self.server_address[1]}"

    @property
    def url(self) -> str:
        """The page's address; whoever knows it sees the page, so it is made anew each time."""
        return f"http://{self.authority}{self.path}"


class _Request(BaseHTTPRequestHandler):
    server: Board
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        path, question, query = self.path.partition("?")
        # A page elsewhere can make its own name lead here; its requests carry that name.
        if self.headers.get("host") != self.server.authority or not secrets.compare_digest(
            path.encode(), self.server.path.encode()
        ):
            self._answer(404, {"content-type": "text/plain"}, b"There is nothing here.\n")
            return
        try:
            response = self.server.api.get(f"/{question}{query}")
        except BotoCoreError as error:
            self._answer(502, {"content-type": "text/plain; charset=utf-8"}, f"{error}\n".encode())
            return
        headers = {name: response.headers[name] for name in PASSED_ON if name in response.headers}
        self._answer(response.status_code, headers, response.content)

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
        """A look at a page is no news."""


def board(
    *,
    stack: StackName = "dwell",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of 127.0.0.1; 0 takes any free one.")] = 0,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in this machine's browser, too.")] = False,
) -> None:
    """Show the leaderboard's page in a browser, until you press Ctrl-C. Requests are signed with your credentials."""
    with explained():
        found = find(stack)
        api = api_for(found.api_url, timeout=30)
        answer = api.get("/")
        if answer.status_code != 200:
            raise BoardError(f"GET / answers {answer.status_code}: {answer.text[:300]}")
        server = Board(api, port)
    with server:
        out.print(f"The leaderboard of {stack}: {server.url}", markup=False)
        out.print("Ctrl-C ends it.")
        if open_it:
            webbrowser.open(server.url)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            out.print("")
