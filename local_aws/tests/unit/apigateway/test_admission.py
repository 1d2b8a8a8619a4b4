"""Which requests a route of the emulator's HTTP APIs admits, and how many."""

from __future__ import annotations

import pytest

from local_aws.apigateway.admission import TokenBucket, is_signed, limits


def test_a_burst_is_admitted_and_then_the_steady_rate() -> None:
    bucket = TokenBucket(rate=10, burst=3, tokens=3, at=0)
    assert [bucket.take(0) for _ in range(5)] == [True, True, True, False, False]
    assert [bucket.take(0.1), bucket.take(0.1), bucket.take(0.2)] == [True, False, True]


def test_a_pause_saves_no_more_than_a_burst() -> None:
    bucket = TokenBucket(rate=10, burst=3, tokens=0, at=0)
    assert sum(bucket.take(60) for _ in range(10)) == 3


@pytest.mark.parametrize(
    "names", [("ThrottlingRateLimit", "ThrottlingBurstLimit"), ("throttlingRateLimit", "throttlingBurstLimit")]
)
def test_a_stage_says_its_limits_in_either_spelling(names: tuple[str, str]) -> None:
    assert limits({"defaultRouteSettings": dict(zip(names, ("500", 900), strict=True))}) == (500, 900)


def test_a_stage_without_limits_admits_all() -> None:
    assert limits({"defaultRouteSettings": {"DetailedMetricsEnabled": True}}) is None
    assert limits({}) is None


SIGNED = "AWS4-HMAC-SHA256 Credential=test/20261123/us-east-1/execute-api/aws4_request, SignedHeaders=host, Signature=0"


def test_a_signature_for_the_api_is_one_and_nothing_else_is() -> None:
    assert is_signed({"Authorization": SIGNED}, {})
    assert is_signed({"authorization": SIGNED}, {})
    assert is_signed({}, {"X-Amz-Signature": ["0"]})
    others = [
        SIGNED.replace("execute-api", "s3"),
        "Bearer token",
        "Basic dGVzdDp0ZXN0",
        "AWS test:0",
        "AWS4-HMAC-SHA256",
    ]
    for other in others:
        assert not is_signed({"authorization": other}, {"X-Amz-Signature": ["0"]})
    assert not is_signed({}, {})
