"""What fuzzing starts from: lines, messages and requests, of ``events/`` and of this schema, and the words in them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from tests.factories.samples import make_csv_row, make_features, make_sample
from tests.fuzz.targets import FIELDS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
FOUND = Path(__file__).with_name("found")
"""Inputs that broke a promise once, in a folder for each target: tests from then on."""


def _events(prefix: str) -> Iterator[dict[str, Any]]:
    for path in sorted((ROOT / "events").glob(f"{prefix}*.json")):
        yield json.loads(path.read_text(encoding="utf-8"))


def _messages() -> list[bytes]:
    said = [record["Sns"]["Message"].encode() for event in _events("sns-") for record in event["Records"]]
    return said + [base64.b64decode(one["data"]) for event in _events("firehose-") for one in event["records"]]


def seeds(target: str) -> list[bytes]:
    """Good inputs of a target, and the bad ones of ``events/`` and ``found/``."""
    messages = [*_messages(), f"{json.dumps(make_sample())}\n{make_csv_row()}".encode()]
    requests = [event["body"].encode() for event in _events("api-predictions") if event.get("body")]
    requests.append(json.dumps({"features": make_features()}).encode())
    queries = [
        unquote(event["queryStringParameters"]["features"]).encode()
        for event in _events("api-liveinference")
        if event.get("queryStringParameters")
    ]
    queries.append(",".join(map(str, make_features().values())).encode())
    own = {
        "line": [line for message in messages for line in message.split(b"\n")],
        "message": messages,
        "request": requests,
        "query": queries,
        "transform": [*messages, b"\0".join(messages)],
        "api": [*(b"t" + one for one in requests), *(b"b" + one for one in requests), *(b"q" + one for one in queries)],
    }
    return own[target] + found(target)


def found(target: str) -> list[bytes]:
    """What broke a promise of this target once."""
    folder = FOUND / target
    return [path.read_bytes() for path in sorted(folder.iterdir())] if folder.is_dir() else []


def words() -> list[str]:
    """Pieces that mutations are made of: the contract's names, and what JSON readers stumble over."""
    pieces = [f'"{field.rpartition(".")[2]}":' for field in sorted(FIELDS)]
    pieces += ["null", "true", "NaN", "Infinity", "-0", "1e400", "1e-7", "0x1", "9223372036854775808", "[]", "{}", '""']
    pieces += ["\\ud800", "\\u0000", "\\n", "2026-11-23T06:39:00Z", "+14:00", "1999-12-31", "/*", "\ufeff", ","]
    return pieces
