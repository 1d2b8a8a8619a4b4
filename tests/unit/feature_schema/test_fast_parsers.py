"""``feature_schema.fast`` gives the same results as ``feature_schema.parser`` for any input: values and errors."""

from __future__ import annotations

import importlib
import json
import math
import random
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.feature_schema.factories import LAYER, copy_layer, importing_layer_from

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

OTHER_SCHEMA = Path(__file__).with_name("other_schema.py").read_text()
ARRIVED = 1_795_415_940_789  # 2026-11-23T06:39:00.789Z
MODULES = (
    "predictions",
    "fast.request_parser",
    "fields",
    "parser",
    "fast.batch_parser",
    "rows",
    "errors",
    "limits",
    "schema",
)


@pytest.fixture(scope="module", params=["our schema", "another schema"])
def schema(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return the layer's modules: unchanged, and with another ``schema.py``."""
    folder = LAYER
    if request.param == "another schema":
        folder = copy_layer(tmp_path_factory.mktemp("layer"), OTHER_SCHEMA)
    with importing_layer_from(folder):
        yield SimpleNamespace(
            folder=folder,
            **{name.rpartition(".")[2]: importlib.import_module(f"feature_schema.{name}") for name in MODULES},
        )


# --- results of both parsers -----------------------------------------------------------------------------------


def parse_with_models(schema: Any, data: bytes, message_id: str, received_at: datetime) -> list[Any]:
    results = schema.parser.parse_lines(data, message_id=message_id, received_at=received_at)
    error_type = schema.errors.InvalidInputError
    return [
        describe(schema, result if isinstance(result, error_type) else schema.rows.to_record(result))
        for _, result in results
    ]


def to_outcomes(schema: Any, batch: Any, messages: Sequence[bytes]) -> list[list[Any]]:
    """Return the outcome of each line of each message, in order."""
    rejected = {(line.message, line.position): line for line in batch.rejected}
    accepted = iter(batch.accepted)
    accepted_count = 0
    outcomes: list[list[Any]] = []
    for number, data in enumerate(messages):
        lines = schema.limits.split_lines(data) if data.count(b"\n") <= schema.limits.MAX_LINES else [data]
        outcomes.append([])
        for position, line in enumerate(lines):
            if invalid := rejected.get((number, position)):
                assert invalid.line == line
                outcomes[-1].append(describe(schema, invalid.error))
            else:
                outcomes[-1].append(describe(schema, next(accepted)))
                accepted_count += 1
        assert batch.ends[number] == accepted_count
    assert next(accepted, None) is None
    return outcomes


def describe(schema: Any, outcome: Any) -> Any:
    """Return all values with their types, or all parts of an error, so that outcomes can be compared."""
    if isinstance(outcome, schema.errors.InvalidInputError):
        return ("rejected", outcome.reason, outcome.field, outcome.detail, outcome.instance)
    prediction = outcome.prediction
    target = schema.fields.TARGET.name
    return (
        schema.rows.to_rows([outcome], [schema.limits.format_milliseconds(ARRIVED)]),
        repr(getattr(outcome, target)),
        [repr(getattr(outcome.features, feature.name)) for feature in schema.fields.FEATURES],
        outcome.schema_version,
        None
        if not prediction
        else (
            repr(getattr(prediction, target)),
            prediction.expected_error or None,
            prediction.model or None,
            prediction.source,
            prediction.asked_at or None,
        ),
    )


def assert_same_results(schema: Any, *messages: bytes) -> list[list[Any]]:
    arrived = [ARRIVED + number for number in range(len(messages))]
    outcomes = to_outcomes(schema, schema.batch_parser.parse_batch(messages, arrived, "message-{}".format), messages)
    assert outcomes == [
        parse_with_models(schema, data, f"message-{number}", schema.batch_parser.to_datetime(arrived[number]))
        for number, data in enumerate(messages)
    ]
    return outcomes


# --- valid and invalid lines -----------------------------------------------------------------------------------

INTEGERS = ["0", "-0", "1", "7", "1.0", "1e0", "1e2", "1E2", "-1", "01", "+1", "1.", ".5", "0x1", "1_0", "true", "null"]
NUMBERS = [
    *INTEGERS, "-0.0", "0.1", "1e-7", "1e16", "1e17", "123456789012345678", "9007199254740993", "4611686018427387904",
    "4611686018427387905", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "18446744073709551616",
    "1e308", "1e309", "1e400", "-1e400", "1e-400", "2.2250738585072011e-308", "5e-324", "0.1e1", "1" * 30, "9" * 400,
    "9" * 5000, "0." + "1" * 300, "NaN", "-NaN", "Infinity", "-Infinity", '"1"', "[1]", "{}", '""', "1 ", " 1",
]  # fmt: skip
TIMES = [
    "2026-11-23T06:38:50.123Z", "2026-11-23T06:38:50Z", "2026-11-23T06:38:50.1Z", "2026-11-23T06:38:50.123456Z",
    "2026-11-23T06:38:50.1234567Z", "2026-11-23T06:38:50.9999999Z", "2026-11-23T06:38:50.123+00:00",
    "2026-11-23T08:38:50.123+02:00", "2026-11-23T06:38:50.123-00:00", "2026-11-23T06:38:50.123+23:59",
    "2026-11-23T06:38:50.123+24:00", "2026-11-23T06:38:50.123+0200", "2026-11-23t06:38:50.123z",
    "2026-11-23 06:38:50.123Z", "2026-11-23_06:38:50.123Z", "2026-11-23T06:38:50.123", "2026-11-23T06:38Z",
    "2026-11-23", "20261123T063850.123Z", "2026-11-23T06:38:50,123Z", "2026-02-30T06:38:50.123Z",
    "2026-02-29T06:38:50.123Z", "2024-02-29T06:38:50.123Z", "2026-11-23T24:00:00.000Z", "2026-11-23T23:59:60.000Z",
    "2026-11-23T06:60:50.123Z", "2026-13-23T06:38:50.123Z", "0000-11-23T06:38:50.123Z", "1999-12-31T23:59:59.999Z",
    "2000-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z", "2026-11-23T06:44:00.789Z", "2026-11-23T06:44:00.790Z",
    "2026-11-23T06:44:00.788Z", "2026-11-23T06:43:59.999Z", "2026-11-23T06:44:01.000Z", "1795415930", "1795415930.5",
    "1795415930123", "+2026-11-23T06:38:50.12Z", "\uff12026-11-23T06:38:50.123Z", "2026-11-23T06:38:50.123Z ", "",
]  # fmt: skip
NAMES = [
    "a", "A-1", "a,b", "a\n", "\na", "", "-a", "a b", "a" * 128, "a" * 129, "ä", "a\u0000", 'a"b', "a\\b", "٣",
    "a,", ",a", "\uff41", "\U0001f916", "a\u2028", "null", "[", "a]",
]  # fmt: skip


class Writer(random.Random):
    """Writes lines as text: valid in most places, unusual or invalid in a few. The same seed gives the same text.

    Hypothesis draws only the seed, since a sample has a hundred places that could be unusual, too many to draw.
    """

    def __init__(self, schema: Any, seed: int) -> None:
        super().__init__(seed)
        self.schema = schema
        self.unusual_share = self.choice([0.0, 0.01, 0.05])

    def is_unusual(self) -> bool:
        return self.random() < self.unusual_share

    def noise(self, length: int) -> str:
        return "".join(chr(self.choice([self.randrange(128), self.randrange(0x10FFFF)])) for _ in range(length))

    def text(self, text: str) -> str:
        if not self.is_unusual():
            return json.dumps(text, ensure_ascii=self.random() < 0.5)
        return (
            '"'
            + "".join(f"\\u{ord(character):04x}" if ord(character) < 0x10000 else character for character in text)
            + '"'
        )

    def valid_number(self, field: Any) -> str:
        if field.type == "integer" or self.random() < 0.3:
            return str(self.randint(math.ceil(field.minimum), math.floor(field.maximum)))
        return repr(self.uniform(field.minimum, field.maximum))

    def number(self, field: Any) -> str:
        if not self.is_unusual():
            return self.valid_number(field)
        edges = (field.minimum, field.maximum)
        near = [str(int(edge) + by) for edge in edges for by in (-1, 0, 1)]
        return self.choice([*NUMBERS, *near, *(repr(float(edge)) for edge in edges)])

    def name(self) -> str:
        if self.is_unusual():
            return self.choice([self.text(self.choice(NAMES)), self.text(self.noise(3)), self.choice(NUMBERS)])
        return json.dumps(f"{self.choice('aZ9')}{self.choice(['', 'robot-1', '_.:-'])}{self.randrange(1000)}")

    def features(self) -> str:
        return self.object([(feature.name, self.number(feature)) for feature in self.schema.fields.FEATURES])

    def prediction(self) -> str:
        pairs = [
            (self.schema.fields.TARGET.name, self.number(self.schema.fields.TARGET)),
            (
                "expected_error",
                self.choice(NUMBERS) if self.is_unusual() else self.choice(["1830.25", "12", "1e1", "null"]),
            ),
            ("model", self.choice(["null", "null", '""']) if self.random() < 0.1 else self.name()),
            (
                "source",
                self.choice(['"guess"', "null"]) if self.is_unusual() else self.choice(['"model"', '"fallback"']),
            ),
        ]
        pairs = [pair for pair in pairs if self.random() > 0.05]
        if self.random() < 0.7:
            pairs.append(("asked_at", self.time("2026-11-23T06:38:40.456Z")))
        return self.object(pairs)

    def time(self, valid: str) -> str:
        if self.is_unusual():
            return self.choice([self.text(self.choice(TIMES)), self.choice(["null", *NUMBERS])])
        return json.dumps(valid)

    def line(self) -> bytes:
        target = self.schema.fields.TARGET
        pairs = [
            *((field, self.name()) for field in ("sample_id", "robot_id", "fc_id")),
            ("recorded_at", self.time("2026-11-23T06:38:50.123Z")),
            ("schema_version", self.choice(NUMBERS) if self.is_unusual() else str(self.schema.fields.VERSION)),
            (target.name, self.number(target)),
            ("features", self.features()),
            ("prediction", self.choice(["null", "{}", "[]", "5"]) if self.random() < 0.1 else self.prediction()),
        ]
        text = self.object(pairs[: self.choice([8, 8, 8, 7])]).encode(errors="replace")
        if self.is_unusual():
            text = self.choice([b" ", b"\t", b"\r", b"\x0b", b"\xef\xbb\xbf", b"\x00", b"["]) + text
        if self.is_unusual():
            text += self.choice([b" ", b"\r", b"\x0c", b",", b"}", b"{}", b" 1", b"\x00", b"//", b" " * 17_000])
        if self.is_unusual():
            index = self.randrange(len(text))
            text = text[:index] + self.randbytes(self.randrange(3)) + text[index + self.randrange(3) :]
        return text

    def object(self, pairs: list[tuple[str, str]]) -> str:
        """Write an object, with unusual spacing or order, and escaped, duplicate, missing or unknown keys."""
        if self.is_unusual():
            self.shuffle(pairs)
        if pairs and self.is_unusual():
            duplicate, value = self.choice(pairs)
            pairs.insert(self.randint(0, len(pairs)), (duplicate, self.choice([value, "null", "1", '"x"'])))
        if pairs and self.is_unusual():
            pairs.remove(self.choice(pairs))
        if self.is_unusual():
            pairs.append((self.noise(2), self.choice(NUMBERS)))
        colon, comma = (
            self.choice([(":", ","), (": ", ", "), (" :\t", " ,\r")]) if self.random() < 0.995 else (":\n", ",")
        )
        return "{" + comma.join(f"{self.text(key)}{colon}{value}" for key, value in pairs) + "}"

    def row(self) -> bytes:
        fields = [self.schema.fields.TARGET, *self.schema.fields.FEATURES]
        cells = [self.number(field) for field in fields]
        if self.is_unusual():
            cells.pop()
        return self.choice([",", ", ", "\t,"]).join(cells).encode() + (
            self.choice([b",", b",1", b"],[1", b"\r", b"]"]) if self.is_unusual() else b""
        )

    def any_line(self) -> bytes:
        kind = self.randrange(5)
        return self.line() if kind < 3 else self.row() if kind == 3 else self.randbytes(self.randrange(20))


seeds = st.integers(0, 2**32)


@settings(max_examples=1_000)
@given(seed=seeds)
def test_lines_give_same_results(schema: Any, seed: int) -> None:
    writer = Writer(schema, seed)
    assert_same_results(schema, b"\n".join(writer.line() for _ in range(writer.randint(1, 4))))


@settings(max_examples=300)
@given(seed=seeds)
def test_batches_give_same_results(schema: Any, seed: int) -> None:
    writer = Writer(schema, seed)
    assert_same_results(schema, *(b"\n".join(writer.any_line() for _ in range(writer.randrange(4))) for _ in range(4)))


@settings(max_examples=500)
@given(seed=seeds)
def test_csv_rows_give_same_results(schema: Any, seed: int) -> None:
    assert_same_results(schema, Writer(schema, seed).row())


@given(message=st.binary(max_size=60))
@example(message=b"")
@example(message=b"[" * 20_000)
@example(message=b'{"features":' * 1_000)
@example(message=b'{"item_\xa8": 1}')
def test_arbitrary_bytes_give_same_results(schema: Any, message: bytes) -> None:
    assert_same_results(schema, message)


@pytest.mark.parametrize("over", [0, 1])
def test_too_many_lines_give_same_results(schema: Any, over: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema.limits, "MAX_LINES", 1_000)
    assert_same_results(schema, b"\n" * (1_000 + over))


@pytest.mark.parametrize("arrived", [0, 946_684_799_999, 946_684_800_000, 4_102_444_800_000])
def test_any_arrival_time_gives_same_results(schema: Any, arrived: int) -> None:
    writer = Writer(schema, 0)
    writer.unusual_share = 0.0
    message = b"\n".join([writer.row(), writer.line()])
    outcomes = to_outcomes(schema, schema.batch_parser.parse_batch([message], [arrived], str), [message])
    assert outcomes == [parse_with_models(schema, message, "0", schema.batch_parser.to_datetime(arrived))]


def test_written_lines_are_partly_accepted(schema: Any) -> None:
    written = [Writer(schema, seed).line() for seed in range(300)]
    outcomes = [outcome for lines in assert_same_results(schema, *written) for outcome in lines]
    reasons = {outcome[1] for outcome in outcomes if outcome[0] == "rejected"}
    assert 0.3 < sum(outcome[0] != "rejected" for outcome in outcomes) / len(outcomes) < 0.95
    assert len(reasons) > 8


def make_sample(schema: Any, **changes: Any) -> dict[str, Any]:
    target = schema.fields.TARGET
    return {
        "sample_id": "sample-1", "robot_id": "robot-1", "fc_id": "fc1", "recorded_at": "2026-11-23T06:38:50.123Z",
        "schema_version": schema.fields.VERSION, target.name: math.floor(target.maximum),
        "features": {feature.name: math.floor(feature.maximum) for feature in schema.fields.FEATURES}, **changes,
    }  # fmt: skip


@pytest.mark.parametrize("field", ["sample_id", "robot_id", "fc_id", "model"])
@pytest.mark.parametrize("name", NAMES)
def test_names_give_same_results(schema: Any, field: str, name: str) -> None:
    target = schema.fields.TARGET
    prediction = {target.name: math.floor(target.maximum), "expected_error": 5, "model": "m", "source": "model"}
    changes: dict[str, Any] = {"prediction": prediction | {"model": name}} if field == "model" else {field: name}
    outcomes = assert_same_results(schema, json.dumps(make_sample(schema, **changes)).encode())
    assert (outcomes[0][0][0] == "rejected") == (name not in {"a", "A-1", "a" * 128, "null"})


@pytest.mark.parametrize("time", TIMES)
def test_times_give_same_results(schema: Any, time: str) -> None:
    usual_line = json.dumps(make_sample(schema)).encode()
    other_line = json.dumps(make_sample(schema, recorded_at=time)).encode()
    outcomes = assert_same_results(schema, b"\n".join([usual_line, other_line, usual_line]), other_line, usual_line)
    assert outcomes[0][0] == outcomes[0][2] == outcomes[2][0] != "rejected"


@pytest.mark.parametrize("token", NUMBERS)
def test_numbers_give_same_results(schema: Any, token: str) -> None:
    target = schema.fields.TARGET.name
    text = json.dumps(
        make_sample(schema, prediction={target: 1, "expected_error": 5, "model": None, "source": "model"})
    )
    for name in (target, "schema_version", "expected_error", *(feature.name for feature in schema.fields.FEATURES)):
        start = text.rindex(f'"{name}": ') + len(name) + 4
        end = min(text.find(stop, start) for stop in ",}" if text.find(stop, start) > 0)
        assert_same_results(schema, (text[:start] + token + text[end:]).encode())


@pytest.mark.parametrize("time", [*TIMES, None, 5, "absent"])
def test_times_of_requests_give_same_results(schema: Any, time: Any) -> None:
    # given echoes with and without a model, beside a plain sample
    target = schema.fields.TARGET
    asked = {} if time == "absent" else {"asked_at": time}
    echoes = [{target.name: math.floor(target.maximum), "source": "model", **asked, **model}
              for model in ({}, {"model": None}, {"model": "m"})]  # fmt: skip
    lines = [json.dumps(make_sample(schema, prediction=echo)).encode() for echo in echoes]
    # then all of them are accepted or rejected for the same reason
    outcomes, plain = assert_same_results(schema, b"\n".join(lines), json.dumps(make_sample(schema)).encode())
    assert len({outcome[0] == "rejected" for outcome in outcomes}) == 1
    assert plain[0][0] != "rejected"


@pytest.mark.parametrize("name", [*NAMES, None, 5])
@pytest.mark.parametrize("field", ["fc_id", "robot_id"])
def test_senders_of_requests_give_same_results(schema: Any, field: str, name: Any) -> None:
    body = json.dumps({"features": make_sample(schema)["features"], field: name}).encode()

    outcomes = []
    for parse in (schema.request_parser.parse_request, schema.parser.parse_request):
        try:
            outcomes.append((parse(body).fc_id, parse(body).robot_id))
        except schema.errors.InvalidInputError as error:
            outcomes.append((error.reason, error.field))
    assert outcomes[0] == outcomes[1]
    assert name is None or any(value in {name, f"wrong_type:{field}"} for value in outcomes[0])


@settings(max_examples=500)
@given(seed=seeds)
def test_requests_give_same_results(schema: Any, seed: int) -> None:
    writer = Writer(schema, seed)
    pairs = [("features", writer.features())] if writer.random() < 0.5 else []
    if not pairs or writer.is_unusual():
        pairs.append(("instances", f"[{','.join(writer.features() for _ in range(writer.randrange(4)))}]"))
    pairs += [(name, writer.name()) for name in ("fc_id", "robot_id") if writer.random() < 0.5]
    body = writer.object(pairs).encode(errors="replace")

    outcomes: list[Any] = []
    for parse in (schema.request_parser.parse_request, schema.parser.parse_request):
        try:
            request = parse(body)
        except schema.errors.InvalidInputError as error:
            outcomes.append((error.reason, error.field, error.detail, error.instance))
        else:
            instances = [request.features] if request.instances is None else request.instances
            rows = [schema.predictions.to_feature_row(features) for features in instances]
            outcomes.append([request.fc_id, request.robot_id, *rows])
    assert outcomes[0] == outcomes[1]


@settings(max_examples=500)
@given(seed=seeds)
def test_queries_give_same_results(schema: Any, seed: int) -> None:
    writer = Writer(schema, seed)
    text = ",".join(writer.number(feature) for feature in schema.fields.FEATURES)
    text += writer.choice([",", "]", "\ud800", " "]) if writer.is_unusual() else ""
    outcomes = []
    for parse in (schema.request_parser.parse_features, schema.parser.parse_features):
        try:
            outcomes.append(schema.predictions.to_feature_row(parse(text)))
        except schema.errors.InvalidInputError as error:
            outcomes.append(f"{error.reason} {error.field} {error.detail}")
    assert outcomes[0] == outcomes[1]


# --- prebuilt data ---------------------------------------------------------------------------------------------

_COLD_START = """
import json, os, sys
os.environ.update(BUCKET_NAME="none", POWERTOOLS_SERVICE_NAME="s", POWERTOOLS_METRICS_NAMESPACE="n")
os.environ.update(ENDPOINT_NAME="none", ENDPOINT_TIMEOUT="1", AWS_DEFAULT_REGION="us-east-1")
from feature_schema.fast.batch_parser import parse_batch
from feature_schema.limits import format_milliseconds
from feature_schema.rows import to_rows
lines = [line.encode() for line in json.load(sys.stdin)]
batch = parse_batch(lines, [{arrived}] * len(lines), str)
import validator.handler, inference.handler
from feature_schema import get_schema_hash
from feature_schema.fast.request_parser import parse_features
loaded = [name for name in ("pydantic", "boto3") if name in sys.modules]
rows = to_rows(batch.accepted, [format_milliseconds({arrived})] * len(lines))
print(json.dumps([[row.decode() for row in rows], get_schema_hash(), loaded]))
"""


@pytest.fixture(scope="module")
def prebuilt(schema: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the layer with prebuilt data."""
    folder = tmp_path_factory.mktemp("prebuilt")
    shutil.copytree(schema.folder / "feature_schema", folder / "feature_schema")
    importlib.import_module("feature_schema.build").write_prebuilt(folder / "feature_schema" / "prebuilt.json")
    return folder


def test_valid_samples_need_no_pydantic_with_prebuilt_data(schema: Any, prebuilt: Path) -> None:
    lines = [json.dumps(make_sample(schema, sample_id=f"sample-{number}")) for number in range(3)]
    script = _COLD_START.replace("{arrived}", str(ARRIVED))
    path = f"{prebuilt}:{Path(__file__).parents[3] / 'functions'}"
    process = subprocess.run(
        [sys.executable, "-c", script], input=json.dumps(lines), env={"PYTHONPATH": path}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip

    rows, schema_hash, loaded = json.loads(process.stdout)
    assert loaded == []
    assert schema_hash == schema.fields.get_schema_hash()
    assert rows == [
        schema.rows.to_row(
            schema.parser.parse_line(
                line.encode(), message_id="m", position=0, received_at=schema.batch_parser.to_datetime(ARRIVED)
            ),
            received_at=schema.batch_parser.to_datetime(ARRIVED),
        )
        for line in lines
    ]


@pytest.mark.parametrize("constraint", ["Field(multiple_of=1)", "AfterValidator(int)", "Field(strict=False)"])
def test_unsupported_schema_is_parsed_by_models(tmp_path: Path, constraint: str) -> None:
    changed = OTHER_SCHEMA.replace('Unit("mm"), ', f'Unit("mm"), {constraint}, ').replace(
        "from pydantic import", "from pydantic import AfterValidator,"
    )
    assert changed.count(constraint) == 1
    copy_layer(tmp_path, changed)
    features = {"temperature": 1.5, "offset": -5, "share": 0.5, "shift": 1}
    valid_sample = {
        "sample_id": "sample-1", "robot_id": "robot-1", "fc_id": "fc1", "recorded_at": "2026-11-23T06:38:50.123Z",
        "schema_version": 7, "gain": 2.5, "features": features,
    }  # fmt: skip
    lines = [json.dumps(sample) for sample in (valid_sample, valid_sample | {"features": features | {"offset": 5_000}})]
    script = """
import json, sys
from feature_schema.fast.batch_parser import IS_DECODABLE, parse_batch
lines = [line.encode() for line in json.load(sys.stdin)]
batch = parse_batch(lines, [{arrived}] * len(lines), str)
print(json.dumps([IS_DECODABLE, len(batch.accepted), [line.error.reason for line in batch.rejected]]))
"""
    process = subprocess.run(
        [sys.executable, "-c", script.replace("{arrived}", str(ARRIVED))], input=json.dumps(lines),
        env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert json.loads(process.stdout) == [False, 1, ["out_of_range:offset"]]
