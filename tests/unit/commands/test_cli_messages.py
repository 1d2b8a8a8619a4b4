"""What an operator types and reads: times, and errors that say what to do."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, NoRegionError
from hypothesis import given
from hypothesis import strategies as st

from dwell.console.aws_errors import explain
from dwell.console.times import parse_since

NOW = datetime(2026, 11, 23, 6, 39, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("90m", NOW - timedelta(minutes=90)),
        ("24h", NOW - timedelta(days=1)),
        ("7d", NOW - timedelta(days=7)),
        ("2026-11-23", datetime(2026, 11, 23, tzinfo=UTC)),
        ("2026-11-23T06:00:00+01:00", datetime(2026, 11, 23, 5, tzinfo=UTC)),
    ],
)
def test_parse_since_accepts_times_and_ages(text: str, at: datetime) -> None:
    assert parse_since(text, now=NOW) == at


def test_parse_since_with_other_text_raises() -> None:
    with pytest.raises(ValueError, match="'yesterday' is neither"):
        parse_since("yesterday", now=NOW)


@pytest.mark.parametrize("text", ["999999d", "0001-01-01T00:00:00+05:00", "9999-12-31T23:00:00-05:00"])
def test_parse_since_outside_of_the_calendar_raises(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"{text!r} is before the calendar begins, or after its end")):
        parse_since(text, now=NOW)


@given(text=st.from_regex(r"[0-9]{1,7}[smhd]", fullmatch=True) | st.datetimes().map(str) | st.text(max_size=30))
def test_parse_since_returns_utc_or_raises_value_error(text: str) -> None:
    with suppress(ValueError):
        assert parse_since(text, now=NOW).utcoffset() == timedelta(0)


def of_service(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "because"}}, "PutObject")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (NoCredentialsError(), "no AWS credentials .*dwell local env"),
        (NoRegionError(), "no AWS region .*dwell local env"),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), "Is AWS_ENDPOINT_URL right"),
        (
            ClientError({"Error": {"Code": "AccessDenied", "Message": "because"}}, "PutObject"),
            "denied to PutObject: be",
        ),
        (
            ClientError({"Error": {"Code": "ExpiredToken", "Message": "late"}}, "PutObject"),
            "credentials .*ExpiredToken",
        ),
        (ClientError({"Error": {"Code": "Throttling", "Message": "slow"}}, "PutObject"), "Throttling.*slow"),
    ],
)
def test_errors_say_what_to_do(error: ClientError | NoCredentialsError, told: str) -> None:
    with pytest.raises(RuntimeError, match=told):
        raise RuntimeError(explain(error))
