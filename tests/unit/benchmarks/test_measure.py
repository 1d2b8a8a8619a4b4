"""Both sides are measured alternately, and the report contains the median of the turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.measure import (
    BenchmarkCase,
    build_entry,
    compute_ratios,
    format_figure,
    measure_alternately,
    meets_goal,
)
from benchmarks.page import render_page

if TYPE_CHECKING:
    from collections.abc import Callable


def test_sides_are_measured_alternately_after_a_warm_up_turn() -> None:
    order: list[str] = []

    def make_side(name: str, value: float) -> Callable[[], float]:
        return lambda: order.append(name) or value  # type: ignore[func-returns-value]

    turns = measure_alternately(make_side("ours", 2.0), make_side("theirs", 6.0), repeats=3)

    assert order == ["ours", "theirs"] * 4
    assert compute_ratios(turns, 1, 0) == [3.0] * 3


@pytest.mark.parametrize(
    ("ratio", "goal", "is_met"),
    [(9, ">= 9", True), (8.9, ">= 9", False), (0.5, "<= 0.5", True), (0.51, "<= 0.5", False)],
)
def test_a_goal_is_met_in_its_direction(ratio: float, goal: str, *, is_met: bool) -> None:
    assert meets_goal(ratio, goal) is is_met


def test_an_entry_has_the_median_and_the_quartiles() -> None:
    case = BenchmarkCase("speed", ">= 2", "x slow", list)
    assert build_entry(case, [1.0, 2.0, 3.0, 4.0, 100.0]) == {
        "ratio": 3.0, "goal": ">= 2", "low": 1.5, "high": 52.0, "unit": "x slow",
    }  # fmt: skip
    assert build_entry(case, [7.0])["low"] == 7.0


@pytest.mark.parametrize(("value", "text"), [(1.0046, "1.00"), (0.0232, "0.0232"), (9.996, "10.0"), (1573.4, "1,573")])
def test_a_figure_has_three_digits(value: float, text: str) -> None:
    assert format_figure(value) == text


def test_the_page_shows_every_case_escaped() -> None:
    case = BenchmarkCase("speed", ">= 2", "x <slow>", list)
    html = render_page({"speed": build_entry(case, [3.0])})
    assert "<td>speed</td><td>3.00</td>" in html
    assert "x &lt;slow&gt;" in html
