"""The report as a page: false alarms and delays beside their goals, and the peers."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}"
    "td,th{padding:.2rem .8rem;text-align:left;border-bottom:1px solid #ddd}"
    ".meets{color:#1b7f4d}.misses{color:#b3541e;font-weight:bold}"
)


def page(report: Mapping[str, Any]) -> str:
    """An HTML page that needs nothing else."""
    calm = "".join(
        _row(robots, name, f"{entry['alarms_a_year']:.1f}", f"{entry['strongest']:.3f}", "1 a year", entry["passed"])
        for robots, conditions in report["false_alarms"].items()
        for name, entry in conditions.items()
    )
    delays = "".join(
        _row(
            robots,
            name,
            format_minutes(entry["median_minutes"]),
            format_minutes(entry["p95_minutes"]),
            "" if entry["goal_minutes"] is None else format_minutes(entry["goal_minutes"]),
            entry["passed"],
        )
        for robots, drifts in report["delays"].items()
        for name, entry in drifts.items()
    )
    drifts: dict[str, Any] = next(iter(report["delays"].values()), {})
    peers = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{entry['worst_alarms_a_year']}</td>"
        + "".join(f"<td>{format_minutes(entry['p95_minutes'][drift])}</td>" for drift in entry["p95_minutes"])
        + "</tr>"
        for name, entry in report["peers"].items()
    )
    heads = "".join(f"<th>{html.escape(name)}</th>" for name in list(drifts)[: -1 if len(drifts) > 5 else None])
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Dwell: how good is the alarm?</title><style>{STYLE}</style>
<h1>How good is the alarm ModelError?</h1>
<p>Simulated from residuals of a gradient-boosted model on the robots' physics, one sample a minute and robot. Delays
include the buffers (a minute); CloudWatch's own delay comes on top.</p>
<h2>Years without drift</h2>
<table><tr><th>robots</th><th>conditions</th><th>alarms a year</th><th>strongest evidence</th><th>goal</th>
<th></th></tr>{calm}</table>
<h2>From a drift to the alarm</h2>
<table><tr><th>robots</th><th>drift</th><th>median</th><th>95 % within</th><th>goal</th><th></th></tr>{delays}</table>
<h2>River's detectors at 1,000 robots</h2>
<p>Worst false alarms a year over all conditions, and the 95th percentile of each delay.</p>
<table><tr><th>detector</th><th>false alarms</th>{heads}</tr>{peers}</table>
</html>
"""


def _row(*cells: Any) -> str:
    *texts, passed = cells
    mark = "meets" if passed else "misses"
    return (
        "<tr>"
        + "".join(f"<td>{html.escape(str(text))}</td>" for text in texts)
        + f'<td class="{mark}">{mark}</td></tr>'
    )


def format_minutes(minutes: float) -> str:
    """Minutes up to two hours, then hours, then days."""
    if minutes == float("inf"):
        return "never"
    if minutes < 120:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.1f} h" if minutes < 2 * 1_440 else f"{minutes / 1_440:.1f} d"
