"""``python -m benchmarks.alarm_quality [--short]``: years without drift, and drifts of every size, for three fleets."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.alarm_quality import detectors
from benchmarks.alarm_quality.fleets import CONDITIONS, DAY_MINUTES, Conditions, draw_minutes, error_scale
from benchmarks.alarm_quality.page import page
from benchmarks.alarm_quality.residuals import Moments, moments, robot_residuals, with_stops
from dwell.local.emulator_process import ROOT

if TYPE_CHECKING:
    from benchmarks.alarm_quality.fleets import Minutes
    from benchmarks.alarm_quality.residuals import Floats

FOLDER = ROOT / "build" / "alarm-quality"
FLEETS = (50, 1_000, 200_000)
SEGMENTS_FLEET = 1_000
"""The fleet whose centres are judged, too, in its first year of each kind: following them takes a minute a year."""
CALM_DAYS = 2
"""Days before a drift begins, so that a day's window is full."""
BUFFER_MINUTES = 1
"""Firehose's transform and delivery buffers of 30 s each; CloudWatch's own delay comes on top."""
CYCLE = Conditions("cycle of 5 %", cycle=0.05)

DRIFTS: dict[str, tuple[float, int, dict[int, float]]] = {
    "+5 %": (1.05, 4, {1_000: 24 * 60, 200_000: 24 * 60}),
    "+10 %": (1.10, 3, {50: 20 * 60, 1_000: 15 * 60, 200_000: 15 * 60}),
    "+25 %": (1.25, 2, {1_000: 60, 200_000: 60}),
    "+100 %": (2.0, 1, {50: 30, 1_000: 10, 200_000: 10}),
    "+1 % a day": (0.01, 12, {1_000: 5.5 * 24 * 60, 200_000: 5.5 * 24 * 60}),
}
"""Error ratio (or growth a day), days to look, and the goal for the 95th percentile of the delay in minutes."""
ONE_CENTRE = "one centre of 12 % x 1.7"


def main(arguments: list[str]) -> None:
    """Simulate, judge, and write the report. ``--short`` takes fewer seeds and a quarter of a year."""
    is_short = "--short" in arguments
    began = time.monotonic()
    centres, predicted, durations = robot_residuals()
    tails = {
        False: moments(centres, predicted - durations),
        True: moments(centres, with_stops(predicted, durations)),
    }
    report: dict[str, Any] = {
        "standard_deviation": {"base": tails[False].standard_deviation, "stops": tails[True].standard_deviation},
        "false_alarms": _false_alarms(tails, days=90 if is_short else 365, seeds=(11,) if is_short else (11, 12, 13)),
        "delays": _delays(tails[False], repetitions=10 if is_short else 60),
        "peers": {} if is_short else _peers(tails),
    }
    report["passed"] = all(
        entry["passed"]
        for kind in ("false_alarms", "delays")
        for fleet in report[kind].values()
        for entry in fleet.values()
    )
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (FOLDER / "report.html").write_text(page(report), encoding="utf-8")
    sys.stdout.write(f"{FOLDER / 'report.html'} ({time.monotonic() - began:.0f} s)\n")
    sys.exit(0 if report["passed"] else 1)


def _false_alarms(tails: dict[bool, Moments], *, days: int, seeds: tuple[int, ...]) -> dict[str, Any]:
    """Alarms a year without drift, by fleet and conditions; the goal is at most one."""
    found: dict[str, Any] = {}
    for robots in FLEETS:
        for conditions in CONDITIONS:
            strongest, alarms = 0.0, 0
            for seed in seeds:
                rng = np.random.default_rng((seed, robots, len(conditions.name)))
                scale = error_scale(conditions, days * DAY_MINUTES, rng)
                minutes = draw_minutes(robots, scale, conditions, tails[conditions.has_stops], rng)
                has_segments = robots == SEGMENTS_FLEET and seed == seeds[0]
                strengths = detectors.evidence_strengths(minutes, every=2, has_segments=has_segments)
                alarms += len(detectors.apart(np.flatnonzero(strengths > 1)))
                strongest = max(strongest, float(strengths.max()))
            a_year = alarms * 365 / (days * len(seeds))
            entry = {"alarms_a_year": a_year, "strongest": strongest, "passed": a_year <= 1}
            found.setdefault(str(robots), {})[conditions.name] = entry
            _say(
                f"{robots:>7} robots, {conditions.name:22} {a_year:.1f} alarms a year, strongest {strongest:.3f}", entry
            )
    return found


