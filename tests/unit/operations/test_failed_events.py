"""What failed in every attempt goes back: each event once to its function, each batch once through the topic."""

from __future__ import annotations

import base64
import gzip
import io
import json
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from dwell.commands import redrive as redrive_command
from dwell.commands.app import app
from dwell.messaging.batching import MAX_MESSAGE_BYTES, Message
from dwell.messaging.publisher import PublishError
from dwell.operations import failed_batches
from dwell.operations import failed_events as failures_queue
from dwell.operations.failed_batches import RepublishResult
from dwell.operations.quarantine_replay import DamagedObjectError
from feature_schema import FEATURES, TARGET, VERSION, InvalidInputError, Sample, derive_csv_sample_id, parse_lines
from feature_schema.limits import MAX_LINES
from tests.unit.fake_aws import Pages, ProcessDied
from tests.unit.operations.factories import FakePublisher

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
FORWARDER = "arn:aws:lambda:us-east-1:123456789012:function:dwell-forwarder"
ROW = ",".join(str(int(one.minimum)) for one in (TARGET, *FEATURES))


def record(number: int, function: str = f"{FORWARDER}:$LATEST") -> str:
    """Lambda's record of an asynchronous event that failed in every attempt."""
    return json.dumps(
        {
            "version": "1.0",
            "timestamp": "2026-11-23T06:39:00.000Z",
            "requestContext": {
                "requestId": f"r-{number}",
                "functionArn": function,
                "condition": "RetriesExhausted",
                "approximateInvokeCount": 3,
            },
            "requestPayload": {"Records": [number]},
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "responsePayload": {
                "errorMessage": "the stream rejected 1 entries",
                "errorType": "PutRecordsFailedError",
            },
        }
    )


@dataclass
class Queue:
    """A queue that hides what it hands out, shows a message again when it is told to, and answers a few at a time."""

    bodies: dict[str, str]
    sent_at: dict[str, datetime] = field(default_factory=dict)
    hidden: set[str] = field(default_factory=set)
    receipts: dict[str, str] = field(default_factory=dict)
    handed_out: int = 0

    def receive_message(self, **given: Any) -> dict[str, Any]:
        assert given["VisibilityTimeout"] > 0
        assert given["MessageSystemAttributeNames"] == ["SentTimestamp"]
        assert given["MessageAttributeNames"] == ["All"]
        visible = [name for name in self.bodies if name not in self.hidden][:3]
        messages = []
        for name in visible:
            self.hidden.add(name)
            self.handed_out += 1
            self.receipts[name] = f"{name}/{self.handed_out}"
            at = self.sent_at.get(name, datetime(2026, 11, 23, 6, 40, tzinfo=UTC))
            messages.append(
                {
                    "MessageId": name,
                    "ReceiptHandle": self.receipts[name],
                    "Body": self.bodies[name],
                    "Attributes": {"SentTimestamp": str(int(at.timestamp() * 1000))},
                }
            )
        return {"Messages": messages} if messages else {}

    def _name(self, receipt: str) -> str:
        name = receipt.partition("/")[0]
        assert self.receipts[name] == receipt
        return name

    def delete_message(self, **given: str) -> None:
        name = self._name(given["ReceiptHandle"])
        del self.bodies[name]
        self.hidden.discard(name)

    def change_message_visibility(self, **given: Any) -> None:
        assert given["VisibilityTimeout"] == 0
        self.hidden.discard(self._name(given["ReceiptHandle"]))


@dataclass
class Functions:
    """Takes events, except those of functions that are not there; may park one again at once."""

    queue: Queue
    taken: list[Any] = field(default_factory=list)
    absent: Iterable[str] = ()
    poison: bool = False
    dies: bool = False

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> None:  # noqa: N803
        assert InvocationType == "Event"
        if FunctionName in self.absent:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "no function"}}, "Invoke")
        self.taken.append((FunctionName, json.loads(Payload)))
        if self.dies:
            raise ProcessDied
        if self.poison:
            again = f"again-{len(self.taken)}"
            self.queue.bodies[again] = record(99)
            self.queue.sent_at[again] = NOW


def redrive(queue: Queue, functions: Functions, **options: Any) -> list[failures_queue.RedriveResult]:
    return list(
        failures_queue.redrive(queue, functions, "url", stack="dwell", before=NOW, **options)  # type: ignore[arg-type] # fakes
    )


