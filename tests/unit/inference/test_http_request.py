"""Parsing of requests of the HTTP API."""

from __future__ import annotations

import base64
import json

import pytest

from feature_schema import FEATURES, MAX_INSTANCES, InvalidInputError
from inference.http_request import MAX_BODY_BYTES, parse_body
from tests.factories.samples import field_value


@pytest.mark.parametrize(
    ("body", "is_base64", "reason"),
    [
        (None, False, "malformed"),
        ("", False, "malformed"),
        ("not base64!", True, "malformed"),
        ("YWJ", True, "malformed"),
        ("e3!0=", True, "malformed"),
        ("ü", True, "malformed"),
        ("\ud800", False, "malformed"),
        ("x" * (MAX_BODY_BYTES + 1), False, "too_long"),
        ("ü" * (MAX_BODY_BYTES // 2 + 1), False, "too_long"),
        ("x" * 2 * MAX_BODY_BYTES, True, "too_long"),
        (base64.b64encode(b"x" * (MAX_BODY_BYTES + 1)).decode(), True, "too_long"),
    ],
    ids=range(11),
)
def test_undecodable_body_is_rejected(body: str | None, is_base64: bool, reason: str) -> None:
    with pytest.raises(InvalidInputError) as raised:
        parse_body(body, is_base64=is_base64)
    assert raised.value.reason == reason


def test_largest_valid_request_is_parsed() -> None:
    largest = {feature.name: field_value(feature, 1) for feature in FEATURES}
    body = json.dumps({"instances": [largest] * MAX_INSTANCES}, indent=2)

    for encoded, is_base64 in ((body, False), (base64.b64encode(body.encode()).decode(), True)):
        assert len(parse_body(encoded, is_base64=is_base64).instances or ()) == MAX_INSTANCES
