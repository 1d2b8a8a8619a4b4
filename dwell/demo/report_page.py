"""``report.html``: a self-contained page with the charts of a run; it loads nothing from a network."""

from __future__ import annotations

from datetime import timedelta
from html import escape
from typing import TYPE_CHECKING

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dwell.client.leaderboard import best_rmse
from dwell.console.numbers import format_rounded
from dwell.console.times import format_clock

if TYPE_CHECKING:
    from dwell.client.leaderboard import RankedModel
    from dwell.demo.report import Report, RoundSummary

SERIES_SECONDS = 2
"""Length of an interval of the live error's series."""

_COLOURS = {"drift": "#8e44ad", "alarm": "#c0392b", "round": "#e67e22", "trial": "#2471a3", "promotion": "#1e8449"}

TRAINED_ON = {"all": "everything", "recent": "the recent part", "continued": "the older part, then the recent"}

_STYLE = """
:root { color-scheme: light; --ink: #1b2631; --soft: #5d6d7e; --line: #d5d8dc; --good: #1e8449; --bad: #c0392b; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: #fff; margin: 0 auto; max-width: 1100px;
  padding: 1.5rem; }
h1 { margin: 0; font-size: 1.7rem; } h2 { margin: 2rem 0 .5rem; font-size: 1.15rem; }
p.lead { color: var(--soft); margin: .25rem 0 1.25rem; }
dl.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem; margin: 0 0 1rem; }
dl.figures div { border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .8rem; }
dl.figures dt { color: var(--soft); font-size: .8rem; }
dl.figures dd { margin: 0; font-size: 1.25rem; font-weight: 600; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .4rem .7rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--soft); font-size: .8rem; } td.number, th.number { text-align: right; }
tr.live td { font-weight: 600; }
.badge { background: var(--good); color: #fff; border-radius: .3rem; padding: .05rem .4rem;
  font-size: .8rem; }
"""


def describe_promotion(round_: RoundSummary) -> str:
    """The model that a round promoted, and whether it was rolled back."""
    if round_["promoted"] is None:
        return "no"
    return shorten_model_name(round_["promoted"]) + (
        " (rolled back)" if round_.get("deployment") == "rolled_back" else ""
    )


def shorten_model_name(model: str) -> str:
    """A model's name without its time stamp."""
    return model.rsplit("-", 1)[0]


def _charts(report: Report) -> str:
    unit = report.target["unit"]
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08, row_heights=[0.7, 0.3],
        subplot_titles=(f"Live error ({unit}, root mean square)", "Samples a second"),
    )  # fmt: skip
    half = timedelta(seconds=SERIES_SECONDS / 2)
    times = [point.at + half for point in report.error_series]
    figure.add_trace(
        go.Scatter(x=times, y=[p.error for p in report.error_series], name="live error", mode="lines+markers",
                   line={"color": "#1f618d", "width": 3}),
        row=1, col=1,
    )  # fmt: skip
    figure.add_trace(
        go.Scatter(x=times, y=[p.promised for p in report.error_series], name="promised by the model", mode="lines",
                   line={"color": "#7f8c8d", "dash": "dash", "shape": "hv"}),
        row=1, col=1,
    )  # fmt: skip
    drifted = [event.at for event in report.moments if event.kind == "drift"]
    start, end = (report.rate_series[0][0], report.rate_series[-1][0]) if report.rate_series else (None, None)
    change = drifted[0] if drifted else end
    before, after = report.live_error.noise_floor_before, report.live_error.noise_floor_after
    figure.add_trace(
        go.Scatter(x=[start, change, change, end], y=[before, before, after, after], mode="lines",
                   name="noise floor (best possible)", line={"color": "#27ae60", "dash": "dot"}),
        row=1, col=1,
    )  # fmt: skip
    figure.add_trace(
        go.Scatter(x=[at for at, _ in report.rate_series], y=[count for _, count in report.rate_series],
                   name="samples", mode="lines", fill="tozeroy", line={"color": "#5499c7"}, showlegend=False),
        row=2, col=1,
    )  # fmt: skip
    for position, event in enumerate(sorted(report.moments, key=lambda event: event.at)):
        figure.add_vline(x=event.at, line={"color": _COLOURS[event.kind], "width": 1.5, "dash": "dot"})
        figure.add_annotation(
            x=event.at, y=1 - 0.075 * (position % 4), yref="y domain", text=escape(event.label), showarrow=False,
            xanchor="left", font={"color": _COLOURS[event.kind], "size": 12}, bgcolor="rgba(255,255,255,0.8)",
        )  # fmt: skip
    figure.update_yaxes(rangemode="tozero")
    if report.error_series:
        # space above the line for the labels of the events
        figure.update_yaxes(range=[0, 1.4 * max(point.error for point in report.error_series)], row=1, col=1)
    figure.update_layout(
        template="plotly_white", height=640, margin={"l": 60, "r": 20, "t": 60, "b": 40},
        legend={"orientation": "h", "y": -0.08}, hovermode="x unified",
    )  # fmt: skip
    chart: str = figure.to_html(full_html=False, include_plotlyjs=True, config={"displaylogo": False})
    return chart


