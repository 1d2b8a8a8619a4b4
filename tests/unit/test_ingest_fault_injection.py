"""From a robot's message to its row, with faults at any request: samples become rows, invalid lines are quarantined.

The fakes behave like AWS: events are delivered twice and in any order, entries fail, functions crash before and after
their side effects, responses get lost. What fails in every attempt is parked and sent again by ``dwell redrive``.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import BotoCoreError, ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from dwell.operations import failed_batches
from dwell.operations.failed_batches import FailedRecord
from feature_schema import ROW_COLUMNS, derive_csv_sample_id
from forwarder.kinesis_records import to_entries
from forwarder.put_records import put_with_retries
from tests.factories.samples import make_csv_row, make_sample
from tests.unit.fake_aws import FakeS3, ProcessDied
from tests.unit.fault_injection import FAULT_KINDS, FaultInjector, RetriesExhaustedError, invoke_with_retries
from validator import quarantine
from validator.transform import transform

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_s3 import S3Client


BUCKET = "dwell-data"
ARRIVED = datetime(2026, 11, 23, 6, 39, 0, 789_000, tzinfo=UTC)
CSV_ROW = make_csv_row()
FIREHOSE_ATTEMPTS = 4


def make_line(sample_id: str) -> str:
    return json.dumps(make_sample(sample_id=sample_id), separators=(",", ":"))


@dataclass
class FakeStream:
    """A Kinesis stream that fails entries as configured, and complete requests by fault injection."""

    steps: FaultInjector
    entry_failures: list[bool]
    records: list[tuple[str, bytes]] = field(default_factory=list)

    def put_records(self, **request: Any) -> dict[str, Any]:
        def put() -> dict[str, Any]:
            results = []
            for entry in request["Records"]:
                fails = self.entry_failures.pop() if self.entry_failures else False
                results.append({"ErrorCode": "InternalFailure"} if fails else {"SequenceNumber": "1"})
                if not fails:
                    self.records.append((entry["PartitionKey"], entry["Data"]))
            return {"Records": results}

        return self.steps.take(put)


@dataclass
class FakeBackend:
    """The way from the topic to the bucket: forwarder, stream, Firehose and validator."""

    steps: FaultInjector
    entry_failures: list[bool]
    lost_responses: list[bool]
    """Whether Firehose loses the next responses of the validator."""
    rows: list[str] = field(default_factory=list)
    failed: list[FailedRecord] = field(default_factory=list)
    parked: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stream = FakeStream(self.steps, self.entry_failures)
        self.s3 = FakeS3(self.steps)

    def notify(self, message_id: str, text: str) -> None:
        event = {"Records": [{"Sns": {"MessageId": message_id, "Message": text}}]}
        self.invoke(event)

    def invoke(self, event: dict[str, Any]) -> None:
        try:
            invoke_with_retries(lambda: self._forward(event))
        except RetriesExhaustedError:
            self.parked.append(event)

    def _forward(self, event: dict[str, Any]) -> None:
        put_with_retries(
            cast("KinesisClient", self.stream),
            "stream",
            to_entries(event),
            seconds_left=lambda: 30,
            sleep=lambda _seconds: None,
            jitter=lambda _max_seconds: 0,
        ).raise_for_failed()

    def drain(self, batch_size: int) -> None:
        """Read the stream in batches, as Firehose does, and invoke the validator until it responds."""
        while self.stream.records:
            records, self.stream.records = self.stream.records[:batch_size], self.stream.records[batch_size:]
            event = {
                "records": [
                    {
                        "recordId": str(number),
                        "approximateArrivalTimestamp": int(ARRIVED.timestamp() * 1000),
                        "data": base64.b64encode(data).decode(),
                        "kinesisRecordMetadata": {"partitionKey": key},
                    }
                    for number, (key, data) in enumerate(records)
                ]
            }
            results = self._validate(event)
            if results is None:
                first = len(self.failed)
                self.failed += [
                    FailedRecord(f"failed-{first + number}", data, ARRIVED, "")
                    for number, (_, data) in enumerate(records)
                ]
                continue
            for result in results:
                assert result["result"] in {"Ok", "Dropped"}
                self.rows += base64.b64decode(result["data"]).decode().splitlines()

    def _validate(self, event: dict[str, Any]) -> list[dict[str, str]] | None:
        for _ in range(FIREHOSE_ATTEMPTS):
            results = self._invoke_validator(event)
            is_lost = self.lost_responses.pop() if self.lost_responses else False
            if results is not None and not is_lost:
                return results
        return None

    def _invoke_validator(self, event: dict[str, Any]) -> list[dict[str, str]] | None:
        batch = transform(event)

        def store() -> None:
            if batch.rejected:
                quarantine.put(cast("S3Client", self.s3), BUCKET, batch.rejected)

        return batch.results if _succeeds(store) else None

    def redrive(self) -> None:
        """End all faults and send again what failed in every attempt."""
        self.steps.troubles.clear()
        self.entry_failures.clear()
        self.lost_responses.clear()
        for event in self.parked:
            self.invoke(event)
        for record in self.failed:
            for number, (_, line) in enumerate(failed_batches.to_lines(record)):
                self.notify(f"redrive-{record.name}-{number}", line.text)

    def ids(self) -> Counter[str]:
        return Counter(row.split(",")[ROW_COLUMNS.index("sample_id")] for row in self.rows)

    def quarantined(self) -> Counter[str]:
        objects = [version.content for version in self.s3.versions if version.latest]
        return Counter(json.loads(line)["raw"] for body in objects for line in body.splitlines())


def _succeeds(action: Callable[[], None]) -> bool:
    """Run an action once; return whether it succeeded."""
    with suppress(ProcessDied, ClientError, BotoCoreError):
        action()
        return True
    return False


LINE_KINDS = st.sampled_from(["sample", "invalid", "row"])
MESSAGES = st.lists(st.lists(LINE_KINDS, min_size=1, max_size=4), min_size=1, max_size=6)
BACKENDS = st.builds(
    FakeBackend,
    st.builds(FaultInjector, troubles=st.dictionaries(st.integers(1, 30), st.sampled_from(FAULT_KINDS), max_size=20)),
    entry_failures=st.lists(st.booleans(), max_size=20),
    lost_responses=st.lists(st.booleans(), max_size=12),
)


@given(
    messages=MESSAGES, backend=BACKENDS, repeated=st.lists(st.integers(0, 5), max_size=8), batch_size=st.integers(1, 4)
)
@settings(max_examples=400)
def test_faults_lose_no_sample_and_no_invalid_line(
    messages: list[list[str]], backend: FakeBackend, repeated: list[int], batch_size: int
) -> None:
    # given messages of samples, CSV rows and invalid lines
    texts, sample_ids, row_ids, invalid_lines = [], set(), set(), set()
    for number, kinds in enumerate(messages):
        lines = []
        for position, kind in enumerate(kinds):
            sample_id = f"s-{number}-{position}"
            if kind == "sample":
                lines.append(make_line(sample_id))
                sample_ids.add(sample_id)
            elif kind == "row":
                lines.append(CSV_ROW)
                row_ids.add(derive_csv_sample_id(f"m-{number}", position))
            else:
                lines.append(f"no sample: {sample_id}")
                invalid_lines.add(lines[-1])
        texts.append("\n".join(lines))
    # when they are delivered, some repeatedly and late, with faults, and parked events are sent again
    for number in [*range(len(texts)), *(number for number in repeated if number < len(texts))]:
        backend.notify(f"m-{number}", texts[number])
        if number % 2:
            backend.drain(batch_size)
    backend.drain(batch_size)
    backend.redrive()
    backend.drain(batch_size)
    # then every sample has a row, and every invalid line is in the quarantine
    assert backend.ids().keys() == sample_ids | row_ids
    assert backend.quarantined().keys() == invalid_lines