class TestEvents:
    @given(count=st.integers(0, 12))
    def test_redrive_sends_every_event_once_to_its_function(self, count: int) -> None:
        queue = Queue({f"m-{number}": record(number) for number in range(count)})
        functions = Functions(queue)
        done = redrive(queue, functions)
        assert sorted(done, key=lambda one: one.event.message_id) == sorted(done, key=lambda one: one.event.message_id)
        assert [one.outcome for one in done] == ["sent"] * count
        assert functions.taken == [(FORWARDER, {"Records": [number]}) for number in range(count)]
        assert queue.bodies == {}
        assert redrive(queue, functions) == []

    def test_event_has_the_error_of_its_failure(self) -> None:
        queue = Queue({"m": record(1)})
        (one,) = redrive(queue, Functions(queue), dry_run=True)
        assert one.event.function == "dwell-forwarder"
        assert one.event.error == "PutRecordsFailedError: the stream rejected 1 entries"

    def test_a_dry_run_takes_nothing_and_hides_nothing(self) -> None:
        queue = Queue({f"m-{number}": record(number) for number in range(7)})
        functions = Functions(queue)
        assert [one.outcome for one in redrive(queue, functions, dry_run=True)] == ["would_go_back"] * 7
        assert functions.taken == []
        assert len(queue.bodies) == 7
        assert queue.hidden == set()

    @pytest.mark.parametrize("body", ["", "null", "[]", "{}", '{"requestContext": {"functionArn": 3}}', "not JSON"])
    def test_what_is_no_record_of_lambda_stays(self, body: str) -> None:
        queue = Queue({"m": body})
        functions = Functions(queue)
        (one,) = redrive(queue, functions)
        assert one.outcome == "kept"
        assert functions.taken == []
        assert queue.hidden == set()

    def test_a_function_of_another_stack_is_not_invoked(self) -> None:
        queue = Queue({"m": record(1, "arn:aws:lambda:us-east-1:123456789012:function:payroll")})
        functions = Functions(queue)
        (one,) = redrive(queue, functions)
        assert one.outcome == "kept"
        assert functions.taken == []

    def test_an_event_that_lambda_does_not_take_stays(self) -> None:
        queue = Queue({"a": record(1), "b": record(2, FORWARDER.replace("forwarder", "gone"))})
        functions = Functions(queue, absent=[FORWARDER.replace("forwarder", "gone")])
        assert [one.outcome for one in redrive(queue, functions)] == ["sent", "refused"]
        assert list(queue.bodies) == ["b"]
        assert queue.hidden == set()

    def test_redrive_leaves_an_event_that_fails_again(self) -> None:
        queue = Queue({"m": record(1)})
        functions = Functions(queue, poison=True)
        assert len(redrive(queue, functions)) == 1
        assert len(functions.taken) == 1
        assert list(queue.bodies) == ["again-1"]
        assert queue.hidden == set()

    def test_crash_after_the_invocation_repeats_the_event(self) -> None:
        queue = Queue({"m": record(1)})
        functions = Functions(queue, dies=True)
        with pytest.raises(ProcessDied):
            redrive(queue, functions)
        assert list(queue.bodies) == ["m"]
        functions.dies = False
        redrive(queue, functions)
        assert len(functions.taken) == 2
        assert queue.bodies == {}


# --- batches ----------------------------------------------------------------------------------------------------------


def sample(identity: str) -> str:
    return json.dumps(
        {
            "sample_id": identity,
            "robot_id": "r",
            "fc_id": "fc",
            "recorded_at": "2026-11-23T06:39:00.000Z",
            "schema_version": VERSION,
            TARGET.name: math.ceil(TARGET.minimum),
            "features": {feature.name: math.ceil(feature.minimum) for feature in FEATURES},
        }
    )


@dataclass
class Bucket:
    """A bucket that remembers."""

    bodies: dict[str, bytes]

    def get_paginator(self, operation: str) -> Pages:
        assert operation == "list_objects_v2"
        return Pages(lambda **given: iter([{"Contents": [{"Key": key} for key in self.under(given["Prefix"])]}]))

    def under(self, prefix: str) -> list[str]:
        return sorted(key for key in self.bodies if key.startswith(prefix))

    def get_object(self, **given: str) -> dict[str, Any]:
        return {"Body": io.BytesIO(self.bodies[given["Key"]])}

    def put_object(self, **given: Any) -> None:
        self.bodies[given["Key"]] = given["Body"]

    def delete_object(self, **given: str) -> None:
        del self.bodies[given["Key"]]


KEY = "failed/processing-failed/date=2026-11-23/batch"


