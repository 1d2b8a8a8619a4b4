"""A query parameter is parsed, or refused with a reason."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leaderboard.query import InvalidQueryError, parse_limit


@pytest.mark.parametrize(
    ("parameters", "limit"),
    [(None, 20), ({}, 20), ({"limit": "1"}, 1), ({"limit": "100"}, 100), ({"other": "x"}, 20)],
)
def test_the_limit_is_optional(parameters: dict[str, str] | None, limit: int) -> None:
    assert parse_limit({"queryStringParameters": parameters}) == limit


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0", "out_of_range:limit"),
        ("101", "out_of_range:limit"),
        ("-1", "out_of_range:limit"),
        ("", "wrong_type:limit"),
        ("5.0", "wrong_type:limit"),
        ("five", "wrong_type:limit"),
        ("5,6", "wrong_type:limit"),
        ("9" * 5_000, "wrong_type:limit"),
        ("٣", "wrong_type:limit"),
    ],
)
def test_an_invalid_limit_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidQueryError) as raised:
        parse_limit({"queryStringParameters": {"limit": text}})
    assert raised.value.reason == reason


@given(st.text())
def test_any_text_is_a_limit_or_is_refused(text: str) -> None:
    with suppress(InvalidQueryError):
        assert 1 <= parse_limit({"queryStringParameters": {"limit": text}}) <= 100
