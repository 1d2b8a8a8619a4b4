"""The page as HTML: for a browser, and for a widget of a CloudWatch dashboard.

Templates escape every value. The style sheet is inline, and the page loads and runs nothing else.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from markupsafe import Markup

from feature_schema import BASELINE, TARGET
from leaderboard import formatting
from leaderboard.chart import FOOTER_HEIGHT, GAP_HEIGHT, LANE_HEIGHT, PLOT_HEIGHT, PLOT_SCALE, build_chart
from leaderboard.page_data import MAX_ROWS
from leaderboard.timeline import build_timeline, summarize
from rounds import NAME_STAMP_FORMAT, format_iso

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import tzinfo

    from jinja2.runtime import Context

    from leaderboard.page_data import PageData
    from leaderboard.ranking import RankedModel

MAX_VISIBLE_REASONS = 10
"""Reasons in the table of rejected lines; the others are collapsed."""

SPANS = ("1h", "6h", "24h", "7d", "30d")

TEMPLATES = Path(__file__).with_name("templates")
STYLE = (TEMPLATES / "style.css").read_text(encoding="utf-8")
ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath fill='%231d5c94' "
    "d='M1 9h4v6H1zM6 1h4v14H6zM11 5h4v10h-4z'/%3E%3C/svg%3E"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""The content security policy allows the inline style sheet and the icon, and nothing else."""


def render_page(data: PageData, *, span: str, refresh: int | None) -> str:
    """Render the page for a browser: ``span`` as requested, reloading every ``refresh`` seconds unless None."""
    values = _build_values(data, UTC, time_range_text=formatting.describe_span(span))
    return _TEMPLATES.get_template("page.html").render(values, span=span, spans=SPANS, refresh=refresh, icon=ICON)


def render_widget(data: PageData, *, zone: tzinfo, theme: str) -> str:
    """Render the part of the page that a dashboard shows, without controls: the dashboard has its own."""
    values = _build_values(data, zone, time_range_text="the time shown")
    return _TEMPLATES.get_template("widget.html").render(values, theme=theme)


def render_error_page(message: str) -> str:
    """Render the page for an invalid query."""
    return _TEMPLATES.get_template("problem.html").render(message=message, icon=ICON, style=Markup(STYLE))  # noqa: S704


def _build_values(data: PageData, zone: tzinfo, *, time_range_text: str) -> dict[str, object]:
    return {
        "data": data,
        "zone": zone,
        "zone_name": formatting.get_zone_name(data.now, zone),
        "time_range_text": time_range_text,
        "chart": build_chart(data, zone),
        "timeline": build_timeline(data),
        "summary": summarize(data, zone),
        "target": TARGET,
        "baseline": BASELINE,
        "max_rows": MAX_ROWS,
        "max_visible_reasons": MAX_VISIBLE_REASONS,
        "footer_height": FOOTER_HEIGHT,
        "gap_height": GAP_HEIGHT,
        "lane_height": LANE_HEIGHT,
        "plot_height": PLOT_HEIGHT,
        "plot_scale": PLOT_SCALE,
        "style": Markup(STYLE),  # noqa: S704 - from our own file
    }


@pass_context
def _format_clock(context: Context, timestamp: datetime, *, seconds: bool = False) -> str:
    return formatting.format_clock(timestamp, context["zone"], context["data"].now, seconds=seconds)


@pass_context
def _format_tick(context: Context, timestamp: datetime, step: timedelta) -> str:
    """Format a time below the chart; midnight is shown as the date."""
    if step >= timedelta(days=1) or (timestamp.hour, timestamp.minute, timestamp.second) == (0, 0, 0):
        return formatting.format_day(timestamp, context["zone"])
    return timestamp.strftime("%H:%M:%S" if step < timedelta(minutes=1) else "%H:%M")


def _group_by_test_set(models: Sequence[RankedModel]) -> Iterator[tuple[str, list[RankedModel]]]:
    return ((test_set, list(group)) for test_set, group in groupby(models, lambda model: model.test_set))


def _get_largest_error(models: Sequence[RankedModel]) -> float:
    """Return the error that the bars of a test set are scaled by: the baseline's, or a larger one of a model."""
    errors = [error for model in models for error in (model.test_rmse, model.baseline_rmse) if error is not None]
    return max(errors, default=0.0)


def _parse_round_time(name: str) -> datetime:
    return datetime.strptime(name[:16], NAME_STAMP_FORMAT).replace(tzinfo=UTC)


def _build_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "clock": _format_clock,
        "decision_reason": formatting.describe_decision,
        "format_duration": formatting.format_duration,
        "group_by_test_set": _group_by_test_set,
        "iso": format_iso,
        "largest_error": _get_largest_error,
        "note": formatting.get_note,
        "number": formatting.format_number,
        "percent": formatting.format_percent,
        "ratio": formatting.describe_ratio,
        "round_result": formatting.describe_round,
        "round_time": _parse_round_time,
        "split_model_name": formatting.split_model_name,
        "tick": _format_tick,
        "trained_on": formatting.TRAINED_ON_TEXTS.__getitem__,
    }
    return environment


_TEMPLATES = _build_environment()
