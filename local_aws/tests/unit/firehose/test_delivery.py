"""The decisions of the emulated Firehose: names of objects, configuration, buffers, a transform's answer."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_aws.firehose import object_keys, transformation
from local_aws.firehose.buffer import Backoff, Buffer
from local_aws.firehose.settings import Hints, InvalidSettingError, Transform, read_settings

WHEN = datetime(2018, 8, 7, 15, 4, 9, tzinfo=UTC)

# --- names of objects --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("yyyy/MM/dd/HH", "2018/08/07/15"),
        ("yy-M-d h:m:s a", "18-8-7 3:4:9 PM"),
        ("DDD", "219"),
        ("EEE, EEEE, MMM, MMMM", "Tue, Tuesday, Aug, August"),
        ("'year='yyyy'/month='MM", "year=2018/month=08"),
        ("''HH'o''clock'", "'15o'clock"),
    ],
)
def test_time_is_formatted_as_in_java(pattern: str, expected: str) -> None:
    assert object_keys.format_time(pattern, WHEN) == expected


def test_default_time_is_appended_only_if_absent() -> None:
    assert object_keys.data_prefix("", WHEN) == "2018/08/07/15/"
    assert object_keys.data_prefix("samples/", WHEN) == "samples/2018/08/07/15/"
    assert object_keys.data_prefix("samples/!{timestamp:yyyy}/", WHEN) == "samples/2018/"
    assert object_keys.data_prefix("date=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/", WHEN) == (
        "date=2018-08-07/hour=15/"
    )


def test_failure_prefix_defaults_to_prefix_and_type() -> None:
    failure_prefix = object_keys.failure_prefix
    assert failure_prefix(None, "samples/", WHEN, "processing-failed") == "samples/processing-failed/2018/08/07/15/"
    assert failure_prefix("failed/!{firehose:error-output-type}/", "", WHEN, "processing-failed") == (
        "failed/processing-failed/"
    )


def test_random_string_differs_each_time() -> None:
    evaluated = {object_keys.data_prefix("!{firehose:random-string}/!{timestamp:HH}", WHEN) for _ in range(20)}
    assert len(evaluated) == 20
    assert all(len(prefix) == len("/15") + 11 for prefix in evaluated)


@pytest.mark.parametrize(
    ("prefix", "error_prefix"),
    [
        ("!{timestamp:yyyy}/", None),
        ("!{firehose:error-output-type}/", "!{firehose:error-output-type}/"),
        ("", "failed/!{timestamp:yyyy}/"),
        ("!{timestamp:yyyy/", "!{firehose:error-output-type}/"),
        ("!{timestamp:'year='yyyy'/}", "!{firehose:error-output-type}/"),
        ("!{timestamp:QQ}/", "!{firehose:error-output-type}/"),
        ("!{partitionKeyFromQuery:customer}/", "!{firehose:error-output-type}/"),
        ("!{firehose:other}/", "!{firehose:error-output-type}/"),
    ],
)
def test_invalid_prefix_is_refused(prefix: str, error_prefix: str | None) -> None:
    with pytest.raises(object_keys.PrefixError):
        object_keys.check_prefixes(prefix, error_prefix)


# --- configuration -----------------------------------------------------------------------------------------------


def configuration(*processors: tuple[str, dict[str, str]], **changes: Any) -> dict[str, Any]:
    listed = [
        {
            "Type": kind,
            "Parameters": [{"ParameterName": name, "ParameterValue": value} for name, value in parameters.items()],
        }
        for kind, parameters in processors
    ]
    return {
        "BucketARN": "arn:aws:s3:::bucket",
        "RoleARN": "arn:aws:iam::000000000000:role/delivery",
        "ProcessingConfiguration": {"Enabled": True, "Processors": listed},
        **changes,
    }


def test_missing_settings_have_firehose_defaults() -> None:
    settings = read_settings(configuration(("Lambda", {"LambdaArn": "function"})))
    mib = 1024 * 1024
    assert settings.hints == Hints(5 * mib, 300)
    assert settings.transform == Transform("function", settings.role_arn, 3, Hints(mib, 60))
    assert (settings.gzip, settings.extension, settings.error_prefix) == (False, "", None)


def test_numbers_and_flags_may_be_strings() -> None:
    settings = read_settings(
        configuration(
            ("Lambda", {"LambdaArn": "function", "BufferSizeInMBs": "0.2", "BufferIntervalInSeconds": "0"}),
            BufferingHints={"SizeInMBs": "64", "IntervalInSeconds": "5"},
            CompressionFormat="GZIP",
        )
    )
    assert settings.hints == Hints(64 * 1024 * 1024, 5)
    assert settings.transform is not None
    assert settings.transform.hints == Hints(209_715, 0)
    assert settings.extension == ".gz"
    off = configuration(("Lambda", {}), ProcessingConfiguration={"Enabled": "false"})
    assert read_settings(off).transform is None


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (configuration(BucketARN="bucket"), "BucketARN"),
        (configuration(RoleARN=""), "RoleARN is required"),
        (configuration(CompressionFormat="ZIP"), "CompressionFormat ZIP"),
        (configuration(BufferingHints={"SizeInMBs": 129}), "SizeInMBs must be between 1 and 128"),
        (configuration(BufferingHints={"IntervalInSeconds": "soon"}), "must be a number, not 'soon'"),
        (configuration(CustomTimeZone="Mars/Olympus"), "Mars/Olympus"),
        (configuration(("Lambda", {})), "LambdaArn is required"),
        (configuration(("Lambda", {"LambdaArn": "f", "BufferSizeInMBs": "3.1"})), "BufferSizeInMBs"),
        (configuration(("Lambda", {"LambdaArn": "f"}), ("Lambda", {"LambdaArn": "g"})), "only one processor"),
        (configuration(("MetadataExtraction", {})), "MetadataExtraction is not emulated"),
        (configuration(DataFormatConversionConfiguration={"Enabled": True}), "DataFormatConversionConfiguration"),
    ],
)
def test_invalid_setting_is_refused_by_name(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSettingError, match=message):
        read_settings(changed)


# --- buffers -----------------------------------------------------------------------------------------------------


def test_buffer_is_due_by_age_or_size() -> None:
    hints = Hints(size=10, seconds=5)
    buffer: Buffer[str] = Buffer()
    assert not buffer.is_due(hints, now=1e9)
    buffer.add("old", 4, now=100)
    buffer.add("young", 5, now=104)
    assert not buffer.is_due(hints, now=104.9)
    assert buffer.is_due(hints, now=105)
    assert not buffer.is_due(Hints(size=10, seconds=900), now=105)
    buffer.add("last straw", 1, now=104)
    assert buffer.is_due(Hints(size=10, seconds=900), now=105)


@given(sizes=st.lists(st.integers(0, 20)), limit=st.integers(1, 30), count=st.integers(1, 5))
def test_take_keeps_all_items_in_order_within_limits(sizes: list[int], limit: int, count: int) -> None:
    buffer: Buffer[tuple[int, int]] = Buffer()
    for number, size in enumerate(sizes):
        buffer.add((number, size), size, now=0)
    taken = []
    while len(buffer):
        batch = buffer.take(limit, max_items=count)
        assert 1 <= len(batch) <= count
        assert len(batch) == 1 or sum(size for _, size in batch) <= limit
        taken += batch
    assert taken == list(enumerate(sizes))
    assert buffer.size == 0


def test_backoff_waits_until_success() -> None:
    backoff = Backoff()
    assert backoff.is_due()
    backoff.record_failure()
    assert not backoff.is_due()
    backoff.record_success()
    assert backoff.is_due()


# --- the transform's answer --------------------------------------------------------------------------------------

RECORDS = [transformation.Record("shard", str(number), "key", 1_000, b"in") for number in range(3)]


def returned(number: int, result: str = "Ok", data: str = "b3V0") -> dict[str, str]:
    return {"recordId": RECORDS[number].record_id, "result": result, "data": data}


def read(*entries: object) -> transformation.BatchResult:
    return transformation.read_response(json.dumps({"records": entries}).encode(), RECORDS)


def test_response_decides_about_each_record() -> None:
    answer = read(returned(2, "ProcessingFailed"), returned(0), {"recordId": RECORDS[1].record_id, "result": "Dropped"})
    assert answer.transformed == [(RECORDS[0], b"out")]
    assert [(failure.record, failure.code) for failure in answer.failed] == [
        (RECORDS[2], "Lambda.ProcessingFailedStatus")
    ]


def test_missing_or_repeated_id_fails_that_record_only() -> None:
    answer = read(returned(0), returned(2), returned(2), {"recordId": "unknown", "result": "Ok", "data": ""})
    assert answer.transformed == [(RECORDS[0], b"out")]
    assert [(failure.record, failure.code) for failure in answer.failed] == [
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
