"""The forwarder: every message of an event ends up in the stream once accepted, or the failure is loud."""

from __future__ import annotations

import importlib
import io
import itertools
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.data_classes import SNSEvent
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from feature_schema import split_message_header
from forwarder.kinesis_records import (
    MAX_ENTRIES,
    MAX_RECORD_BYTES,
    MAX_REQUEST_BYTES,
    MessageTooLargeError,
    batch_entries,
    count_bytes,
    to_entries,
)
from forwarder.put_records import (
    BASE_DELAY_SECONDS,
    MAX_DELAY_SECONDS,
    RESERVED_SECONDS,
    PutRecordsFailedError,
    backoff_cap,
    full_jitter,
    put_with_retries,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_kinesis.type_defs import PutRecordsRequestEntryTypeDef as Entry

    from tests.unit.conftest import Context, Metrics

THROTTLED = "ProvisionedThroughputExceededException"
INTERNAL = "InternalFailure"


@dataclass
class Stream:
    """A stream that refuses the entries that it is told to, each as many times as told, and keeps the others."""

    refusals: dict[str, list[str]] = field(default_factory=dict)
    """By partition key: the error codes of the coming refusals, in order."""
    kept: list[tuple[str, bytes]] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)

    def put_records(self, *, StreamName: str, Records: list[Entry]) -> dict[str, Any]:  # noqa: N803 - boto3's names
        assert StreamName == "samples"
        assert 0 < len(Records) <= MAX_ENTRIES
        assert sum(count_bytes(entry) for entry in Records) <= MAX_REQUEST_BYTES
        self.requests.append(len(Records))
        answers: list[dict[str, str]] = []
        for entry in Records:
            codes = self.refusals.get(entry["PartitionKey"])
            if codes:
                answers.append({"ErrorCode": codes.pop(0), "ErrorMessage": "refused"})
            else:
                self.kept.append((entry["PartitionKey"], cast("bytes", entry["Data"])))
                answers.append({"ShardId": "shardId-000000000000", "SequenceNumber": str(len(self.kept))})
        return {"FailedRecordCount": sum("ErrorCode" in answer for answer in answers), "Records": answers}


@dataclass
class Clock:
    """Time that passes only in pauses."""

    left: float = 30.0
    pauses: list[float] = field(default_factory=list)

    def seconds_left(self) -> float:
        return self.left

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.left -= seconds


def put(stream: Stream, made: list[Entry], clock: Clock) -> Any:
    return put_with_retries(
        cast("KinesisClient", stream),
        "samples",
        made,
        seconds_left=clock.seconds_left,
        sleep=clock.sleep,
        jitter=lambda longest: longest,
    )


def entry(key: str, data: bytes = b"data") -> Entry:
    return {"Data": data, "PartitionKey": key}


# --- messages --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sns-packed", "sns-single"])
def test_a_message_becomes_one_record_as_it_is(event: Callable[[str], dict[str, Any]], name: str) -> None:
    sent = SNSEvent(event(name))

    made = to_entries(event(name))

    assert made == [{"Data": r.sns.message.encode(), "PartitionKey": r.sns.message_id} for r in sent.records]
    assert len(made) == 1


@given(
    message=st.lists(st.sampled_from(['{"sample_id":"a"}', "1,2,3", "", " ", "#a", "#b\n", "{"]), min_size=1).map(
        "\n".join
    )
)
def test_who_reads_a_record_finds_the_message_and_the_id_of_lines_without_one(message: str) -> None:
    event = {"Records": [{"Sns": {"MessageId": "95df01b4-ee98-5cb9-9903-4c221d41eb5e", "Message": message}}]}

    (made,) = to_entries(event)

    lines, message_id = split_message_header(cast("bytes", made["Data"]), "unknown")
    assert lines == message.encode()
    if any(not line.startswith("{") for line in message.removesuffix("\n").split("\n")):
        assert message_id == made["PartitionKey"]


def test_every_message_of_an_event_is_read(event: Callable[[str], dict[str, Any]]) -> None:
    both = {"Records": event("sns-packed")["Records"] + event("sns-single")["Records"]}

    assert [made["PartitionKey"] for made in to_entries(both)] == [
        *("95df01b4-ee98-5cb9-9903-4c221d41eb5e", "0a5f4b1e-2d4c-5f3e-8f5b-1d2f6f3f5d11")
    ]


