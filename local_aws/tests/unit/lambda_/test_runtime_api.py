"""Lambda's Runtime API answers the runtime's requests, and notices when it is gone."""

from __future__ import annotations

import http.client
import threading
import time
from typing import TYPE_CHECKING

import pytest

from local_aws.lambda_.runtime_api import RuntimeApi, RuntimeExitedError

if TYPE_CHECKING:
    from collections.abc import Iterator

NEXT = "/2018-06-01/runtime/invocation/next"


@pytest.fixture
def api() -> Iterator[RuntimeApi]:
    api = RuntimeApi(lambda: True)
    yield api
    api.close()


def test_requests_and_responses_alternate_on_one_connection(api: RuntimeApi) -> None:
    # given a runtime that asks for an event and returns its size
    events: list[tuple[bytes, str | None]] = []

    def run() -> None:
        runtime = http.client.HTTPConnection(api.address, timeout=10)
        runtime.request("GET", NEXT)
        response = runtime.getresponse()
        events.append((response.read(), response.getheader("Lambda-Runtime-Aws-Request-Id")))
        runtime.request("POST", "/2018-06-01/runtime/invocation/first/response", body=b"5")
        assert runtime.getresponse().status == 202
        runtime.close()

    thread = threading.Thread(target=run)
    thread.start()
    # when it gets one
    assert api.receive(10).path == "invocation/next"
    api.respond(200, b"event", {"Lambda-Runtime-Aws-Request-Id": "first"})
    request = api.receive(10)
    api.respond(202)
    thread.join()
    # then both have what the other sent
    assert events == [(b"event", "first")]
    assert (request.path, request.body) == ("invocation/first/response", b"5")


def test_a_runtime_may_connect_anew(api: RuntimeApi) -> None:
    for path in ("invocation/next", "init/error"):
        runtime = http.client.HTTPConnection(api.address, timeout=10)
        runtime.request("POST", f"/2018-06-01/runtime/{path}", body=b"{}")
        assert api.receive(10).path == path
        api.respond(202)
        assert runtime.getresponse().status == 202
        runtime.close()


def test_silence_of_a_living_process_is_a_timeout(api: RuntimeApi) -> None:
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        api.receive(0.3)
    assert 0.2 < time.monotonic() - started < 5


def test_an_ended_process_is_noticed_although_its_connection_is_open() -> None:
    # given a process that has ended, and a connection that another process holds
    api = RuntimeApi(lambda: False)
    runtime = http.client.HTTPConnection(api.address, timeout=10)
    runtime.request("GET", NEXT)
    api.receive(10)
    with pytest.raises(RuntimeExitedError):
        api.receive(60)
    runtime.close()
    api.close()


def test_closing_ends_a_wait_in_another_thread() -> None:
    # as when the code of a function is updated while it runs
    api = RuntimeApi(lambda: True)
    threading.Timer(0.2, api.close).start()
    with pytest.raises(RuntimeExitedError):
        api.receive(60)