def _delays(tail: Moments, *, repetitions: int) -> dict[str, Any]:
    """Minutes from a drift to the alarm, buffers included, by fleet and drift."""
    found: dict[str, Any] = {}
    for robots in FLEETS:
        for name, (ratio, days, goals) in DRIFTS.items():
            delays = [_delay(_drifted(robots, ratio, days, tail, seed)) for seed in range(repetitions)]
            found.setdefault(str(robots), {})[name] = _delay_entry(robots, name, delays, goals.get(robots))
        if robots >= 1_000:
            delays = [_delay(_slow_centre(robots, tail, seed), has_segments=True) for seed in range(repetitions)]
            found[str(robots)][ONE_CENTRE] = _delay_entry(robots, ONE_CENTRE, delays, 40)
    return found


def _delay_entry(robots: int, name: str, delays: list[float], goal: float | None) -> dict[str, Any]:
    median, late = float(np.median(delays)), float(np.percentile(delays, 95))
    entry = {
        "median_minutes": median,
        "p95_minutes": late,
        "goal_minutes": goal,
        "passed": goal is None or late <= goal,
    }
    wanted = "" if goal is None else f" (goal {goal:.0f})"
    _say(f"{robots:>7} robots, {name:22} median {median:.0f} min, 95 % within {late:.0f} min{wanted}", entry)
    return entry


def _drifted(robots: int, ratio: float, days: int, tail: Moments, seed: int) -> Minutes:
    rng = np.random.default_rng((seed, robots))
    minutes = (CALM_DAYS + days) * DAY_MINUTES
    scale = error_scale(CYCLE, minutes, rng)
    start = CALM_DAYS * DAY_MINUTES
    since = np.arange(minutes - start) / DAY_MINUTES
    scale[start:] *= (1 + ratio) ** since if ratio < 1 else ratio
    return draw_minutes(robots, scale, CYCLE, tail, rng)


def _slow_centre(robots: int, tail: Moments, seed: int) -> Minutes:
    rng = np.random.default_rng((seed, robots))
    minutes = (CALM_DAYS + 1) * DAY_MINUTES
    slow: Floats = np.where(np.arange(minutes) < CALM_DAYS * DAY_MINUTES, 1.0, 1.7)
    return draw_minutes(robots, error_scale(CYCLE, minutes, rng), CYCLE, tail, rng, slow_centre=slow)


def _delay(minutes: Minutes, *, has_segments: bool = False) -> float:
    start = CALM_DAYS * DAY_MINUTES
    strengths = detectors.evidence_strengths(minutes, has_segments=has_segments)[start:]
    above = np.flatnonzero(strengths > 1)
    return float(above[0] + 1 + BUFFER_MINUTES) if len(above) else float("inf")


def _peers(tails: dict[bool, Moments]) -> dict[str, Any]:
    """River's grid at 1,000 robots: false alarms a year over all conditions, and the 95th percentile of each delay."""
    found: dict[str, Any] = {}
    for name, (make, step) in detectors.RIVER_GRID.items():
        worst = 0
        for conditions in CONDITIONS:
            rng = np.random.default_rng((11, 1_000, len(conditions.name)))
            scale = error_scale(conditions, 365 * DAY_MINUTES, rng)
            minutes = draw_minutes(1_000, scale, conditions, tails[conditions.has_stops], rng)
            worst = max(worst, len(detectors.river_alarms(minutes, make, step)))
        delays = {}
        for drift, (ratio, days, _) in DRIFTS.items():
            found_at = []
            for seed in range(20):
                alarms = detectors.river_alarms(_drifted(1_000, ratio, days, tails[False], seed), make, step)
                later = alarms[alarms >= CALM_DAYS * DAY_MINUTES] - CALM_DAYS * DAY_MINUTES
                found_at.append(float(later[0] + 1 + BUFFER_MINUTES) if len(later) else float("inf"))
            delays[drift] = float(np.percentile(found_at, 95, method="higher"))
        found[name] = {"worst_alarms_a_year": worst, "p95_minutes": delays}
        sys.stdout.write(f"{name:50} {worst:4} alarms a year, {delays}\n")
        sys.stdout.flush()
    return found


def _say(line: str, entry: dict[str, Any]) -> None:
    sys.stdout.write(f"{line}: {'meets' if entry['passed'] else 'MISSES'}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
