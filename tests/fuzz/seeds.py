"""Seeds of fuzzing: lines, messages and requests from ``events/`` and of this schema, and words for mutations."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from feature_schema import TARGET, build_prediction
from tests.factories.samples import EXPECTED_ERROR, field_value, make_csv_row, make_features, make_sample
from tests.fuzz.targets import FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
REGRESSIONS = Path(__file__).with_name("regressions")
"""Inputs that once violated an assertion, in a folder for each target."""


def _events(prefix: str) -> Iterator[dict[str, Any]]:
    for path in sorted((ROOT / "events").glob(f"{prefix}*.json")):
        yield json.loads(path.read_text(encoding="utf-8"))


def _messages() -> list[bytes]:
    messages = [record["Sns"]["Message"].encode() for event in _events("sns-") for record in event["Records"]]
    return messages + [
        base64.b64decode(record["data"]) for event in _events("firehose-") for record in event["records"]
    ]


def seeds(target: str) -> list[bytes]:
    """Return valid inputs of a target, and the invalid ones of ``events/`` and ``regressions/``."""
    echo = build_prediction(
        field_value(TARGET), model="m", expected_error=EXPECTED_ERROR, asked_at="2026-11-23T06:38:40Z"
    )
    messages = [
        *_messages(),
        f"{json.dumps(make_sample())}\n{make_csv_row()}\n{json.dumps(make_sample(prediction=echo))}".encode(),
    ]
    requests = [event["body"].encode() for event in _events("api-predictions") if event.get("body")]
    requests.append(json.dumps({"features": make_features()}).encode())
    requests.append(json.dumps({"fc_id": "fc-1", "robot_id": "robot-1", "instances": [make_features()]}).encode())
    queries = [
        unquote(event["queryStringParameters"]["features"]).encode()
        for event in _events("api-liveinference")
        if event.get("queryStringParameters")
    ]
    queries.append(",".join(map(str, make_features().values())).encode())
    seeds_by_target = {
        "line": [line for message in messages for line in message.split(b"\n")],
        "message": messages,
        "request": requests,
        "query": queries,
        "transform": [*messages, b"\0".join(messages)],
        "api": [
            *(b"t" + request for request in requests),
            *(b"b" + request for request in requests),
            *(b"q" + query for query in queries),
        ],
    }
    return seeds_by_target[target] + regressions(target)


def regressions(target: str) -> list[bytes]:
    """Return inputs that once violated an assertion of this target."""
    folder = REGRESSIONS / target
    return [path.read_bytes() for path in sorted(folder.iterdir())] if folder.is_dir() else []


def words() -> list[str]:
    """Return words for mutations: names of the contract, and JSON that parsers often mishandle."""
    result = [f'"{field.rpartition(".")[2]}":' for field in sorted(FIELDS)]
    result += ["null", "true", "NaN", "Infinity", "-0", "1e400", "1e-7", "0x1", "9223372036854775808", "[]", "{}", '""']
    result += ["\\ud800", "\\u0000", "\\n", "2026-11-23T06:39:00Z", "+14:00", "1999-12-31", "/*", "\ufeff", ","]
    return result
