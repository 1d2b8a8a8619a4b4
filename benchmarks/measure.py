"""Rows of the report, and how a ratio is measured: both sides in turns, the median of the turns."""

from __future__ import annotations

import gc
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REPEATS = 7
"""Turns of each side, unless a row needs more."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the report."""

    name: str
    goal: str
    """As ``>= 9`` or ``<= 0.5``."""
    unit: str
    """What the ratio is of."""
    measure: Callable[[], Sequence[float]]
    """Answers the ratio of each turn."""


ROWS: dict[str, Row] = {}


def row(name: str, *, goal: str, unit: str) -> Callable[[Callable[[], Sequence[float]]], Callable[[], Sequence[float]]]:
    """Make a function that answers the ratio of each turn a row of the report."""

    def register(measure: Callable[[], Sequence[float]]) -> Callable[[], Sequence[float]]:
        if name in ROWS:
            raise ValueError(f"two rows are called {name}")
        ROWS[name] = Row(name, goal, unit, measure)
        return measure

    return register


def figure(value: float) -> str:
    """A figure with three digits, or all there are before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}"


def meets(ratio: float, goal: str) -> bool:
    """Whether a ratio meets a goal."""
    sense, bound = goal.split()
    return ratio >= float(bound) if sense == ">=" else ratio <= float(bound)


def entry(of: Row, ratios: Sequence[float]) -> dict[str, Any]:
    """A row's entry in the report: the median of its turns, and the range of the middle half of them."""
    low, median, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else [ratios[0]] * 3
    return {"ratio": median, "goal": of.goal, "low": low, "high": high, "unit": of.unit}


def seconds(work: Callable[[], object]) -> float:
    """How long a piece of work takes, wall clock."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def cpu_seconds(work: Callable[[], object]) -> float:
    """How long a piece of work keeps a core busy: what others do on this machine meanwhile does not count."""
    began = time.process_time()
    work()
    return time.process_time() - began


def in_turns(*sides: Callable[[], float], repeats: int = REPEATS) -> list[tuple[float, ...]]:
    """What each side answers, in turns, after one turn that does not count."""
    # what the benchmark itself has imported is no part of either side's heap, and not for their garbage collections
    gc.collect()
    gc.freeze()
    turns = [tuple(side() for side in sides) for _ in range(repeats + 1)]
    return turns[1:]


def over(turns: Sequence[tuple[float, ...]], above: int = 0, below: int = 1) -> list[float]:
    """Of each turn, one side over another."""
    return [turn[above] / turn[below] for turn in turns]
