"""What Firehose and its transform function say to each other, and what becomes of a record that failed.

The shapes are those of "Data transformation" in the Firehose developer guide.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

MAXIMUM_RECORDS = 4_000
"""In one batch: with 3 MB of data their envelopes stay within the 6 MB that Lambda takes."""


class BatchFailedError(Exception):
    """The function's answer, or the lack of one, fails the whole batch."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it came from the Kinesis stream."""

    shard_id: str
    sequence_number: str
    partition_key: str
    arrived: int
    """Milliseconds since 1970."""
    data: bytes

    @property
    def record_id(self) -> str:
        """What the function knows it by; the same in every attempt."""
        return f"{self.sequence_number}000000"


@dataclass(frozen=True, slots=True)
class Failure:
    """A record that the function did not turn into data."""

    record: Record
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a function made of a batch; a record that is in neither list was dropped on purpose."""

    transformed: list[tuple[Record, bytes]]
    failed: list[Failure]


def function_error() -> BatchFailedError:
    """The function raised, timed out, or returned a record with an impossible result or data that is not base64."""
    return BatchFailedError(
        "Lambda.FunctionError", "The Lambda function was successfully invoked but it returned an error result."
    )


def event(
    records: Sequence[Record], *, invocation_id: str, delivery_stream_arn: str, source_arn: str
) -> dict[str, Any]:
    """The event for one batch."""
    return {
        "invocationId": invocation_id,
        "deliveryStreamArn": delivery_stream_arn,
        "sourceKinesisStreamArn": source_arn,
        "region": delivery_stream_arn.split(":")[3],
        "records": [
            {
                "recordId": record.record_id,
                "approximateArrivalTimestamp": record.arrived,
                "data": base64.b64encode(record.data).decode("ascii"),
                "kinesisRecordMetadata": {
                    "sequenceNumber": record.sequence_number,
                    "subsequenceNumber": 0,
                    "partitionKey": record.partition_key,
                    "shardId": record.shard_id,
                    "approximateArrivalTimestamp": record.arrived,
                },
            }
            for record in records
        ],
    }


def read_answer(payload: bytes, records: Sequence[Record]) -> Answer:
    """What the function's answer says about ``records``, in their order.

    A record whose id is missing or comes twice fails by itself; an answer of the wrong shape fails the batch. Raises
    ``BatchFailedError``.
    """
    try:
        returned = json.loads(payload)["records"]
        by_id: dict[str, list[tuple[str, bytes]]] = {}
        for entry in returned:
            by_id.setdefault(entry["recordId"], []).append(_result(entry))
    except (ValueError, KeyError, TypeError) as error:
        raise BatchFailedError(
            "Lambda.JsonProcessingException",
            "There was an error parsing returned records from the Lambda function. "
            "Ensure that the returned records follow the status model required by Firehose.",
        ) from error
    answer = Answer([], [])
    for record in records:
        results = by_id.get(record.record_id, [])
        result, data = results[0] if len(results) == 1 else ("", b"")
        if result == "Ok":
            answer.transformed.append((record, data))
        elif result != "Dropped":
            answer.failed.append(Failure(record, *_reason(len(results))))
    return answer


def failure_line(failure: Failure, *, attempts: int, ended: int, function_arn: str) -> bytes:
    """The line of JSON that goes to the error prefix; times in milliseconds since 1970."""
    document = {
        "attemptsMade": attempts,
        "arrivalTimestamp": failure.record.arrived,
        "errorCode": failure.code,
        "errorMessage": failure.message,
        "attemptEndingTimestamp": ended,
        "rawData": base64.b64encode(failure.record.data).decode("ascii"),
        "lambdaArn": function_arn,
    }
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def _result(entry: dict[str, Any]) -> tuple[str, bytes]:
    result = entry["result"]
    if result not in ("Ok", "Dropped", "ProcessingFailed"):
        raise function_error()
    if result != "Ok":
        return result, b""
    try:
        return result, base64.b64decode(entry["data"], validate=True)
    except binascii.Error as error:
        raise function_error() from error


def _reason(times_returned: int) -> tuple[str, str]:
    """Code and message for a record that was returned so many times and is neither ``Ok`` nor ``Dropped``."""
    if times_returned == 0:
        code, message = "MissingRecordId", "One or more record Ids were not returned. Ensure that the Lambda function "
        return f"Lambda.{code}", message + "returns all received record Ids."
    if times_returned > 1:
        code, message = "DuplicatedRecordId", "Multiple records were returned with the same record Id. Ensure that the "
        return f"Lambda.{code}", message + "Lambda function returns a unique record Id for each record."
    return "Lambda.ProcessingFailedStatus", "ProcessingFailed status set for record"
