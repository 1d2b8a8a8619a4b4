"""The report as a page: how far each ratio is from its goal."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from benchmarks.measure import figure, meets

if TYPE_CHECKING:
    from collections.abc import Mapping

MEETS, MISSES = "#1b7f4d", "#b3541e"


def page(report: Mapping[str, Mapping[str, Any]]) -> str:
    """An HTML page that needs nothing else, from a report as it is stored."""
    chart = _chart(report).to_html(full_html=False, include_plotlyjs=True)
    cells = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{figure(one['ratio'])}</td><td>{figure(one['low'])} to "
        f"{figure(one['high'])}</td><td>{html.escape(one['goal'])}</td><td>{html.escape(one['unit'])}</td></tr>"
        for name, one in report.items()
    )
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Dwell: fast and cheap</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}}
td:nth-child(4){{white-space:nowrap}}td,th{{padding:.2rem .8rem;text-align:left;border-bottom:1px solid #ddd}}</style>
<h1>Fast and cheap</h1>
<p>Every figure is a ratio of two things measured in turns in one run: the median, and the middle half of the turns.
Baselines are what one would have otherwise.</p>
{chart}
<table><tr><th>row</th><th>ratio</th><th>middle half</th><th>goal</th><th>of</th></tr>{cells}</table>
</html>
"""


def _chart(report: Mapping[str, Mapping[str, Any]]) -> go.Figure:
    names = list(report)[::-1]
    reached = [_reached(report[name]["ratio"], report[name]["goal"]) for name in names]
    chart = go.Figure(
        go.Bar(
            x=reached,
            y=names,
            orientation="h",
            marker_color=[MEETS if meets(report[name]["ratio"], report[name]["goal"]) else MISSES for name in names],
            text=[f"{figure(report[name]['ratio'])}  (goal {report[name]['goal']})" for name in names],
            textposition="outside",
            cliponaxis=False,
        )
    )
    chart.add_vline(x=1, line_dash="dash")
    # an annotation on an axis of logarithms is placed by the logarithm
    chart.add_annotation(x=0, y=1, yref="paper", text="goal", showarrow=False, yanchor="bottom")
    chart.update_layout(
        xaxis={
            "title": "ratio over its goal, or goal over ratio where less is better",
            "type": "log",
            "tickvals": [0.1, 0.2, 0.3, 0.5, 1, 2, 3, 5, 10],
        },
        margin={"l": 200, "r": 160, "t": 40},
        height=60 + 34 * len(names),
        template="plotly_white",
    )
    return chart


def _reached(ratio: float, goal: str) -> float:
    """How much of the goal is reached: 1 or more meets it, whichever way it points."""
    sense, bound = goal.split()
    return ratio / float(bound) if sense == ">=" else float(bound) / ratio