def test_text_beyond_ascii_is_counted_in_bytes(event: Callable[[str], dict[str, Any]]) -> None:
    sent = event("sns-single")
    sent["Records"][0]["Sns"]["Message"] = "{" + "ü" * 10

    (made,) = to_entries(sent)

    assert count_bytes(made) == 21 + len(made["PartitionKey"])


def test_a_message_that_no_record_can_hold_is_named(event: Callable[[str], dict[str, Any]]) -> None:
    sent = event("sns-single")
    sent["Records"][0]["Sns"]["Message"] = "x" * MAX_RECORD_BYTES

    with pytest.raises(MessageTooLargeError, match="0a5f4b1e-2d4c-5f3e-8f5b-1d2f6f3f5d11"):
        to_entries(sent)


@given(st.lists(st.sampled_from([1, 1_000, 400_000, MAX_RECORD_BYTES - 10]), max_size=40))
def test_requests_keep_every_entry_in_order_within_the_limits(sizes: list[int]) -> None:
    made = [entry(str(number), bytes(length)) for number, length in enumerate(sizes)]

    grouped = list(batch_entries(made))

    assert [one["PartitionKey"] for request in grouped for one in request] == [one["PartitionKey"] for one in made]
    assert all(sum(map(count_bytes, request)) <= MAX_REQUEST_BYTES for request in grouped)
    # As few as possible: what starts a request would not have fitted into the one before.
    for before, after in itertools.pairwise(grouped):
        assert sum(map(count_bytes, before)) + count_bytes(after[0]) > MAX_REQUEST_BYTES


def test_requests_have_at_most_as_many_entries_as_kinesis_takes() -> None:
    made = [entry(str(number)) for number in range(2 * MAX_ENTRIES + 1)]

    assert [len(request) for request in batch_entries(made)] == [MAX_ENTRIES, MAX_ENTRIES, 1]


# --- delivery --------------------------------------------------------------------------------------------------


def test_what_the_stream_takes_is_put_once() -> None:
    stream, clock = Stream(), Clock()

    delivery = put(stream, [entry("a", b"1"), entry("b", b"2")], clock)

    assert stream.kept == [("a", b"1"), ("b", b"2")]
    assert (delivery.forwarded, delivery.retried, delivery.failed.total()) == (2, 0, 0)
    assert clock.pauses == []


def test_only_refused_entries_are_put_again() -> None:
    stream, clock = Stream({"b": [THROTTLED, INTERNAL], "c": [THROTTLED]}), Clock()

    delivery = put(stream, [entry("a"), entry("b"), entry("c"), entry("d")], clock)

    assert sorted(key for key, _ in stream.kept) == ["a", "b", "c", "d"]
    assert stream.requests == [4, 2, 1]
    assert (delivery.forwarded, delivery.retried, delivery.failed.total()) == (4, 3, 0)
    assert clock.pauses == [BASE_DELAY_SECONDS, 2 * BASE_DELAY_SECONDS]


def test_what_stays_refused_raises_before_the_time_is_up() -> None:
    stream, clock = Stream({"b": [THROTTLED] * 1_000}), Clock(left=30.0)

    delivery = put(stream, [entry("a"), entry("b")], clock)

    assert (delivery.forwarded, dict(delivery.failed)) == (1, {THROTTLED: 1})
    assert clock.left >= RESERVED_SECONDS
    assert max(clock.pauses) == MAX_DELAY_SECONDS
    with pytest.raises(PutRecordsFailedError, match=f"1 entries after all retries.*{THROTTLED}: 1"):
        delivery.raise_for_failed()


def test_without_time_for_a_retry_there_is_none() -> None:
    stream, clock = Stream({"a": [INTERNAL]}), Clock(left=RESERVED_SECONDS)

    delivery = put(stream, [entry("a")], clock)

    assert (stream.requests, clock.pauses, dict(delivery.failed)) == ([1], [], {INTERNAL: 1})


@given(st.dictionaries(st.text(min_size=1, max_size=3), st.lists(st.sampled_from([THROTTLED, INTERNAL]), max_size=4)))
def test_nothing_is_lost_and_nothing_is_doubled(refusals: dict[str, list[str]]) -> None:
    retries = sum(len(codes) for codes in refusals.values())
    stream = Stream({key: list(codes) for key, codes in refusals.items()})

    delivery = put(stream, [entry(key) for key in refusals], Clock(left=1_000.0))

    assert sorted(key for key, _ in stream.kept) == sorted(refusals)
    assert (delivery.forwarded, delivery.retried) == (len(refusals), retries)


