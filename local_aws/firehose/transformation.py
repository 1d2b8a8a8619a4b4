"""The transform function's event and response, and the failure record of a record that was not transformed.

https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html
https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-failure-handling.html
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_BATCH_RECORDS = 4_000
"""So many records with 3 MB of data give an event within Lambda's limit of 6 MB.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""


class BatchFailedError(Exception):
    """The whole batch failed: the function did not respond, or its response is invalid."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Record:
    """A record of the Kinesis stream."""

    shard_id: str
    sequence_number: str
    partition_key: str
    arrived: int
    """Epoch milliseconds."""
    data: bytes

    @property
    def record_id(self) -> str:
        """Its id in the event, the same in every attempt."""
        return f"{self.sequence_number}000000"


@dataclass(frozen=True, slots=True)
class Failure:
    """A record that was not transformed, and why."""

    record: Record
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The function's result for a batch; records in neither list were dropped by the function."""

    transformed: list[tuple[Record, bytes]]
    failed: list[Failure]


def function_error() -> BatchFailedError:
    """The error if the function raised, timed out, or returned an unknown result or data that is not base64."""
    return BatchFailedError(
        "Lambda.FunctionError", "The Lambda function was successfully invoked but it returned an error result."
    )


def build_event(
    records: Sequence[Record], *, invocation_id: str, delivery_stream_arn: str, source_arn: str
) -> dict[str, Any]:
    """The function's event for one batch."""
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


def read_response(payload: bytes, records: Sequence[Record]) -> BatchResult:
    """Parse the function's response to ``records``; the result is in their order.

    A record whose id is missing or occurs twice fails alone; a response of the wrong shape fails the whole batch.
    Raises ``BatchFailedError``.
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
    batch_result = BatchResult([], [])
    for record in records:
        results = by_id.get(record.record_id, [])
        result, data = results[0] if len(results) == 1 else ("", b"")
        if result == "Ok":
            batch_result.transformed.append((record, data))
        elif result != "Dropped":
            batch_result.failed.append(Failure(record, *_reason(len(results))))
    return batch_result


def failure_line(failure: Failure, *, attempts: int, ended: int, function_arn: str) -> bytes:
    """The JSON line that is written to the error prefix; ``ended`` is in epoch milliseconds."""
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
    """Code and message for a record that was not transformed and was returned ``times_returned`` times."""
    if times_returned == 0:
        code, message = "MissingRecordId", "One or more record Ids were not returned. Ensure that the Lambda function "
        return f"Lambda.{code}", message + "returns all received record Ids."
    if times_returned > 1:
        code, message = "DuplicatedRecordId", "Multiple records were returned with the same record Id. Ensure that the "
        return f"Lambda.{code}", message + "Lambda function returns a unique record Id for each record."
    return "Lambda.ProcessingFailedStatus", "ProcessingFailed status set for record"
