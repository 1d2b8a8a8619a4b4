"""Signatures and throttling of HTTP APIs."""

from __future__ import annotations

import pytest

from local_aws.apigateway.admission import TokenBucket, is_signed, throttling_limits


def test_token_bucket_allows_burst_then_steady_rate() -> None:
    bucket = TokenBucket(rate=10, burst=3, tokens=3, updated_at=0)
    assert [bucket.take(0) for _ in range(5)] == [True, True, True, False, False]
    assert [bucket.take(0.1), bucket.take(0.1), bucket.take(0.2)] == [True, False, True]


def test_token_bucket_after_long_pause_holds_one_burst() -> None:
    bucket = TokenBucket(rate=10, burst=3, tokens=0, updated_at=0)
    assert sum(bucket.take(60) for _ in range(10)) == 3


@pytest.mark.parametrize(
    "names", [("ThrottlingRateLimit", "ThrottlingBurstLimit"), ("throttlingRateLimit", "throttlingBurstLimit")]
)
def test_limits_are_read_in_both_spellings(names: tuple[str, str]) -> None:
    assert throttling_limits({"defaultRouteSettings": dict(zip(names, ("500", 900), strict=True))}) == (500, 900)


def test_stage_without_limits_has_none() -> None:
    assert throttling_limits({"defaultRouteSettings": {"DetailedMetricsEnabled": True}}) is None
    assert throttling_limits({}) is None


SIGNED = "AWS4-HMAC-SHA256 Credential=test/20261123/us-east-1/execute-api/aws4_request, SignedHeaders=host, Signature=0"


def test_only_a_signature_for_api_gateway_counts() -> None:
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
