"""How soon a loss is seen at a fleet's rate, by the windows that the monitor judges."""

from __future__ import annotations

import pytest

from dwell.capacity import detection
from dwell.capacity.detection import estimate_detection
from monitor import policy, step

ERROR_RATIO = 1.25


def test_windows_are_those_of_the_monitor() -> None:
    names = ["SHORT_MINUTES", "SHORT_WINDOWS", "MIN_SHORT_ROWS", "HOUR_MINUTES", "DAY_MINUTES", "MIN_LONG_ROWS"]
    names += ["STANDARD_ERRORS", "HOUR_SHARE", "DAY_SHARE"]
    for name in names:
        assert getattr(detection, name) == getattr(policy, name), name
    assert detection.MAX_ROWS_PER_OBJECT == step.MAX_ROWS


@pytest.mark.parametrize(
    ("ratio", "rows_per_minute", "window", "longest"),
    [
        (2.0, 1_000, "hour", 8),
        (2.0, 50, "hour", 30),
        (1.25, 1_000, "hour", 60),
        (1.10, 1_000, "day", 15 * 60),
        (1.05, 1_000, "day", 24 * 60),
        (1.10, 50, "day", 20 * 60),
    ],
)
def test_loss_is_seen_within_its_goal(ratio: float, rows_per_minute: float, window: str, longest: float) -> None:
    seen = estimate_detection(ratio, rows_per_minute, ERROR_RATIO)
    assert seen is not None
    assert seen.name == window
    assert seen.minutes <= longest


@pytest.mark.parametrize(("ratio", "rows_per_minute"), [(1.02, 1_000), (1.0, 1_000), (2.0, 1)])
def test_loss_that_no_window_sees_is_never_seen(ratio: float, rows_per_minute: float) -> None:
    assert estimate_detection(ratio, rows_per_minute, ERROR_RATIO) is None


def test_larger_loss_is_seen_earlier() -> None:
    delays = [seen.minutes for ratio in (1.05, 1.1, 1.25, 2.0) if (seen := estimate_detection(ratio, 1_000, 1.25))]
    assert len(delays) == 4
    assert delays == sorted(delays, reverse=True)