def _table(headings: list[tuple[str, bool]], rows: list[tuple[list[str], bool]]) -> str:
    """An HTML table. A heading's flag marks a column of numbers, a row's flag the live model. Cells are HTML."""
    head = "".join(f'<th scope="col"{" class=number" if numeric else ""}>{title}</th>' for title, numeric in headings)
    body = ""
    for cells, live in rows:
        columns = "".join(
            f"<td{' class=number' if numeric else ''}>{cell}</td>"
            for cell, (_, numeric) in zip(cells, headings, strict=True)
        )
        body += f"<tr{' class=live' if live else ''}>{columns}</tr>"
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _leaderboard(models: list[RankedModel], unit: str) -> str:
    rows = []
    for model in models:
        live = bool(model["live"])
        name = escape(str(model["model"])) + (' <span class="badge">live</span>' if live else "")
        cells = [
            "" if model["rank"] is None else str(model["rank"]), name,
            TRAINED_ON.get(model["trained_on"], model["trained_on"]),
            format_rounded(model["test_rmse"], unit), format_rounded(model["live_error"], unit),
        ]  # fmt: skip
        rows.append((cells, live))
    return _table(
        [("#", True), ("model", False), ("trained on", False), ("test error", True), ("live error", True)], rows
    )


def _rounds(rounds: list[RoundSummary], unit: str) -> str:
    rows = []
    for round_ in rounds:
        cells = [
            format_clock(round_["started_at"]), escape(str(round_["cause"])),
            format_rounded(round_["dataset"]["train"]), format_rounded(round_["dataset"]["test"]),
            format_rounded(round_["baseline_rmse"], unit),
            format_rounded(round_["champion_rmse"], unit), format_rounded(best_rmse(round_), unit),
            escape(describe_promotion(round_)), format_rounded(round_["seconds"], "s"),
        ]  # fmt: skip
        rows.append((cells, False))
    return _table(
        [("started", False), ("cause", False), ("trained on", True), ("tested on", True), ("baseline", True),
         ("old champion", True), ("best candidate", True), ("promoted", False), ("took", True)],
        rows,
    )  # fmt: skip


def render(report: Report) -> str:
    """The whole page as HTML."""
    unit, samples, error = report.target["unit"], report.samples, report.live_error
    figures = [
        ("live error before the drift", format_rounded(error.before_drift, unit)),
        ("under drift", format_rounded(error.under_drift, unit)),
        ("recovered", format_rounded(error.recovered, unit)),
        ("samples published", format_rounded(samples.published)),
        ("stored", format_rounded(samples.stored)),
        ("in quarantine", format_rounded(samples.quarantined)),
        ("lost", format_rounded(samples.lost)),
        ("predictions by a model", format_rounded(report.predictions["model"])),
        ("predictions by the baseline", format_rounded(report.predictions["fallback"])),
    ]
    boxes = "".join(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in figures)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Dwell: a run of the lifecycle</title><style>{_STYLE}</style></head><body>
<h1>Dwell: a run of the lifecycle</h1>
<p class="lead">Robots published samples, models were trained and promoted, the world changed
({escape(report.drift["kind"])}: {escape(report.drift["meaning"])}), and the system recovered.</p>
<dl class="figures">{boxes}</dl>
{_charts(report)}
<h2>Rounds</h2>{_rounds(report.rounds, unit)}
<h2>Leaderboard</h2>{_leaderboard(report.leaderboard, unit)}
</body></html>
"""
