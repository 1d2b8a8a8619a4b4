"""The DDL of ``dwell table``, read by a parser that nobody here wrote, against rows as the validator writes them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import sqlglot
from sqlglot import expressions

from dwell.operations import athena
from feature_schema import (
    FEATURES,
    PROVENANCE_COLUMNS,
    ROW_COLUMNS,
    TARGET,
    build_prediction,
    get_actual_value,
    parse_line,
    to_row,
)
from tests.factories.samples import EXPECTED_ERROR, field_value, make_sample

if TYPE_CHECKING:
    from mypy_boto3_athena import AthenaClient

NOW = datetime(2026, 11, 23, 6, 39, tzinfo=UTC)
READ = {"BIGINT": int, "DOUBLE": float, "TEXT": str, "VARCHAR": str}


@pytest.fixture(scope="module")
def create() -> expressions.Create:
    """The statement as Athena's dialect reads it."""
    (statement,) = sqlglot.parse(athena.build_ddl("a-bucket"), read="athena")
    assert isinstance(statement, expressions.Create)
    return statement


def columns(create: expressions.Create) -> dict[str, str]:
    """Types by column."""
    assert isinstance(create.this, expressions.Schema)
    return {expression.name: expression.kind.this.name for expression in create.this.expressions}


def properties(create: expressions.Create) -> dict[str, str]:
    """What TBLPROPERTIES says."""
    result = create.find_all(expressions.Property)
    return {each.name: each.args["value"].name for each in result if type(each) is expressions.Property}


def test_the_columns_are_those_of_a_stored_row(create: expressions.Create) -> None:
    assert tuple(columns(create)) == ROW_COLUMNS
    by_schema = {field.name: {"integer": "BIGINT", "number": "DOUBLE"}[field.type] for field in (TARGET, *FEATURES)}
    assert {name: kind for name, kind in columns(create).items() if name not in PROVENANCE_COLUMNS} == by_schema


def test_a_stored_row_reads_as_its_types(create: expressions.Create) -> None:
    # given rows with a prediction and without
    output = [
        build_prediction(
            field_value(TARGET, 0.3),
            model="xgboost-20261123T051100Z",
            expected_error=EXPECTED_ERROR,
            asked_at="2026-11-23T06:38:40.456Z",
        ),
        None,
    ]
    for response in output:
        line = json.dumps(make_sample(prediction=response)).encode()
        parsed = parse_line(line, message_id="m", position=0, received_at=NOW)
        cells = to_row(parsed, received_at=NOW).split(",")
        # then every cell is of its column's type, or empty where nothing was predicted
        read = {
            name: READ[kind](cell) if cell else None
            for (name, kind), cell in zip(columns(create).items(), cells, strict=True)
        }
        assert read[TARGET.name] == get_actual_value(parsed)
        assert {name for name, value in read.items() if value is None} == (
            set() if response else {"predicted", "expected_error", "model", "asked_at"}
        )


def test_partition_projection_matches_firehose_folders(create: expressions.Create) -> None:
    text = properties(create)
    template = Path(__file__).parents[3].joinpath("template.yaml").read_text()
    written = re.search(r'Prefix: "(samples/.*)"', template)
    assert written is not None
    assert written[1] == "samples/date=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/"
    assert (
        text["storage.location.template"]
        == "s3://a-bucket/samples/date=${" + athena.DAY + "}/hour=${" + athena.HOUR + "}/"
    )
    assert text["projection.enabled"] == "true"
    assert text[f"projection.{athena.DAY}.format"] == "yyyy-MM-dd"
    assert (text[f"projection.{athena.HOUR}.range"], text[f"projection.{athena.HOUR}.digits"]) == ("0,23", "2")
    (partitioned,) = create.find_all(expressions.PartitionedByProperty)
    assert [expression.name for expression in partitioned.this.expressions] == [athena.DAY, athena.HOUR]
    assert {f"projection.{name}.type" for name in (athena.DAY, athena.HOUR)} <= set(text)


def test_a_feature_may_have_the_name_of_a_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(athena, "ROW_COLUMNS", ("demand", "Hour", *PROVENANCE_COLUMNS))
    assert (athena.partition_column("date"), athena.partition_column("hour")) == ("date", "stored_hour")


def test_rows_are_plain_csv_without_a_header(create: expressions.Create) -> None:
    (form,) = create.find_all(expressions.RowFormatDelimitedProperty)
    assert form.args["fields"].name == ","
    assert "skip.header.line.count" not in properties(create)
    assert properties(create)["serialization.null.format"] == ""


def test_a_meaning_may_hold_an_apostrophe(monkeypatch: pytest.MonkeyPatch) -> None:
    existing = athena.list_columns()
    monkeypatch.setattr(
        athena, "list_columns", lambda: [(name, kind, "the item's own \\ way") for name, kind, _ in existing]
    )
    (statement,) = sqlglot.parse(athena.build_ddl("a-bucket"), read="athena")
    assert statement is not None
    comments = {each.this.name for each in statement.find_all(expressions.CommentColumnConstraint)}
    assert comments == {"the item's own \\ way"}


@pytest.mark.parametrize(
    ("bucket", "names"),
    [
        ("a-bucket", {"table": "samples; drop"}),
        ("a-bucket", {"table": ""}),
        ("a-bucket", {"database": "De`fault"}),
        ("a'bucket", {}),
    ],
)
def test_build_ddl_with_an_invalid_name_raises(bucket: str, names: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"is not (a|the) name"):
        athena.build_ddl(bucket, **names)


class Athena:
    """Answers with one state after the other."""

    def __init__(self, *states: str) -> None:
        self.states = list(states)
        self.asked: dict[str, Any] = {}

    def start_query_execution(self, **asked: Any) -> dict[str, str]:
        self.asked = asked
        return {"QueryExecutionId": "e"}

    def get_query_execution(self, *, QueryExecutionId: str) -> dict[str, Any]:  # noqa: N803 - the API's name
        assert QueryExecutionId == "e"
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return {"QueryExecution": {"Status": {"State": state, "StateChangeReason": "no such database"}}}


def execute(fake: Athena, **more: Any) -> str:
    ticks = iter(range(100))
    return athena.run(
        cast("AthenaClient", fake), "SELECT 1", database="d", sleep=lambda _: None, clock=lambda: next(ticks), **more
    )


def test_an_execution_is_waited_for() -> None:
    fake = Athena("QUEUED", "RUNNING", "SUCCEEDED")
    assert execute(fake, results="s3://b/r/") == "e"
    assert fake.asked["ResultConfiguration"] == {"OutputLocation": "s3://b/r/"}
    assert "ResultConfiguration" not in (execute(two := Athena("SUCCEEDED")), two.asked)[1]


def test_run_of_a_failed_statement_raises_with_athenas_reason() -> None:
    with pytest.raises(athena.AthenaError, match="FAILED: no such database"):
        execute(Athena("FAILED"))
    with pytest.raises(athena.AthenaError, match="within 5 s"):
        execute(Athena("RUNNING"), seconds=5)
