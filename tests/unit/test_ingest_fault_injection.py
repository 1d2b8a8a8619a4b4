"""From a robot's message to its row, with trouble at any request: samples end in rows, bad lines in quarantine.

The forwarder, the stream, Firehose and the validator are played as AWS plays them: events come twice and in any order,
entries are refused, functions die before and after their effects, answers get lost, and what fails in every attempt is
parked or put aside and comes back by ``dwell redrive``.
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

from dwell.operations.failed_batches import FailedRecord, lines
from feature_schema import ROW_COLUMNS, derive_csv_sample_id
from forwarder.kinesis_records import to_entries
from forwarder.put_records import put_with_retries as forward
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
CELLS = make_csv_row()
FIREHOSE_ATTEMPTS = 4


def sample(identity: str) -> str:
    return json.dumps(make_sample(sample_id=identity), separators=(",", ":"))


@dataclass
class Stream:
    """Refuses single entries while ``refusals`` lasts, and runs into the trouble of its steps."""

    steps: FaultInjector
    refusals: list[bool]
    kept: list[tuple[str, bytes]] = field(default_factory=list)

    def put_records(self, **given: Any) -> dict[str, Any]:
        def put() -> dict[str, Any]:
            results = []
            for entry in given["Records"]:
                refused = self.refusals.pop() if self.refusals else False
                results.append({"ErrorCode": "InternalFailure"} if refused else {"SequenceNumber": "1"})
                if not refused:
                    self.kept.append((entry["PartitionKey"], entry["Data"]))
            return {"Records": results}

        return self.steps.take(put)


@dataclass
class Backend:
    """What lies between the topic and the bucket, and what it left where."""

    steps: FaultInjector
    refusals: list[bool]
    lost_answers: list[bool]
    """Whether Firehose loses the next answers of the validator."""
    rows: list[str] = field(default_factory=list)
    failed: list[FailedRecord] = field(default_factory=list)
    parked: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stream = Stream(self.steps, self.refusals)
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
        forward(
            cast("KinesisClient", self.stream),
            "stream",
            to_entries(event),
            seconds_left=lambda: 30,
            sleep=lambda _seconds: None,
            jitter=lambda _longest: 0,
        ).raise_for_failed()

    def drain(self, batch: int) -> None:
        """Firehose reads the stream, a few records at a time, and asks the validator until it has an answer."""
        while self.stream.kept:
            records, self.stream.kept = self.stream.kept[:batch], self.stream.kept[batch:]
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
            answers = self._asked(event)
            if answers is None:
                first = len(self.failed)
                self.failed += [
                    FailedRecord(f"failed-{first + number}", data, ARRIVED, "")
                    for number, (_, data) in enumerate(records)
                ]
                continue
            for answer in answers:
                assert answer["result"] in {"Ok", "Dropped"}
                self.rows += base64.b64decode(answer["data"]).decode().splitlines()

    def _asked(self, event: dict[str, Any]) -> list[dict[str, str]] | None:
        for _ in range(FIREHOSE_ATTEMPTS):
            answers = self._validated(event)
            lost = self.lost_answers.pop() if self.lost_answers else False
            if answers is not None and not lost:
                return answers
        return None

    def _validated(self, event: dict[str, Any]) -> list[dict[str, str]] | None:
        batch = transform(event)

        def store() -> None:
            if batch.rejected:
                quarantine.put(cast("S3Client", self.s3), BUCKET, batch.rejected)

        return batch.results if _works(store) else None

    def redrive(self) -> None:
        """What failed in every attempt goes back, when the trouble is over."""
        self.steps.troubles.clear()
        self.refusals.clear()
        self.lost_answers.clear()
        for event in self.parked:
            self.invoke(event)
        for record in self.failed:
            for number, (_, line) in enumerate(lines(record)):
                self.notify(f"again-{record.name}-{number}", line.text)

    def ids(self) -> Counter[str]:
        return Counter(row.split(",")[ROW_COLUMNS.index("sample_id")] for row in self.rows)

    def quarantined(self) -> Counter[str]:
        objects = [one.content for one in self.s3.versions if one.latest]
        return Counter(json.loads(line)["raw"] for body in objects for line in body.splitlines())


def _works(do: Callable[[], None]) -> bool:
    """One attempt, as Firehose makes it."""
    with suppress(ProcessDied, ClientError, BotoCoreError):
        do()
        return True
    return False


KINDS_OF_LINES = st.sampled_from(["sample", "broken", "row"])
MESSAGES = st.lists(st.lists(KINDS_OF_LINES, min_size=1, max_size=4), min_size=1, max_size=6)
BACKENDS = st.builds(
    Backend,
    st.builds(FaultInjector, troubles=st.dictionaries(st.integers(1, 30), st.sampled_from(FAULT_KINDS), max_size=20)),
    refusals=st.lists(st.booleans(), max_size=20),
    lost_answers=st.lists(st.booleans(), max_size=12),
)


@given(messages=MESSAGES, backend=BACKENDS, again=st.lists(st.integers(0, 5), max_size=8), batch=st.integers(1, 4))
@settings(max_examples=400)
def test_every_sample_becomes_a_row_and_every_bad_line_waits(
    messages: list[list[str]], backend: Backend, again: list[int], batch: int
) -> None:
    # given messages of samples, rows and bad lines
    texts, samples, rows, refused = [], set(), set(), set()
    for number, kinds in enumerate(messages):
        made = []
        for position, kind in enumerate(kinds):
            identity = f"s-{number}-{position}"
            if kind == "sample":
                made.append(sample(identity))
                samples.add(identity)
            elif kind == "row":
                made.append(CELLS)
                rows.add(derive_csv_sample_id(f"m-{number}", position))
            else:
                made.append(f"no sample: {identity}")
                refused.add(made[-1])
        texts.append("\n".join(made))
    # when they are delivered, some again and late, in trouble, and what failed for good is sent back
    for number in [*range(len(texts)), *(one for one in again if one < len(texts))]:
        backend.notify(f"m-{number}", texts[number])
        if number % 2:
            backend.drain(batch)
    backend.drain(batch)
    backend.redrive()
    backend.drain(batch)
    # then every sample has its row, and every bad line lies in quarantine
    assert backend.ids().keys() == samples | rows
    assert backend.quarantined().keys() == refused
