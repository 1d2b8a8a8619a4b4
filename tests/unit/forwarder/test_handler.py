"""The forwarder's handler: SNS events, calls of Kinesis, metrics and logs."""

from __future__ import annotations

import importlib
import io
import sys
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools import Logger
from botocore.stub import Stubber

from forwarder.put_records import PutRecordsFailedError
from tests.unit.forwarder.factories import THROTTLED, FakeClock, FakeStream

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from tests.unit.conftest import Context, Metrics


@pytest.fixture
def forwarder(lambda_environment: pytest.MonkeyPatch) -> ModuleType:
    lambda_environment.setenv("STREAM_NAME", "samples")
    lambda_environment.delitem(sys.modules, "forwarder.handler", raising=False)
    return importlib.import_module("forwarder.handler")


def test_successful_event_is_forwarded_without_log(
    forwarder: ModuleType,
    event: Callable[[str], dict[str, Any]],
    context: Context,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = FakeStream()
    monkeypatch.setattr(forwarder, "kinesis", stream)

    result = forwarder.handler(event("sns-packed"), context)

    message = event("sns-packed")["Records"][0]["Sns"]
    assert stream.records == [(message["MessageId"], message["Message"].encode())]
    assert result == {"forwarded": 1, "retried": 0}
    assert capfd.readouterr().out == ""


def test_request_matches_kinesis_api(
    forwarder: ModuleType, event: Callable[[str], dict[str, Any]], context: Context
) -> None:
    message = event("sns-single")["Records"][0]["Sns"]
    expected = {
        "StreamName": "samples",
        "Records": [{"Data": message["Message"].encode(), "PartitionKey": message["MessageId"]}],
    }
    response = {"Records": [{"SequenceNumber": "1", "ShardId": "shardId-000000000000"}]}
    with Stubber(forwarder.kinesis) as stubber:
        stubber.add_response("put_records", response, expected)

        assert forwarder.handler(event("sns-single"), context) == {"forwarded": 1, "retried": 0}

        stubber.assert_no_pending_responses()


def test_permanent_failure_raises_and_counts_retries(
    forwarder: ModuleType,
    event: Callable[[str], dict[str, Any]],
    published: Callable[[], Metrics],
    monkeypatch: pytest.MonkeyPatch,
    context: Context,
) -> None:
    message_id = event("sns-single")["Records"][0]["Sns"]["MessageId"]
    two_messages = {"Records": event("sns-packed")["Records"] + event("sns-single")["Records"]}
    clock = FakeClock(left=10.0)
    monkeypatch.setattr(forwarder, "kinesis", FakeStream({message_id: [THROTTLED] * 1_000}))
    monkeypatch.setattr(forwarder.time, "sleep", clock.sleep)
    monkeypatch.setattr(type(context), "get_remaining_time_in_millis", lambda _: clock.left * 1000)

    with pytest.raises(PutRecordsFailedError):
        forwarder.handler(two_messages, context)

    metrics = published()
    assert metrics == {(frozenset(), "RetriedRecords"): len(clock.delays)}
    assert clock.delays


def test_log_contains_counts_and_no_payload(
    forwarder: ModuleType,
    event: Callable[[str], dict[str, Any]],
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = io.StringIO()
    monkeypatch.setattr(forwarder, "logger", Logger(service="forwarder-log", stream=log))
    message_id = event("sns-packed")["Records"][0]["Sns"]["MessageId"]
    monkeypatch.setattr(forwarder, "kinesis", FakeStream({message_id: [THROTTLED]}))
    monkeypatch.setattr(forwarder.time, "sleep", lambda _: None)

    forwarder.handler(event("sns-packed"), context)

    assert '"forwarded":1' in log.getvalue()
    assert '"retried":1' in log.getvalue()
    assert "robot-0017" not in log.getvalue()
