"""The small server of ``dwell board``: it signs one thing, for one machine, for whoever knows the address."""

from __future__ import annotations

import http.client
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.exceptions import EndpointConnectionError

from dwell.operations.board_server import FORWARDED_HEADERS, HOST, BoardServer

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWER = {
    "content-type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'",
    "apigw-requestid": "JKJaXmPLvHcESHB=",
    "set-cookie": "a=b",
}


class Raw:
    """A body as urllib3 hands it over."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def stream(self) -> Iterator[bytes]:
        yield self.content


@dataclass
class FakeApi:
    """Remembers what it was asked, and answers, or cannot be reached."""

    asked: list[str] = field(default_factory=list)
    status: int = 200
    is_there: bool = True

    def get(self, path: str) -> AWSResponse:
        self.asked.append(path)
        if not self.is_there:
            raise EndpointConnectionError(endpoint_url="https://api")
        return AWSResponse("https://api" + path, self.status, HeadersDict(ANSWER), Raw("<p>Zoë</p>".encode()))  # type: ignore[arg-type]  # the stubs know HTTPHeaders only


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def server(api: FakeApi) -> Iterator[BoardServer]:
    with BoardServer(api) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def ask(
    server: BoardServer, path: str, *, method: str = "GET", host: str | None = None
) -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection(HOST, server.server_address[1], timeout=10)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", host or server.authority)
    connection.endheaders()
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.status, {name.lower(): value for name, value in response.getheaders()}, body


def test_server_forwards_page_and_security_headers(server: BoardServer, api: FakeApi) -> None:
    status, headers, body = ask(server, f"{server.path}?span=24h&refresh=60")
    assert (status, body) == (200, "<p>Zoë</p>")
    assert api.asked == ["/?span=24h&refresh=60"]
    assert headers["content-security-policy"] == "default-src 'none'"
    assert headers.keys() <= {*FORWARDED_HEADERS, "content-length"}


def test_what_the_api_refuses_is_refused_here(server: BoardServer, api: FakeApi) -> None:
    api.status = 400
    assert ask(server, f"{server.path}?span=x")[0] == 400


def test_unreachable_api_gives_502_with_the_error(server: BoardServer, api: FakeApi) -> None:
    api.is_there = False
    status, _, body = ask(server, server.path)
    assert status == 502
    assert "https://api" in body


@pytest.mark.parametrize(
    "path", ["/", "/leaderboard", "//", "{path}leaderboard", "{path}../", "/?{path}", "http://x{path}"]
)
def test_nothing_else_is_signed(server: BoardServer, api: FakeApi, path: str) -> None:
    assert ask(server, path.format(path=server.path))[0] == 404
    assert api.asked == []


def test_request_with_a_foreign_host_header_gives_404(server: BoardServer, api: FakeApi) -> None:
    assert ask(server, server.path, host="rebound.example")[0] == 404
    assert api.asked == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
def test_it_only_reads(server: BoardServer, api: FakeApi, method: str) -> None:
    assert ask(server, server.path, method=method)[0] == 501
    assert api.asked == []


def test_server_listens_locally_under_a_random_path(server: BoardServer, api: FakeApi) -> None:
    assert urlsplit(server.url).hostname == "127.0.0.1"
    with BoardServer(api) as another:
        assert another.path != server.path
        assert len(another.path) > 16
