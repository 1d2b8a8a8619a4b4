"""The stored samples as a table for Athena: its DDL, built from the schema, and its creation.

Partition projection computes the folders of a query from its conditions on day and hour, so no partition has to be
added: https://docs.aws.amazon.com/athena/latest/ug/partition-projection.html. The files are gzipped CSV without a
header, as the validator writes them.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from dwell.console.errors import InvalidUsageError, ReportedError
from feature_schema import FEATURES, PROVENANCE_COLUMNS, ROW_COLUMNS, TARGET
from rounds import s3_prefixes

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_athena import AthenaClient
    from mypy_boto3_athena.type_defs import StartQueryExecutionInputTypeDef

MAX_AGE_YEARS = 3
"""The oldest partitions that Athena considers."""


def partition_column(name: str) -> str:
    """The name of a partition's column: that in the objects' keys, unless a column of the rows has the same name."""
    return f"stored_{name}" if name in {column.lower() for column in ROW_COLUMNS} else name


DAY, HOUR = partition_column("date"), partition_column("hour")
"""The partition columns: day and hour (UTC) in which a sample arrived. Both are strings."""

_TYPES = {"integer": "bigint", "number": "double"}
_PROVENANCE = {
    "sample_id": ("string", "identifies the sample; repeats have the same id"),
    "robot_id": ("string", "the robot, or another sender"),
    "fc_id": ("string", "the fulfilment centre, or another place"),
    "recorded_at": ("string", "the time of the interaction, ISO 8601 in UTC"),
    "predicted": ("double", f"the prediction ({TARGET.unit})"),
    "expected_error": ("double", f"the error that the model expected ({TARGET.unit})"),
    "model": ("string", "the model that predicted"),
    "schema_version": ("bigint", "the schema version that it was validated against"),
    "received_at": ("string", "the arrival in the stream, ISO 8601 in UTC; null in rows of version 0.1.0"),
    "asked_at": ("string", "the time at which the prediction was requested, ISO 8601 in UTC"),
}
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,127}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class AthenaError(ReportedError):
    """The table was not created; the message contains Athena's reason."""


class InvalidNameError(InvalidUsageError, ValueError):
    """Athena, or S3, does not allow such a name."""


def list_columns() -> list[tuple[str, str, str]]:
    """Name, type and meaning of each column, in the order of a stored row."""
    fields = [(field.name, _TYPES[field.type], f"{field.meaning} ({field.unit})") for field in (TARGET, *FEATURES)]
    columns = [*fields, *((name, *_PROVENANCE[name]) for name in PROVENANCE_COLUMNS)]
    if tuple(name for name, _, _ in columns) != ROW_COLUMNS:
        raise AssertionError("the columns are not those of a stored row")
    return columns


def build_ddl(bucket: str, *, database: str = "default", table: str = "samples") -> str:
    """The statement that creates the table. Raises ``InvalidNameError``."""
    for name in (database, table):
        if not _NAME.fullmatch(name):
            raise InvalidNameError(f"{name!r} is not a name for Athena: use small letters, digits and _")
    if not _BUCKET.fullmatch(bucket):
        raise InvalidNameError(f"{bucket!r} is not the name of a bucket")
    lines = ",\n".join(f"  `{name}` {kind} COMMENT {_quoted(meaning)}" for name, kind, meaning in list_columns())
    properties = {
        "classification": "csv",
        "projection.enabled": "true",
        f"projection.{DAY}.type": "date",
        f"projection.{DAY}.format": "yyyy-MM-dd",
        f"projection.{DAY}.range": f"NOW-{MAX_AGE_YEARS}YEARS,NOW+1DAYS",  # clocks may differ
        f"projection.{DAY}.interval": "1",
        f"projection.{DAY}.interval.unit": "DAYS",
        f"projection.{HOUR}.type": "integer",
        f"projection.{HOUR}.range": "0,23",
        f"projection.{HOUR}.digits": "2",
        # A sample without a prediction has empty cells. Last cells that a row of version 0.1.0 lacks are null, too:
        # https://docs.aws.amazon.com/athena/latest/ug/handling-schema-updates-chapter.html
        "serialization.null.format": "",
        "storage.location.template": f"s3://{bucket}/{s3_prefixes.SAMPLES}date=${{{DAY}}}/hour=${{{HOUR}}}/",
    }
    property_lines = ",\n".join(f"  {_quoted(name)} = {_quoted(value)}" for name, value in properties.items())
    return (
        f"CREATE EXTERNAL TABLE IF NOT EXISTS `{database}`.`{table}` (\n{lines}\n)\n"
        f"PARTITIONED BY (`{DAY}` string, `{HOUR}` string)\n"
        "ROW FORMAT DELIMITED FIELDS TERMINATED BY ','\n"
        "STORED AS TEXTFILE\n"
        f"LOCATION {_quoted(f's3://{bucket}/{s3_prefixes.SAMPLES}')}\n"
        f"TBLPROPERTIES (\n{property_lines}\n)"
    )


def run(
    athena: AthenaClient,
    statement: str,
    *,
    database: str,
    workgroup: str = "primary",
    results: str | None = None,
    seconds: float = 60,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> str:
    """Execute a statement and wait until it has ended; returns the execution's id. ``results`` is an S3 URI.

    Raises ``AthenaError`` if it fails or does not end within ``seconds``.
    """
    request: StartQueryExecutionInputTypeDef = {
        "QueryString": statement,
        "QueryExecutionContext": {"Database": database},
        "WorkGroup": workgroup,
    }
    if results is not None:
        request["ResultConfiguration"] = {"OutputLocation": results}
    execution = athena.start_query_execution(**request)["QueryExecutionId"]
    deadline = clock() + seconds
    while True:
        status = athena.get_query_execution(QueryExecutionId=execution)["QueryExecution"]["Status"]
        if status["State"] == "SUCCEEDED":
            return execution
        if status["State"] in {"FAILED", "CANCELLED"}:
            raise AthenaError(f"Athena: {status['State']}: {status.get('StateChangeReason', 'no reason given')}")
        if clock() >= deadline:
            raise AthenaError(f"Athena has not ended the execution {execution} within {seconds:.0f} s")
        sleep(0.5)


def _quoted(text: str) -> str:
    """A string literal of Hive's DDL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
