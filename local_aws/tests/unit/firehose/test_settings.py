"""Settings of delivery streams."""

from __future__ import annotations

from typing import Any

import pytest

from local_aws.firehose.settings import Hints, InvalidSettingError, Transform, read_settings


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
