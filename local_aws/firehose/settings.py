"""Parses and checks a delivery stream's configuration, with Firehose's defaults and limits.

https://docs.aws.amazon.com/firehose/latest/APIReference/API_ExtendedS3DestinationConfiguration.html
"""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_aws.firehose.object_keys import PrefixError, check_prefixes

if TYPE_CHECKING:
    from collections.abc import Mapping

MIB = 1024 * 1024
UNSUPPORTED = ("DataFormatConversionConfiguration", "DynamicPartitioningConfiguration")
"""Not emulated: enabling it is refused."""


class InvalidSettingError(ValueError):
    """Firehose would refuse a value, or it is not emulated; the message names the value."""


@dataclass(frozen=True, slots=True)
class Hints:
    """A buffer is emptied at ``size`` bytes, or when its oldest record is ``seconds`` old."""

    size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Transform:
    """The function that transforms each batch; a failed batch is retried ``retries`` times."""

    function_arn: str
    role_arn: str
    retries: int
    hints: Hints


@dataclass(frozen=True, slots=True)
class Settings:
    """An S3 destination and its transform."""

    bucket: str
    role_arn: str
    prefix: str
    error_prefix: str | None
    hints: Hints
    gzip: bool
    extension: str
    delimiter: bytes
    zone: zoneinfo.ZoneInfo
    kms_key_arn: str | None
    transform: Transform | None


def read_settings(config: Mapping[str, Any]) -> Settings:
    """The settings of an ``ExtendedS3DestinationConfiguration``. Raises ``InvalidSettingError``."""
    for name in UNSUPPORTED:
        if name in config and _flag(config[name].get("Enabled", True)):
            raise InvalidSettingError(f"{name} is not supported for a Kinesis source: it is not emulated")
    bucket_arn = str(config.get("BucketARN", ""))
    if not bucket_arn.startswith("arn:aws:s3:::"):
        raise InvalidSettingError("BucketARN must be an S3 bucket ARN")
    role_arn = _required(config, "RoleARN")
    compression = config.get("CompressionFormat", "UNCOMPRESSED")
    if compression not in ("UNCOMPRESSED", "GZIP"):
        raise InvalidSettingError(f"CompressionFormat {compression} is not emulated")
    prefix, error_prefix = str(config.get("Prefix") or ""), config.get("ErrorOutputPrefix") or None
    try:
        check_prefixes(prefix, error_prefix)
        zone = zoneinfo.ZoneInfo(config.get("CustomTimeZone") or "UTC")
    except (PrefixError, zoneinfo.ZoneInfoNotFoundError) as error:
        raise InvalidSettingError(str(error)) from error
    hints = config.get("BufferingHints") or {}
    gzip = compression == "GZIP"
    processors = _processors(config)
    return Settings(
        bucket=bucket_arn.removeprefix("arn:aws:s3:::"),
        role_arn=role_arn,
        prefix=prefix,
        error_prefix=error_prefix,
        hints=Hints(
            size=int(_number(hints, "SizeInMBs", default=5, low=1, high=128) * MIB),
            seconds=_number(hints, "IntervalInSeconds", default=300, low=0, high=900),
        ),
        gzip=gzip,
        extension=config.get("FileExtension") or (".gz" if gzip else ""),
        delimiter=b"\n" if "AppendDelimiterToRecord" in processors else b"",
        zone=zone,
        kms_key_arn=(config.get("EncryptionConfiguration") or {}).get("KMSEncryptionConfig", {}).get("AWSKMSKeyARN"),
        transform=_transform(processors["Lambda"], role_arn) if "Lambda" in processors else None,
    )


def _processors(config: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The parameters of each enabled processor, by type."""
    processing = config.get("ProcessingConfiguration") or {}
    if not _flag(processing.get("Enabled", False)):
        return {}
    processors: dict[str, dict[str, str]] = {}
    for processor in processing.get("Processors") or []:
        kind = processor.get("Type")
        if kind not in ("Lambda", "AppendDelimiterToRecord"):
            raise InvalidSettingError(f"a processor of type {kind} is not emulated")
        if kind in processors:
            raise InvalidSettingError(f"only one processor of type {kind} is allowed")
        processors[kind] = {
            parameter["ParameterName"]: str(parameter["ParameterValue"])
            for parameter in processor.get("Parameters") or []
        }
    return processors


def _transform(parameters: Mapping[str, str], role_arn: str) -> Transform:
    return Transform(
        function_arn=_required(parameters, "LambdaArn"),
        role_arn=parameters.get("RoleArn", role_arn),
        retries=int(_number(parameters, "NumberOfRetries", default=3, low=0, high=300)),
        hints=Hints(
            size=int(_number(parameters, "BufferSizeInMBs", default=1, low=0.2, high=3) * MIB),
            seconds=_number(parameters, "BufferIntervalInSeconds", default=60, low=0, high=900),
        ),
    )


def _required(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if not value:
        raise InvalidSettingError(f"{name} is required")
    return str(value)


def _number(values: Mapping[str, Any], name: str, *, default: float, low: float, high: float) -> float:
    """A number, or a string of one, as in templates. Raises ``InvalidSettingError``."""
    try:
        number = float(values.get(name, default))
    except (TypeError, ValueError) as error:
        raise InvalidSettingError(f"{name} must be a number, not {values[name]!r}") from error
    if not low <= number <= high:
        raise InvalidSettingError(f"{name} must be between {low:g} and {high:g}, not {number:g}")
    return number


def _flag(value: object) -> bool:
    """A boolean, or a string of one, as in templates."""
    return str(value).lower() == "true"
