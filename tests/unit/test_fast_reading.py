"""Fast reading: for every input, whatever it is, it says what the models say, value for value and reason for reason."""

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

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

LAYER = Path(__file__).parents[2] / "layers" / "feature_schema" / "python"
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


def _loaded() -> dict[str, Any]:
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "feature_schema"}


@pytest.fixture(scope="module", params=["our schema", "another schema"])
def schema(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The modules of the layer, once as they are and once with another ``schema.py``: nothing else is changed."""
    folder = LAYER
    if request.param == "another schema":
        folder = tmp_path_factory.mktemp("layer")
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(LAYER / "feature_schema", folder / "feature_schema", ignore=ignored)
        shutil.copy(Path(__file__).with_name("other_schema.py"), folder / "feature_schema" / "schema.py")
    before = _loaded()
    for name in before:
        del sys.modules[name]
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield SimpleNamespace(
            folder=folder,
            **{name.rpartition(".")[2]: importlib.import_module(f"feature_schema.{name}") for name in MODULES},
        )
    finally:
        sys.path.remove(str(folder))
        for name in _loaded():
            del sys.modules[name]
        sys.modules.update(before)


# --- what both say ---------------------------------------------------------------------------------------------


def by_the_models(schema: Any, data: bytes, message_id: str, received_at: datetime) -> list[Any]:
    answers = schema.parser.parse_lines(data, message_id=message_id, received_at=received_at)
    refusal = schema.errors.InvalidInputError
    return [told(schema, one if isinstance(one, refusal) else schema.rows.to_record(one)) for _, one in answers]


def fast(schema: Any, reading: Any, messages: Sequence[bytes]) -> list[list[Any]]:
    """What was said of each line of each message, in order."""
    refused = {(one.message, one.position): one for one in reading.rejected}
    accepted = iter(reading.accepted)
    taken = 0
    said: list[list[Any]] = []
    for number, data in enumerate(messages):
        lines = schema.limits.split_lines(data) if data.count(b"\n") <= schema.limits.MAX_LINES else [data]
        said.append([])
        for position, line in enumerate(lines):
            if one := refused.get((number, position)):
                assert one.line == line
                said[-1].append(told(schema, one.error))
            else:
                said[-1].append(told(schema, next(accepted)))
                taken += 1
        assert reading.ends[number] == taken
    assert next(accepted, None) is None
    return said


def told(schema: Any, outcome: Any) -> Any:
    """An outcome, so that equal means equal in every value and its type, and in every word of a refusal."""
    if isinstance(outcome, schema.errors.InvalidInputError):
        return ("refused", outcome.reason, outcome.field, outcome.detail, outcome.instance)
    echo = outcome.prediction
    target = schema.fields.TARGET.name
    return (
        schema.rows.to_rows([outcome]),
        repr(getattr(outcome, target)),
        [repr(getattr(outcome.features, feature.name)) for feature in schema.fields.FEATURES],
        outcome.schema_version,
        None
        if not echo
        else (repr(getattr(echo, target)), echo.expected_error or None, echo.model or None, echo.source),
    )


def assert_both_agree(schema: Any, *messages: bytes) -> list[list[Any]]:
    arrived = [ARRIVED + number for number in range(len(messages))]
    said = fast(schema, schema.batch_parser.parse_batch(messages, arrived, "message-{}".format), messages)
    assert said == [
        by_the_models(schema, data, f"message-{number}", schema.batch_parser.to_datetime(arrived[number]))
        for number, data in enumerate(messages)
    ]
    return said


# --- lines, good and bad ---------------------------------------------------------------------------------------

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
    """Writes samples as text: usual in most places, odd in a few. The same seed, the same text.

    Hypothesis draws the seed only: a sample has a hundred places where it could be odd, too many to draw one by one.
    """

    def __init__(self, schema: Any, seed: int) -> None:
        super().__init__(seed)
        self.schema = schema
        self.oddness = self.choice([0.0, 0.01, 0.05])

    def odd(self) -> bool:
        return self.random() < self.oddness

    def noise(self, length: int) -> str:
        return "".join(chr(self.choice([self.randrange(128), self.randrange(0x10FFFF)])) for _ in range(length))

    def text(self, text: str) -> str:
        if not self.odd():
            return json.dumps(text, ensure_ascii=self.random() < 0.5)
        return '"' + "".join(f"\\u{ord(one):04x}" if ord(one) < 0x10000 else one for one in text) + '"'

    def usual(self, field: Any) -> str:
        if field.type == "integer" or self.random() < 0.3:
            return str(self.randint(math.ceil(field.minimum), math.floor(field.maximum)))
        return repr(self.uniform(field.minimum, field.maximum))

    def number(self, field: Any) -> str:
        if not self.odd():
            return self.usual(field)
        edges = (field.minimum, field.maximum)
        near = [str(int(edge) + by) for edge in edges for by in (-1, 0, 1)]
        return self.choice([*NUMBERS, *near, *(repr(float(edge)) for edge in edges)])

    def name(self) -> str:
        if self.odd():
            return self.choice([self.text(self.choice(NAMES)), self.text(self.noise(3)), self.choice(NUMBERS)])
        return json.dumps(f"{self.choice('aZ9')}{self.choice(['', 'robot-1', '_.:-'])}{self.randrange(1000)}")

    def features(self) -> str:
        return self.object([(one.name, self.number(one)) for one in self.schema.fields.FEATURES])

    def echo(self) -> str:
        pairs = [
            (self.schema.fields.TARGET.name, self.number(self.schema.fields.TARGET)),
            ("expected_error", self.choice(NUMBERS) if self.odd() else self.choice(["1830.25", "12", "1e1", "null"])),
            ("model", self.choice(["null", "null", '""']) if self.random() < 0.1 else self.name()),
            ("source", self.choice(['"guess"', "null"]) if self.odd() else self.choice(['"model"', '"fallback"'])),
        ]
        return self.object([pair for pair in pairs if self.random() > 0.05])

    def line(self) -> bytes:
        target = self.schema.fields.TARGET
        pairs = [
            *((field, self.name()) for field in ("sample_id", "robot_id", "fc_id")),
            ("recorded_at", self.text(self.choice(TIMES)) if self.odd() else '"2026-11-23T06:38:50.123Z"'),
            ("schema_version", self.choice(NUMBERS) if self.odd() else str(self.schema.fields.VERSION)),
            (target.name, self.number(target)),
            ("features", self.features()),
            ("prediction", self.choice(["null", "{}", "[]", "5"]) if self.random() < 0.1 else self.echo()),
        ]
        text = self.object(pairs[: self.choice([8, 8, 8, 7])]).encode(errors="replace")
        if self.odd():
            text = self.choice([b" ", b"\t", b"\r", b"\x0b", b"\xef\xbb\xbf", b"\x00", b"["]) + text
        if self.odd():
            text += self.choice([b" ", b"\r", b"\x0c", b",", b"}", b"{}", b" 1", b"\x00", b"//", b" " * 17_000])
        if self.odd():
            place = self.randrange(len(text))
            text = text[:place] + self.randbytes(self.randrange(3)) + text[place + self.randrange(3) :]
        return text

    def object(self, pairs: list[tuple[str, str]]) -> str:
        """With other spacing, in another order, with keys that are escaped, stand twice, are missing or unknown."""
        if self.odd():
            self.shuffle(pairs)
        if pairs and self.odd():
            again, value = self.choice(pairs)
            pairs.insert(self.randint(0, len(pairs)), (again, self.choice([value, "null", "1", '"x"'])))
        if pairs and self.odd():
            pairs.remove(self.choice(pairs))
        if self.odd():
            pairs.append((self.noise(2), self.choice(NUMBERS)))
        colon, comma = (
            self.choice([(":", ","), (": ", ", "), (" :\t", " ,\r")]) if self.random() < 0.995 else (":\n", ",")
        )
        return "{" + comma.join(f"{self.text(key)}{colon}{value}" for key, value in pairs) + "}"

    def row(self) -> bytes:
        fields = [self.schema.fields.TARGET, *self.schema.fields.FEATURES]
        cells = [self.number(field) for field in fields]
        if self.odd():
            cells.pop()
        return self.choice([",", ", ", "\t,"]).join(cells).encode() + (
            self.choice([b",", b",1", b"],[1", b"\r", b"]"]) if self.odd() else b""
        )

    def anything(self) -> bytes:
        kind = self.randrange(5)
        return self.line() if kind < 3 else self.row() if kind == 3 else self.randbytes(self.randrange(20))


seeds = st.integers(0, 2**32)


@settings(max_examples=1_000)
@given(seed=seeds)
def test_both_agree_on_every_line(schema: Any, seed: int) -> None:
    writer = Writer(schema, seed)
    assert_both_agree(schema, b"\n".join(writer.line() for _ in range(writer.randint(1, 4))))


@settings(max_examples=300)
@given(seed=seeds)
def test_both_agree_on_every_batch(schema: Any, seed: int) -> None:
    writer = Writer(schema, seed)
    assert_both_agree(schema, *(b"\n".join(writer.anything() for _ in range(writer.randrange(4))) for _ in range(4)))


@settings(max_examples=500)
@given(seed=seeds)
def test_both_agree_on_rows_of_numbers(schema: Any, seed: int) -> None:
    assert_both_agree(schema, Writer(schema, seed).row())


@given(message=st.binary(max_size=60))
@example(message=b"")
@example(message=b"[" * 20_000)
@example(message=b'{"features":' * 1_000)
@example(message=b'{"item_\xa8": 1}')
def test_both_agree_on_anything(schema: Any, message: bytes) -> None:
    assert_both_agree(schema, message)


@pytest.mark.parametrize("over", [0, 1])
def test_both_agree_on_a_flood(schema: Any, over: int) -> None:
    assert_both_agree(schema, b"\n" * (schema.limits.MAX_LINES + over))


@pytest.mark.parametrize("arrived", [0, 946_684_799_999, 946_684_800_000, 4_102_444_800_000])
def test_both_agree_whenever_it_arrives(schema: Any, arrived: int) -> None:
    writer = Writer(schema, 0)
    writer.oddness = 0.0
    message = b"\n".join([writer.row(), writer.line()])
    said = fast(schema, schema.batch_parser.parse_batch([message], [arrived], str), [message])
    assert said == [by_the_models(schema, message, "0", schema.batch_parser.to_datetime(arrived))]


def test_most_of_what_is_written_here_is_accepted_and_some_is_not(schema: Any) -> None:
    written = [Writer(schema, seed).line() for seed in range(300)]
    said = [one for answers in assert_both_agree(schema, *written) for one in answers]
    refused = {one[1] for one in said if one[0] == "refused"}
    assert 0.3 < sum(one[0] != "refused" for one in said) / len(said) < 0.95
    assert len(refused) > 8


def plain(schema: Any, **changed: Any) -> dict[str, Any]:
    target = schema.fields.TARGET
    return {
        "sample_id": "sample-1", "robot_id": "robot-1", "fc_id": "fc1", "recorded_at": "2026-11-23T06:38:50.123Z",
        "schema_version": schema.fields.VERSION, target.name: math.floor(target.maximum),
        "features": {one.name: math.floor(one.maximum) for one in schema.fields.FEATURES}, **changed,
    }  # fmt: skip


@pytest.mark.parametrize("field", ["sample_id", "robot_id", "fc_id", "model"])
@pytest.mark.parametrize("name", NAMES)
def test_both_agree_on_names(schema: Any, field: str, name: str) -> None:
    target = schema.fields.TARGET
    echo = {target.name: math.floor(target.maximum), "expected_error": 5, "model": "m", "source": "model"}
    changed: dict[str, Any] = {"prediction": echo | {"model": name}} if field == "model" else {field: name}
    said = assert_both_agree(schema, json.dumps(plain(schema, **changed)).encode())
    assert (said[0][0][0] == "refused") == (name not in {"a", "A-1", "a" * 128, "null"})


@pytest.mark.parametrize("time", TIMES)
def test_both_agree_on_times(schema: Any, time: str) -> None:
    usual_line, odd_line = (json.dumps(plain(schema, **at)).encode() for at in ({}, {"recorded_at": time}))
    said = assert_both_agree(schema, b"\n".join([usual_line, odd_line, usual_line]), odd_line, usual_line)
    assert said[0][0] == said[0][2] == said[2][0] != "refused"


@pytest.mark.parametrize("token", NUMBERS)
def test_both_agree_on_numbers(schema: Any, token: str) -> None:
    target = schema.fields.TARGET.name
    text = json.dumps(plain(schema, prediction={target: 1, "expected_error": 5, "model": None, "source": "model"}))
    for name in (target, "schema_version", "expected_error", *(one.name for one in schema.fields.FEATURES)):
        start = text.rindex(f'"{name}": ') + len(name) + 4
        end = min(text.find(stop, start) for stop in ",}" if text.find(stop, start) > 0)
        assert_both_agree(schema, (text[:start] + token + text[end:]).encode())


@settings(max_examples=500)
@given(seed=seeds)
def test_both_agree_on_requests(schema: Any, seed: int) -> None:
    writer = Writer(schema, seed)
    asked = [("features", writer.features())] if writer.random() < 0.5 else []
    if not asked or writer.odd():
        asked.append(("instances", f"[{','.join(writer.features() for _ in range(writer.randrange(4)))}]"))
    body = writer.object(asked).encode(errors="replace")

    outcomes: list[Any] = []
    for read in (schema.request_parser.parse_request, schema.parser.parse_request):
        try:
            request = read(body)
        except schema.errors.InvalidInputError as refused:
            outcomes.append((refused.reason, refused.field, refused.detail, refused.instance))
        else:
            one = [] if request.features is None else [request.features]
            outcomes.append([schema.predictions.to_feature_row(each) for each in (*one, *(request.instances or ()))])
    assert outcomes[0] == outcomes[1]


@settings(max_examples=500)
@given(seed=seeds)
def test_both_agree_on_queries(schema: Any, seed: int) -> None:
    writer = Writer(schema, seed)
    text = ",".join(writer.number(feature) for feature in schema.fields.FEATURES)
    text += writer.choice([",", "]", "\ud800", " "]) if writer.odd() else ""
    outcomes = []
    for read in (schema.request_parser.parse_features, schema.parser.parse_features):
        try:
            outcomes.append(schema.predictions.to_feature_row(read(text)))
        except schema.errors.InvalidInputError as refused:
            outcomes.append(f"{refused.reason} {refused.field} {refused.detail}")
    assert outcomes[0] == outcomes[1]


# --- what is built beforehand ----------------------------------------------------------------------------------

_STARTS_COLD = """
import json, os, sys
os.environ.update(BUCKET_NAME="none", POWERTOOLS_SERVICE_NAME="s", POWERTOOLS_METRICS_NAMESPACE="n")
os.environ.update(ENDPOINT_NAME="none", ENDPOINT_TIMEOUT="1", AWS_DEFAULT_REGION="us-east-1")
from feature_schema.fast.batch_parser import parse_batch
from feature_schema.rows import to_rows
lines = [line.encode() for line in json.load(sys.stdin)]
reading = parse_batch(lines, [{arrived}] * len(lines), str)
import validator.handler, inference.handler
from feature_schema import get_schema_hash
from feature_schema.fast.request_parser import parse_features
loaded = [name for name in ("pydantic", "boto3") if name in sys.modules]
print(json.dumps([[row.decode() for row in to_rows(reading.accepted)], get_schema_hash(), loaded]))
"""


@pytest.fixture(scope="module")
def built(schema: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layer with what the build derives."""
    folder = tmp_path_factory.mktemp("built")
    shutil.copytree(schema.folder / "feature_schema", folder / "feature_schema")
    importlib.import_module("feature_schema.build").write_prebuilt(folder / "feature_schema" / "prebuilt.json")
    return folder


def test_good_samples_are_read_without_pydantic_where_the_build_has_been(schema: Any, built: Path) -> None:
    lines = [json.dumps(plain(schema, sample_id=f"sample-{number}")) for number in range(3)]
    script = _STARTS_COLD.replace("{arrived}", str(ARRIVED))
    path = f"{built}:{Path(__file__).parents[2] / 'functions'}"
    answer = subprocess.run(
        [sys.executable, "-c", script], input=json.dumps(lines), env={"PYTHONPATH": path}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip

    rows, schema_hash, loaded = json.loads(answer.stdout)
    assert loaded == []
    assert schema_hash == schema.fields.get_schema_hash()
    assert rows == [
        schema.rows.to_row(
            schema.parser.parse_line(
                line.encode(), message_id="m", position=0, received_at=schema.batch_parser.to_datetime(ARRIVED)
            )
        )
        for line in lines
    ]


@pytest.mark.parametrize("constraint", ["Field(multiple_of=1)", "AfterValidator(int)", "Field(strict=False)"])
def test_a_schema_that_no_shape_can_tell_is_left_to_the_models(tmp_path: Path, constraint: str) -> None:
    shutil.copytree(LAYER / "feature_schema", tmp_path / "feature_schema")
    text = Path(__file__).with_name("other_schema.py").read_text()
    changed = text.replace('Unit("mm"), ', f'Unit("mm"), {constraint}, ').replace(
        "from pydantic import", "from pydantic import AfterValidator,"
    )
    assert changed.count(constraint) == 1
    (tmp_path / "feature_schema" / "schema.py").write_text(changed)
    features = {"temperature": 1.5, "offset": -5, "share": 0.5, "shift": 1}
    sample = {
        "sample_id": "sample-1", "robot_id": "robot-1", "fc_id": "fc1", "recorded_at": "2026-11-23T06:38:50.123Z",
        "schema_version": 7, "gain": 2.5, "features": features,
    }  # fmt: skip
    lines = [json.dumps(one) for one in (sample, sample | {"features": features | {"offset": 5_000}})]
    script = """
import json, sys
from feature_schema.fast.batch_parser import IS_DECODABLE, parse_batch
lines = [line.encode() for line in json.load(sys.stdin)]
reading = parse_batch(lines, [{arrived}] * len(lines), str)
print(json.dumps([IS_DECODABLE, len(reading.accepted), [one.error.reason for one in reading.rejected]]))
"""
    answer = subprocess.run(
        [sys.executable, "-c", script.replace("{arrived}", str(ARRIVED))], input=json.dumps(lines),
        env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert json.loads(answer.stdout) == [False, 1, ["out_of_range:offset"]]
