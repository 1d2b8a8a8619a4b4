"""Recovery is read from a run's report: from when on live error stays back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from benchmarks.recovery import ReportError, compute_recovery_seconds


def make_report(errors: list[float], **changes: Any) -> dict[str, Any]:
    """The report of a run with a drift after 10 s, and with live error every 5 s."""
    start = datetime(2026, 11, 23, 6, tzinfo=UTC)
    return {
        "moments": [{"at": (start + timedelta(seconds=10)).isoformat(), "kind": "drift"}],
        "live_error": {"before_drift": 100.0, "noise_floor_before": 90.0, "noise_floor_after": 99.0},
        "error_series": [
            {"at": (start + timedelta(seconds=5 * index)).isoformat(), "error": error, "samples": 50}
            for index, error in enumerate(errors)
        ],
        **changes,
    }


def test_recovery_ends_with_the_first_interval_that_stays_low() -> None:
    # given an error of 100 before the drift, of which 121 is recovered (the noise floor rose), with one early dip
    errors = [100.0, 100, 200, 200, 120, 200, 118, 118, 130, 118, 118, 115, 115]
    # then one noisy interval alone does not delay recovery
    assert compute_recovery_seconds(make_report(errors)) == 25.0


@pytest.mark.parametrize(
    ("report", "message"),
    [
        (make_report([100, 100, *[200] * 9]), "did not come back"),
        (make_report([100] * 9), "never rose"),
        (make_report([100, 100, *[200] * 4, *[100] * 6], moments=[]), "no drift"),
    ],
)
def test_a_report_without_recovery_is_refused(report: dict[str, Any], message: str) -> None:
    with pytest.raises(ReportError, match=message):
        compute_recovery_seconds(report)
