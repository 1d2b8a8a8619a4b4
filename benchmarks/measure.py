"""Benchmark cases, and how a ratio is measured: both sides alternately, then the median over the turns."""

from __future__ import annotations

import gc
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REPEATS = 7
"""Turns of each side, unless a case needs more."""


@dataclass(frozen=True, slots=True)
class BenchmarkCase:
    """One row of the report."""

    name: str
    goal: str
    """``>=`` or ``<=`` and a number, such as ``>= 9``."""
    unit: str
    """What the ratio compares."""
    measure: Callable[[], Sequence[float]]
    """Returns the ratio of each turn."""


CASES: dict[str, BenchmarkCase] = {}
"""The registered cases by name, in the order of their modules."""

type Measure = Callable[[], Sequence[float]]


def benchmark_case(name: str, *, goal: str, unit: str) -> Callable[[Measure], Measure]:
    """Register a function that returns the ratio of each turn. Raises ``ValueError`` if the name is taken."""

    def register(measure: Measure) -> Measure:
        if name in CASES:
            raise ValueError(f"two benchmark cases are called {name}")
        CASES[name] = BenchmarkCase(name, goal, unit, measure)
        return measure

    return register


def format_figure(value: float) -> str:
    """Format with three significant digits, or all digits before the decimal point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}"


def meets_goal(ratio: float, goal: str) -> bool:
    """Whether a ratio meets a goal."""
    operator, bound = goal.split()
    return ratio >= float(bound) if operator == ">=" else ratio <= float(bound)


def build_entry(case: BenchmarkCase, ratios: Sequence[float]) -> dict[str, Any]:
    """Return the case's entry in the report: the median of its turns, and their lower and upper quartile."""
    low, median, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else [ratios[0]] * 3
    return {"ratio": median, "goal": case.goal, "low": low, "high": high, "unit": case.unit}


def measure_seconds(work: Callable[[], object]) -> float:
    """Return the wall-clock time of a call in seconds."""
    started_at = time.perf_counter()
    work()
    return time.perf_counter() - started_at


def measure_cpu_seconds(work: Callable[[], object]) -> float:
    """Return the processor time of a call in seconds, which other processes do not influence."""
    started_at = time.process_time()
    work()
    return time.process_time() - started_at


def measure_alternately(*sides: Callable[[], float], repeats: int = REPEATS) -> list[tuple[float, ...]]:
    """Call the sides alternately and return their results of each turn; a first turn warms up and is dropped."""
    # Freezing keeps the benchmark's own objects out of the garbage collections of both sides.
    gc.collect()
    gc.freeze()
    turns = [tuple(side() for side in sides) for _ in range(repeats + 1)]
    return turns[1:]


def compute_ratios(turns: Sequence[tuple[float, ...]], numerator: int = 0, denominator: int = 1) -> list[float]:
    """Return, for each turn, the result of one side divided by that of another; sides are given by their index."""
    return [turn[numerator] / turn[denominator] for turn in turns]
