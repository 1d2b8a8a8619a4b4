"""From the first drifted sample until live error is back within 10 %: on the laptop as played, on AWS as computed.

The laptop's figure comes from the report of a run (``make run``). Nobody can play AWS here: its figure is the sum of
the template's own periods and of start-up times that others measured, every wait at its longest (``dwell plan``).
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from dwell.capacity.load import Fleet
from dwell.capacity.recovery import recovery
from dwell.template import ROOT, template

if TYPE_CHECKING:
    from pathlib import Path

REPORT = ROOT / "build" / "run" / "report.json"
BACK = 1.10
"""Recovered: so much over what the error was before, in proportion to the noise floors of both worlds."""
TOGETHER = 5
FLEET = Fleet(200_000, 30)


class ReportError(ValueError):
    """The report is of a run without drift, or its live error did not recover."""


def laptop_seconds(report: dict[str, Any]) -> float:
    """Seconds from the drift to the end of the first interval from which on live error stays back.

    An interval of two seconds has some hundred samples, and errs by chance: what is looked at is each interval together
    with the ``TOGETHER - 1`` that follow. Raises ``ReportError``.
    """
    drift = next((one["at"] for one in report["moments"] if one["kind"] == "drift"), None)
    error = report["live_error"]
    if drift is None or error["before_drift"] is None:
        raise ReportError("the report tells of no drift after a model was live")
    at = datetime.fromisoformat(drift)
    allowed = BACK * error["before_drift"] * error["noise_floor_after"] / error["noise_floor_before"]
    series = report["error_series"]
    begins = [datetime.fromisoformat(one["at"]) for one in series]
    points = [(begin, _pooled(series[place : place + TOGETHER])) for place, begin in enumerate(begins)]
    points = points[: len(points) - TOGETHER + 1]
    length = min((later - earlier for (earlier, _), (later, _) in pairwise(points)), default=None)
    after = [(begin, value) for begin, value in points if begin >= at]
    high = [position for position, (_, value) in enumerate(after) if value > allowed]
    if length is None or not high:
        raise ReportError("the report's live error never rose above what it was before")
    if high[-1] == len(after) - 1:
        raise ReportError(f"live error did not come back below {allowed:,.0f}")
    back: timedelta = after[high[-1] + 1][0] + length - at
    return back.total_seconds()


def _pooled(intervals: list[dict[str, Any]]) -> float:
    """The error of several intervals, as if they were one."""
    samples = sum(one["samples"] for one in intervals)
    return float((sum(one["error"] ** 2 * one["samples"] for one in intervals) / samples) ** 0.5)


def recovery_laptop(path: Path = REPORT) -> list[float]:
    """Seconds, from the newest run's report. Raises ``FileNotFoundError`` or ``ReportError``."""
    return [laptop_seconds(json.loads(path.read_text()))]


def recovery_aws(profile: str = "prod") -> list[float]:
    """Minutes, for the largest fleet, with the parameters of a profile of samconfig.toml."""
    return [recovery(FLEET, template(profile)).seconds / 60]


def main() -> None:
    """Print both, the second for each profile that deploys to an account."""
    for profile in ("default", "prod"):
        found = recovery(FLEET, template(profile))
        told = ", ".join(f"{step.name} {step.seconds:,.0f} s" for step in found.steps)
        sys.stdout.write(f"AWS, {profile}: {found.seconds / 60:.1f} minutes ({told})\n")
    if REPORT.exists():
        sys.stdout.write(f"laptop: {recovery_laptop()[0]:.0f} seconds\n")
    else:
        sys.stdout.write(f"laptop: `make run` first, it writes {REPORT.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
