"""From the first drifted sample until live error is back within 10 %: measured on the laptop, computed for AWS.

The laptop's figure comes from the report of a run (``make run``). The figure for AWS is computed (``dwell plan``): the
sum of the template's own periods and of published start-up times, each wait at its longest.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from dwell.capacity.load import FleetProfile
from dwell.capacity.recovery import estimate_recovery
from dwell.template import ROOT, load_template

if TYPE_CHECKING:
    from pathlib import Path

REPORT = ROOT / "build" / "run" / "report.json"
MAX_ERROR_RATIO = 1.10
"""Live error counts as recovered below this ratio to the error before the drift, relative to both noise floors."""
POOLED_INTERVALS = 5
"""Consecutive intervals that are judged together."""
FLEET = FleetProfile(200_000, 30)


class ReportError(ValueError):
    """The report is of a run without drift, or its live error did not recover."""


def compute_recovery_seconds(report: dict[str, Any]) -> float:
    """Return the seconds from the drift to the end of the first interval from which on live error stays recovered.

    An interval of 2 s has some hundred samples, so its error is noisy: each interval is judged together with the
    ``POOLED_INTERVALS - 1`` that follow. Raises ``ReportError``.
    """
    drift = next((moment["at"] for moment in report["moments"] if moment["kind"] == "drift"), None)
    error = report["live_error"]
    if drift is None or error["before_drift"] is None:
        raise ReportError("the report contains no drift after a model was live")
    drifted_at = datetime.fromisoformat(drift)
    max_error = MAX_ERROR_RATIO * error["before_drift"] * error["noise_floor_after"] / error["noise_floor_before"]
    series = report["error_series"]
    starts = [datetime.fromisoformat(interval["at"]) for interval in series]
    points = [(start, _pool(series[index : index + POOLED_INTERVALS])) for index, start in enumerate(starts)]
    points = points[: len(points) - POOLED_INTERVALS + 1]
    length = min((later - earlier for (earlier, _), (later, _) in pairwise(points)), default=None)
    after_drift = [(start, value) for start, value in points if start >= drifted_at]
    high_indexes = [index for index, (_, value) in enumerate(after_drift) if value > max_error]
    if length is None or not high_indexes:
        raise ReportError("the report's live error never rose above its level before the drift")
    if high_indexes[-1] == len(after_drift) - 1:
        raise ReportError(f"live error did not come back below {max_error:,.0f}")
    duration: timedelta = after_drift[high_indexes[-1] + 1][0] + length - drifted_at
    return duration.total_seconds()


def _pool(intervals: list[dict[str, Any]]) -> float:
    """Return the error of several intervals together, weighted by their samples."""
    samples = sum(interval["samples"] for interval in intervals)
    return float((sum(interval["error"] ** 2 * interval["samples"] for interval in intervals) / samples) ** 0.5)


def measure_laptop_recovery(path: Path = REPORT) -> list[float]:
    """Return the seconds of the newest run's report. Raises ``FileNotFoundError`` or ``ReportError``."""
    return [compute_recovery_seconds(json.loads(path.read_text()))]


def compute_aws_recovery(profile: str = "prod") -> list[float]:
    """Return the minutes for the largest fleet, with the parameters of a profile of samconfig.toml."""
    return [estimate_recovery(FLEET, load_template(profile)).seconds / 60]


def main() -> None:
    """Print the figures for the laptop and for each profile that deploys to an account."""
    for profile in ("default", "prod"):
        result = estimate_recovery(FLEET, load_template(profile))
        steps = ", ".join(f"{step.name} {step.seconds:,.0f} s" for step in result.steps)
        sys.stdout.write(f"AWS, {profile}: {result.seconds / 60:.1f} minutes ({steps})\n")
    if REPORT.exists():
        sys.stdout.write(f"laptop: {measure_laptop_recovery()[0]:.0f} seconds\n")
    else:
        sys.stdout.write(f"laptop: `make run` first, it writes {REPORT.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
