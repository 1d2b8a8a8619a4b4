"""Usage is priced as AWS bills it."""

from __future__ import annotations

import pytest

from benchmarks.cost import Usage, compute_cost_per_million


def test_the_workshops_path_pays_for_every_sample() -> None:
    """Each sample is a publish, an invocation and a record of Firehose, which is billed as 5 KB."""
    usage = Usage(samples=10, publishes=[300] * 10, invocations=10, gb_seconds=0.0, delivered_records=[300] * 10)

    costs = compute_cost_per_million(usage)

    assert costs["sns"] == pytest.approx(0.50)
    assert costs["lambda"] == pytest.approx(0.20)
    assert costs["firehose"] == pytest.approx(5_120 / 1e9 * 1e6 * 0.029)
    assert (costs["kinesis"], costs["s3"], costs["logs"]) == (0, 0, 0)


def test_packed_samples_share_the_cost_of_a_message() -> None:
    size = 40_000
    usage = Usage(
        samples=80, publishes=[size], invocations=2, gb_seconds=0.01, stream_records=[size], delivered_records=[size],
        objects=1, log_events=4, log_bytes=1_000,
    )  # fmt: skip

    costs = compute_cost_per_million(usage)

    factor = 1e6 / 80
    assert costs["sns"] == pytest.approx(0.50 / 80)
    assert costs["lambda"] == pytest.approx((2 * 0.20 / 1e6 + 0.01 * 0.0000133334) * factor)
    assert costs["kinesis"] == pytest.approx((2 * 0.014 / 1e6 + size / 1_000_000 / 3_600 * 0.015) * factor)
    assert costs["firehose"] == pytest.approx(8 * 5_120 / 1e9 * 0.029 * factor)
    assert costs["s3"] == pytest.approx(0.005 / 1_000 * factor)
    assert costs["logs"] == pytest.approx((1_000 + 4 * 26) / 1e9 * 0.50 * factor)


def test_a_message_over_64_kilobytes_costs_two_publishes() -> None:
    usage = Usage(samples=1, publishes=[65_537], invocations=0, gb_seconds=0.0)
    assert compute_cost_per_million(usage)["sns"] == pytest.approx(1.00)
