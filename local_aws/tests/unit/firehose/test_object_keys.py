"""Keys of objects that Firehose writes.

https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from local_aws.firehose import object_keys

WHEN = datetime(2018, 8, 7, 15, 4, 9, tzinfo=UTC)


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
