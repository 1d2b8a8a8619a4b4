"""Events and responses of transform functions.

https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html
"""

from __future__ import annotations

import base64
import json

import pytest

from local_aws.firehose import transformation

RECORDS = [transformation.Record("shard", str(number), "key", 1_000, b"in") for number in range(3)]


def returned(number: int, result: str = "Ok", data: str = "b3V0") -> dict[str, str]:
    return {"recordId": RECORDS[number].record_id, "result": result, "data": data}


def read(*entries: object) -> transformation.BatchResult:
    return transformation.read_response(json.dumps({"records": entries}).encode(), RECORDS)


def test_response_decides_about_each_record() -> None:
    result = read(returned(2, "ProcessingFailed"), returned(0), {"recordId": RECORDS[1].record_id, "result": "Dropped"})
    assert result.transformed == [(RECORDS[0], b"out")]
    assert [(failure.record, failure.code) for failure in result.failed] == [
        (RECORDS[2], "Lambda.ProcessingFailedStatus")
    ]


def test_missing_or_repeated_id_fails_that_record_only() -> None:
    result = read(returned(0), returned(2), returned(2), {"recordId": "unknown", "result": "Ok", "data": ""})
    assert result.transformed == [(RECORDS[0], b"out")]
    assert [(failure.record, failure.code) for failure in result.failed] == [
        (RECORDS[1], "Lambda.MissingRecordId"),
        (RECORDS[2], "Lambda.DuplicatedRecordId"),
    ]


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", "Lambda.JsonProcessingException"),
        (b"\xff", "Lambda.JsonProcessingException"),
        (b"null", "Lambda.JsonProcessingException"),
        (b"[]", "Lambda.JsonProcessingException"),
        (b'{"records": null}', "Lambda.JsonProcessingException"),
        (b'{"records": ["x"]}', "Lambda.JsonProcessingException"),
        (b'{"records": [{"recordId": "0000000"}]}', "Lambda.JsonProcessingException"),
        (b'{"records": [{"recordId": "0000000", "result": "Ok"}]}', "Lambda.JsonProcessingException"),
        (b'{"records": [{"recordId": "0000000", "result": "Ok", "data": 1}]}', "Lambda.JsonProcessingException"),
        (b'{"records": [{"recordId": [], "result": "Ok", "data": ""}]}', "Lambda.JsonProcessingException"),
        (b'{"records": [{"recordId": "0000000", "result": "ok", "data": ""}]}', "Lambda.FunctionError"),
        (b'{"records": [{"recordId": "0000000", "result": "Ok", "data": "*"}]}', "Lambda.FunctionError"),
        (b'{"records": [{"recordId": "0000000", "result": "Ok", "data": "b3V"}]}', "Lambda.FunctionError"),
    ],
)
def test_invalid_response_fails_the_batch(payload: bytes, code: str) -> None:
    with pytest.raises(transformation.BatchFailedError) as failure:
        transformation.read_response(payload, RECORDS)
    assert failure.value.code == code


def test_failure_line_contains_original_data() -> None:
    failure = transformation.Failure(RECORDS[0], "Lambda.Some", "why")
    line = transformation.failure_line(failure, attempts=2, ended=2_000, function_arn="function")
    assert line.endswith(b"}\n")
    assert json.loads(line) == {
        "attemptsMade": 2,
        "arrivalTimestamp": 1_000,
        "errorCode": "Lambda.Some",
        "errorMessage": "why",
        "attemptEndingTimestamp": 2_000,
        "rawData": base64.b64encode(b"in").decode(),
        "lambdaArn": "function",
    }


def test_largest_batch_fits_into_lambda_limit() -> None:
    data = b"x" * (3 * 1024 * 1024 // transformation.MAX_BATCH_RECORDS)
    record = transformation.Record("shardId-000000000000", "1" * 56, "k" * 36, 1_700_000_000_000, data)
    event = transformation.build_event(
        [record] * transformation.MAX_BATCH_RECORDS,
        invocation_id="i" * 36,
        delivery_stream_arn="arn:aws:firehose:us-east-1:000000000000:deliverystream/name",
        source_arn="arn:aws:kinesis:us-east-1:000000000000:stream/name",
    )
    assert event["region"] == "us-east-1"
    assert len(json.dumps(event, separators=(",", ":"))) <= 6 * 1024 * 1024
