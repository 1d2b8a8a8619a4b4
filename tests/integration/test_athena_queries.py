"""``dwell table --create`` on the local Athena, and queries over what lies under ``samples/``."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

import pytest

from dwell.operations import athena
from feature_schema import TARGET
from tests.factories.datasets import make_dataset

if TYPE_CHECKING:
    from dwell.local.emulator_process import Laptop


def test_athena_query_reads_the_stored_rows(laptop: Laptop) -> None:
    # given a bucket as Firehose fills it
    bucket, name = f"table-{uuid.uuid4().hex[:12]}", f"samples_{uuid.uuid4().hex[:8]}"
    s3 = laptop.client("s3")
    s3.create_bucket(Bucket=bucket)
    database = f"warehouse_{uuid.uuid4().hex[:8]}"
    laptop.client("glue").create_database(DatabaseInput={"Name": database})
    rows = make_dataset(300)
    for hour, lines in (("06", rows.lines[:100]), ("07", rows.lines[100:])):
        content = gzip.compress("".join(f"{line}\n" for line in lines).encode())
        s3.put_object(Bucket=bucket, Key=f"samples/date=2026-11-23/hour={hour}/delivery-1.gz", Body=content)
    # when
    results = f"s3://{bucket}/athena/"
    options = {"--bucket": bucket, "--database": database, "--name": name, "--results": results}
    done = subprocess.run(
        [sys.executable, "-m", "dwell", "table", "--create", *(part for option in options.items() for part in option)],
        env=os.environ | laptop.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # then
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"CREATE EXTERNAL TABLE IF NOT EXISTS `{database}`.`{name}`")
    client = laptop.client("athena")

    def ask(query: str) -> list[list[str | None]]:
        execution = athena.run(client, query, database=database, results=results)
        answer = client.get_query_results(QueryExecutionId=execution)["ResultSet"]["Rows"]
        return [[cell.get("VarCharValue") for cell in line["Data"]] for line in answer[1:]]

    (counted,) = ask(f"SELECT count(*), sum({TARGET.name}), count(predicted) FROM {name}")  # noqa: S608 - our own names
    assert [float(cell or 0) for cell in counted] == pytest.approx([300, rows.target.sum(), 0])
    assert ask(f"SELECT hour, count(*) FROM {name} WHERE date = '2026-11-23' GROUP BY hour ORDER BY hour") == [  # noqa: S608
        ["06", "100"],
        ["07", "200"],
    ]


def test_table_name_that_athena_rejects_is_refused(laptop: Laptop) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dwell", "table", "--bucket", "a-bucket", "--name", "no name"],
        env=os.environ | laptop.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "'no name' is not a name for Athena" in done.stderr
    assert done.stdout == ""
