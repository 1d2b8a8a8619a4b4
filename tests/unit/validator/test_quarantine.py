"""Content and key of quarantine objects."""

from __future__ import annotations

import base64
import json

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.validator.factories import ARRIVED, make_rejected_line
from validator.quarantine import build_object, to_json_line


def test_json_line_contains_all_fields_for_replay() -> None:
    assert json.loads(to_json_line(make_rejected_line(b'{"a": "\xc3\xbc"', position=3))) == {
        "reason": "malformed",
        "detail": "not valid JSON",
        "raw": '{"a": "ü"',
        "message_id": "message-1",
        "position": 3,
        "received_at": "2026-11-23T06:39:00.789Z",
    }


def test_line_that_is_not_utf8_is_stored_in_base64() -> None:
    entry = json.loads(to_json_line(make_rejected_line(b"\xff\x00")))

    assert base64.b64decode(entry["raw_base64"]) == b"\xff\x00"
    assert "raw" not in entry


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5))
def test_object_has_one_json_line_per_rejected_line(lines: list[bytes]) -> None:
    key, body = build_object([make_rejected_line(line) for line in lines])

    entries = [json.loads(entry) for entry in body.splitlines()]
    raw = [entry["raw"].encode() if "raw" in entry else base64.b64decode(entry["raw_base64"]) for entry in entries]
    assert raw == lines
    assert key.startswith("quarantine/date=2026-11-23/hour=06/")
    assert key.endswith(".ndjson")


def test_key_depends_on_content() -> None:
    first, second = build_object([make_rejected_line()]), build_object([make_rejected_line()])
    other, _ = build_object([make_rejected_line(position=1)])

    assert first == second
    assert other != first[0]


def test_key_contains_hour_of_first_arrival() -> None:
    later = ARRIVED.replace(hour=7)
    key, _ = build_object([make_rejected_line(received_at=later), make_rejected_line(received_at=ARRIVED)])
    assert "/hour=06/" in key
