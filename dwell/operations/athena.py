"""The stored samples as a table for Athena: its DDL out of the schema, and its creation.

Partitions are projected: Athena computes which folders a query needs from its conditions on day and hour, so nobody has
to add partitions. The files are gzipped CSV without a header, as the validator writes them.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from feature_schema import FEATURES, PROVENANCE_COLUMNS, ROW_COLUMNS, TARGET

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_athena import AthenaClient
    from mypy_boto3_athena.type_defs import StartQueryExecutionInputTypeDef

FOLDER = "samples/"
YEARS = 3
"""How far back partitions are looked for."""


def partition(name: str) -> str:
    """The column of a partition: as it is named in the keys of the objects, unless a feature has that name."""
    return f"stored_{name}" if name in {column.lower() for column in ROW_COLUMNS} else name


DAY, HOUR = partition("date"), partition("hour")
"""The partition columns, strings both: when a sample was stored, in UTC."""

_TYPES = {"integer": "bigint", "number": "double"}
_PROVENANCE = {
    "sample_id": ("string", "who sent it twice sent it with the same id"),
    "robot_id": ("string", "which robot, or who else it was that sent it"),
    "fc_id": ("string", "which fulfilment centre, or where else it was"),
    "recorded_at": ("string", "when it happened, ISO 8601 in UTC"),
    "predicted": ("double", f"what was predicted ({TARGET.unit})"),
    "expected_error": ("double", f"how far off the model expected to be ({TARGET.unit})"),
    "model": ("string", "which model predicted"),
    "schema_version": ("bigint", "the version of the schema that it was checked against"),
}
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,127}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class AthenaError(RuntimeError):
    """The table was not made; the message has Athena's reason."""


def columns() -> list[tuple[str, str, str]]:
    """Name, type and meaning of each column, in the order of a stored row."""
    fields = [(field.name, _TYPES[field.type], f"{field.meaning} ({field.unit})") for field in (TARGET, *FEATURES)]
    told = [*fields, *((name, *_PROVENANCE[name]) for name in PROVENANCE_COLUMNS)]
    if tuple(name for name, _, _ in told) != ROW_COLUMNS:
        raise AssertionError("the columns are not those of a stored row")
    return told


def ddl(bucket: str, *, database: str = "default", table: str = "samples") -> str:
    """The statement that creates the table. Raises ``ValueError`` for a name that Athena would not take."""
    for name in (database, table):
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name for Athena: small letters, digits and _")
    if not _BUCKET.fullmatch(bucket):
        raise ValueError(f"{bucket!r} is no name of a bucket")
    lines = ",\n".join(f"  `{name}` {kind} COMMENT {_quoted(meaning)}" for name, kind, meaning in columns())
    properties = {
        "classification": "csv",
        "projection.enabled": "true",
        f"projection.{DAY}.type": "date",
        f"projection.{DAY}.format": "yyyy-MM-dd",
        f"projection.{DAY}.range": f"NOW-{YEARS}YEARS,NOW+1DAYS",  # Firehose's clock need not be Athena's
        f"projection.{DAY}.interval": "1",
        f"projection.{DAY}.interval.unit": "DAYS",
        f"projection.{HOUR}.type": "integer",
        f"projection.{HOUR}.range": "0,23",
        f"projection.{HOUR}.digits": "2",
        "serialization.null.format": "",  # a sample without a prediction has empty cells
        "storage.location.template": f"s3://{bucket}/{FOLDER}date=${{{DAY}}}/hour=${{{HOUR}}}/",
    }
    told = ",\n".join(f"  {_quoted(name)} = {_quoted(value)}" for name, value in properties.items())
    return (
        f"CREATE EXTERNAL TABLE IF NOT EXISTS `{database}`.`{table}` (\n{lines}\n)\n"
        f"PARTITIONED BY (`{DAY}` string, `{HOUR}` string)\n"
        "ROW FORMAT DELIMITED FIELDS TERMINATED BY ','\n"
        "STORED AS TEXTFILE\n"
        f"LOCATION {_quoted(f's3://{bucket}/{FOLDER}')}\n"
        f"TBLPROPERTIES (\n{told}\n)"
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
    """Execute a statement and wait for its end; the id of its execution. ``results`` is an S3 URI.

    Raises ``AthenaError`` if it fails, or does not end within ``seconds``.
    """
    asked: StartQueryExecutionInputTypeDef = {
        "QueryString": statement,
        "QueryExecutionContext": {"Database": database},
        "WorkGroup": workgroup,
    }
    if results is not None:
        asked["ResultConfiguration"] = {"OutputLocation": results}
    execution = athena.start_query_execution(**asked)["QueryExecutionId"]
    end = clock() + seconds
    while True:
        status = athena.get_query_execution(QueryExecutionId=execution)["QueryExecution"]["Status"]
        if status["State"] == "SUCCEEDED":
            return execution
        if status["State"] in {"FAILED", "CANCELLED"}:
            raise AthenaError(f"Athena: {status['State']}: {status.get('StateChangeReason', 'no reason given')}")
        if clock() >= end:
            raise AthenaError(f"Athena has not ended the execution {execution} within {seconds:.0f} s")
        sleep(0.5)


def _quoted(text: str) -> str:
    """A string literal of Hive's DDL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
