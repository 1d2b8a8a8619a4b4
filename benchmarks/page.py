"""The report as an HTML page: how each ratio compares with its goal."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from benchmarks.measure import format_figure, meets_goal

if TYPE_CHECKING:
    from collections.abc import Mapping

MET_COLOUR, MISSED_COLOUR = "#1b7f4d", "#b3541e"


def render_page(report: Mapping[str, Mapping[str, Any]]) -> str:
    """Render a stored report as a page that loads nothing else."""
    chart = _build_chart(report).to_html(full_html=False, include_plotlyjs=True)
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{format_figure(entry['ratio'])}</td>"
        f"<td>{format_figure(entry['low'])} to {format_figure(entry['high'])}</td>"
        f"<td>{html.escape(entry['goal'])}</td><td>{html.escape(entry['unit'])}</td></tr>"
        for name, entry in report.items()
    )
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Dwell: speed and cost</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}}
td:nth-child(4){{white-space:nowrap}}td,th{{padding:.2rem .8rem;text-align:left;border-bottom:1px solid #ddd}}</style>
<h1>Speed and cost</h1>
<p>Every figure is a ratio of two things measured alternately in one run: the median, and the range between the lower
and the upper quartile.</p>
{chart}
<table><tr><th>case</th><th>ratio</th><th>quartiles</th><th>goal</th><th>unit</th></tr>{rows}</table>
</html>
"""


def _build_chart(report: Mapping[str, Mapping[str, Any]]) -> go.Figure:
    names = list(report)[::-1]
    entries = [report[name] for name in names]
    chart = go.Figure(
        go.Bar(
            x=[_compute_reached_share(entry["ratio"], entry["goal"]) for entry in entries],
            y=names,
            orientation="h",
            marker_color=[
                MET_COLOUR if meets_goal(entry["ratio"], entry["goal"]) else MISSED_COLOUR for entry in entries
            ],
            text=[f"{format_figure(entry['ratio'])}  (goal {entry['goal']})" for entry in entries],
            textposition="outside",
            cliponaxis=False,
        )
    )
    chart.add_vline(x=1, line_dash="dash")
    # on a logarithmic axis an annotation's position is the logarithm of its value: this one is at 1
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


def _compute_reached_share(ratio: float, goal: str) -> float:
    """Return how much of the goal is reached, in either direction; from 1 on, it is met."""
    operator, bound = goal.split()
    return ratio / float(bound) if operator == ">=" else float(bound) / ratio