def put_aside(*messages: str | bytes) -> bytes:
    return b"".join(
        json.dumps(
            {
                "attemptsMade": 4,
                "arrivalTimestamp": 1_795_415_940_000,
                "errorCode": "Lambda.FunctionError",
                "errorMessage": "it returned an error result.",
                "rawData": base64.b64encode(message if isinstance(message, bytes) else message.encode()).decode(),
            }
        ).encode()
        + b"\n"
        for message in messages
    )


@dataclass
class Topic:
    """Takes messages as they are."""

    messages: list[str] = field(default_factory=list)

    def publish(self, messages: list[Message]) -> int:
        assert max(message.size for message in messages) <= MAX_MESSAGE_BYTES
        self.messages += [message.text for message in messages]
        return sum(len(message.lines) for message in messages)


def send_back(bucket: Bucket, publisher: FakePublisher | Topic, **options: Any) -> RepublishResult:
    return failed_batches.republish(bucket, "bucket", publisher, **options)  # type: ignore[arg-type] # fakes


class TestBatches:
    @pytest.mark.parametrize("zipped", [True, False])
    def test_samples_and_rows_go_back_under_their_ids(self, *, zipped: bool) -> None:
        body = put_aside(f"{sample('a')}\n{sample('b')}", f"#m-1\n{ROW}\n{ROW}", ROW)
        bucket, publisher = Bucket({KEY: gzip.compress(body) if zipped else body}), FakePublisher()
        done = send_back(bucket, publisher)
        assert (done.objects, done.records, done.lines) == (1, 3, 5)
        assert done.errors == ["Lambda.FunctionError: it returned an error result."]
        ids = [line["sample_id"] for line in publisher.lines]
        by_hand = derive_csv_sample_id(f"{KEY}#2", 0)
        assert ids == ["a", "b", derive_csv_sample_id("m-1", 0), derive_csv_sample_id("m-1", 1), by_hand]
        assert list(bucket.bodies) == [f"replayed/{KEY}"]
        assert send_back(bucket, FakePublisher()).objects == 0

    def test_invalid_line_is_published_unchanged(self) -> None:
        (record_,) = [
            record for _, _, result in failed_batches.read_objects(_a_bucket("{\n\n"), "b") for record in result
        ]
        assert [line.text for _, line in failed_batches.to_lines(record_)] == ["{", " "]

    @given(before=st.lists(st.sampled_from("abc")), after=st.lists(st.sampled_from("xyz")))
    def test_record_with_too_many_lines_gets_its_own_message(self, before: list[str], after: list[str]) -> None:
        # given a message that was refused as a whole, between messages of good samples
        flood = "\n" * (MAX_LINES + 1)
        bucket, sns = Bucket({KEY: put_aside(*map(sample, before), flood, *map(sample, after))}), Topic()
        # when
        done = send_back(bucket, sns)
        # then what the validator refuses again is the flood, and nothing with it
        read = [
            outcome
            for number, message in enumerate(sns.messages)
            for _, outcome in parse_lines(message.encode(), message_id=str(number), received_at=NOW)
        ]
        assert [one.reason for one in read if isinstance(one, InvalidInputError)] == ["too_many_lines"]
        assert sorted(one.sample_id for one in read if isinstance(one, Sample)) == sorted(before + after)
        assert (done.lines, done.stays) == (1 + len(before) + len(after), [])
        assert list(bucket.bodies) == [f"replayed/{KEY}"]

    def test_lines_too_large_for_sns_stay_and_others_are_published(self) -> None:
        # given bytes that are three times as many as text, beside a good sample, and another object
        noise = b"\xff" * 100_000
        body, last = put_aside(noise + b"\n" + sample("a").encode(), sample("b")), f"{KEY}-2"
        bucket, sns = Bucket({KEY: body, last: put_aside(sample("c"))}), Topic()
        # when
        done = send_back(bucket, sns)
        # then
        assert sorted(json.loads(line)["sample_id"] for text in sns.messages for line in text.split("\n")) == [*"abc"]
        assert (done.objects, done.lines) == (2, 3)
        (sentence,) = done.stays
        assert sentence.startswith(f"s3://bucket/{KEY} stays, with 1 of its 3 lines")
        assert bucket.bodies[f"replayed/{KEY}"] == body
        # and what stays is as Firehose would have written it, and is not sent again
        ((_, remaining, (record_,)),) = failed_batches.read_objects(bucket, "bucket")  # type: ignore[arg-type] # a fake
        assert (record_.data, record_.error) == (noise, "Lambda.FunctionError: it returned an error result.")
        again = send_back(bucket, sns)
        assert (again.objects, again.lines, len(again.stays)) == (0, 0, 1)
        assert (bucket.bodies[KEY], len(sns.messages)) == (remaining, 2)

    def test_dry_run_reports_what_would_stay(self) -> None:
        bucket = Bucket({KEY: put_aside(b"\xff" * 100_000, sample("a"))})
        before = dict(bucket.bodies)
        done = send_back(bucket, FakePublisher(), dry_run=True)
        assert (done.lines, len(done.stays), bucket.bodies) == (1, 1, before)

    def test_an_unconfirmed_batch_stays(self) -> None:
        bucket = Bucket({KEY: put_aside(sample("a"))})
        before = dict(bucket.bodies)
        with pytest.raises(PublishError, match="repeat the command"):
            send_back(bucket, FakePublisher(confirms=False))
        assert bucket.bodies == before

    def test_a_dry_run_changes_nothing(self) -> None:
        bucket, publisher = Bucket({KEY: put_aside(sample("a"))}), FakePublisher()
        before = dict(bucket.bodies)
        assert send_back(bucket, publisher, dry_run=True).lines == 1
        assert (bucket.bodies, publisher.lines) == (before, [])

    def test_damaged_object_raises_with_its_key(self) -> None:
        with pytest.raises(DamagedObjectError, match=KEY):
            send_back(Bucket({KEY: b"{}\n"}), FakePublisher())