def test_pauses_grow_to_a_limit_and_have_full_jitter() -> None:
    longest = [backoff_cap(retry) for retry in range(2_000)]
    assert longest[:3] == [BASE_DELAY_SECONDS, 2 * BASE_DELAY_SECONDS, 4 * BASE_DELAY_SECONDS]
    assert longest == sorted(longest)
    assert longest[-1] == MAX_DELAY_SECONDS

    pauses = [full_jitter(1.0) for _ in range(200)]
    assert all(0 <= pause <= 1 for pause in pauses)
    assert len(set(pauses)) > 100


# --- the function ----------------------------------------------------------------------------------------------


@pytest.fixture
def forwarder(lambda_environment: pytest.MonkeyPatch) -> ModuleType:
    lambda_environment.setenv("STREAM_NAME", "samples")
    lambda_environment.delitem(sys.modules, "forwarder.handler", raising=False)
    return importlib.import_module("forwarder.handler")


def test_the_function_forwards_an_event_and_tells_nothing_of_what_goes_in_at_once(
    forwarder: ModuleType,
    event: Callable[[str], dict[str, Any]],
    context: Context,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = Stream()
    monkeypatch.setattr(forwarder, "kinesis", stream)

    answer = forwarder.handler(event("sns-packed"), context)

    message = event("sns-packed")["Records"][0]["Sns"]
    assert stream.kept == [(message["MessageId"], message["Message"].encode())]
    assert answer == {"forwarded": 1, "retried": 0}
    assert capfd.readouterr().out == ""


def test_the_function_sends_what_kinesis_expects(
    forwarder: ModuleType, event: Callable[[str], dict[str, Any]], context: Context
) -> None:
    message = event("sns-single")["Records"][0]["Sns"]
    expected = {
        "StreamName": "samples",
        "Records": [{"Data": message["Message"].encode(), "PartitionKey": message["MessageId"]}],
    }
    taken = {"Records": [{"SequenceNumber": "1", "ShardId": "shardId-000000000000"}]}
    with Stubber(forwarder.kinesis) as stubber:
        stubber.add_response("put_records", taken, expected)

        assert forwarder.handler(event("sns-single"), context) == {"forwarded": 1, "retried": 0}

        stubber.assert_no_pending_responses()


def test_the_function_fails_when_the_stream_refuses_for_good_and_still_counts(
    forwarder: ModuleType,
    event: Callable[[str], dict[str, Any]],
    published: Callable[[], Metrics],
    monkeypatch: pytest.MonkeyPatch,
    context: Context,
) -> None:
    refused = event("sns-single")["Records"][0]["Sns"]["MessageId"]
    both = {"Records": event("sns-packed")["Records"] + event("sns-single")["Records"]}
    clock = Clock(left=10.0)
    monkeypatch.setattr(forwarder, "kinesis", Stream({refused: [THROTTLED] * 1_000}))
    monkeypatch.setattr(forwarder.time, "sleep", clock.sleep)
    monkeypatch.setattr(type(context), "get_remaining_time_in_millis", lambda _: clock.left * 1000)

    with pytest.raises(PutRecordsFailedError):
        forwarder.handler(both, context)

    counted = published()
    assert counted == {(frozenset(), "RetriedRecords"): len(clock.pauses)}
    assert clock.pauses


def test_the_log_has_counts_and_no_payload(
    forwarder: ModuleType,
    event: Callable[[str], dict[str, Any]],
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = io.StringIO()
    monkeypatch.setattr(forwarder, "logger", Logger(service="forwarder-log", stream=log))
    message = event("sns-packed")["Records"][0]["Sns"]["MessageId"]
    monkeypatch.setattr(forwarder, "kinesis", Stream({message: [THROTTLED]}))
    monkeypatch.setattr(forwarder.time, "sleep", lambda _: None)

    forwarder.handler(event("sns-packed"), context)

    assert '"forwarded":1' in log.getvalue()
    assert '"retried":1' in log.getvalue()
    assert "robot-0017" not in log.getvalue()