def test_redrive_prints_what_stays_and_exits_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redrive_command, "find", lambda _: None)
    monkeypatch.setattr(redrive_command, "_redrive_events", lambda *_, **__: [])
    monkeypatch.setattr(
        redrive_command, "_republish_batches", lambda *_, **__: RepublishResult(stays=["one line stays"])
    )
    output = CliRunner().invoke(app, ["redrive"])
    assert output.exit_code == 1
    assert "one line stays" in output.stderr
    monkeypatch.setattr(redrive_command, "_republish_batches", lambda *_, **__: RepublishResult())
    assert CliRunner().invoke(app, ["redrive"]).exit_code == 0


def _a_bucket(message: str) -> Any:
    return Bucket({KEY: put_aside(message)})


class TestCommand:
    """What ``dwell redrive`` prints of events, on a terminal."""

    @pytest.fixture
    def events(self, monkeypatch: pytest.MonkeyPatch) -> list[failures_queue.RedriveResult]:
        result: list[failures_queue.RedriveResult] = []
        monkeypatch.setattr(redrive_command, "find", lambda _: None)
        monkeypatch.setattr(redrive_command, "_redrive_events", lambda *_, **__: result)
        monkeypatch.setattr(redrive_command, "_republish_batches", lambda *_, **__: RepublishResult())
        monkeypatch.setattr(
            redrive_command, "out", Console(width=80, force_terminal=True, color_system=None, soft_wrap=True)
        )
        return result

    def event(self, error: str, *, hour: int, outcome: str = "would_go_back") -> failures_queue.RedriveResult:
        at = datetime(2026, 11, 23, hour, tzinfo=UTC)
        return failures_queue.RedriveResult(
            failures_queue.FailedEvent("m", "r", at, "dwell-retraining", error=error), outcome
        )

    def test_redrive_prints_a_row_and_a_wrapped_error(self, events: list[failures_queue.RedriveResult]) -> None:
        long = "ValidationException: " + "the stream arn:aws:kinesis:us-east-1:123456789012:stream/dwell is gone " * 4
        events += [self.event(long, hour=7), self.event("[red]", hour=5), self.event(long, hour=6)]
        output = CliRunner().invoke(app, ["redrive", "--dry-run"])
        assert output.exit_code == 0
        lines = output.output.splitlines()
        assert max(len(line) for line in lines) <= 80
        first = lines.index("dwell-retraining       2  2026-11-23T06:00:00+00:00  would go back")
        assert lines[first + 1 : first + 3] == [
            "    error: ValidationException: the stream",
            "      arn:aws:kinesis:us-east-1:123456789012:stream/dwell is gone the stream",
        ]
        assert "\N{HORIZONTAL ELLIPSIS}" in output.output
        # the oldest of those that failed with it, not of all
        other = lines.index("dwell-retraining       1  2026-11-23T05:00:00+00:00  would go back")
        assert lines[other + 1] == "    error: [red]"

    def test_redrive_dry_run_prints_json(self, events: list[failures_queue.RedriveResult]) -> None:
        events.append(self.event("it", hour=7))
        output = CliRunner().invoke(app, ["redrive", "--dry-run", "--json"])
        assert (output.exit_code, json.loads(output.output)["events"][0]["outcome"]) == (0, "would_go_back")
        events.append(self.event("it", hour=7, outcome="kept"))
        assert CliRunner().invoke(app, ["redrive"]).exit_code == 1
