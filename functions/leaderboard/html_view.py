"""The page as HTML: for a browser, and for a widget of a CloudWatch dashboard.

Templates escape whatever they are given; styles are in the page, and nothing else is fetched or run.
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
from leaderboard.chart import FOOT, GAP, LANE, PLOT, SCALE, chart
from leaderboard.page_data import SHOWN
from leaderboard.timeline import events, summary
from rounds import format_iso
from rounds.timestamps import NAME_STAMP_FORMAT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import tzinfo

    from jinja2.runtime import Context

    from leaderboard.page_data import Look
    from leaderboard.ranking import Entry
    from rounds import Round

LONG = 10
"""Reasons in the table of quarantine; the others are folded away."""

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
"""What a browser may do with the page: show it."""


def page(look: Look, *, span: str, refresh: int | None) -> str:
    """The page for a browser. ``span`` is what was asked for; with ``refresh`` it asks again after so many seconds."""
    given = _given(look, UTC, window=formatting.span(span))
    return _TEMPLATES.get_template("page.html").render(given, span=span, spans=SPANS, refresh=refresh, icon=ICON)


def widget(look: Look, *, zone: tzinfo, theme: str) -> str:
    """The part of the page that a dashboard shows among its other widgets; its controls are the dashboard's own."""
    return _TEMPLATES.get_template("widget.html").render(_given(look, zone, window="the time shown"), theme=theme)


def problem(message: str) -> str:
    """The page for a query that cannot be obeyed."""
    return _TEMPLATES.get_template("problem.html").render(message=message, icon=ICON, style=Markup(STYLE))  # noqa: S704


def _given(look: Look, zone: tzinfo, *, window: str) -> dict[str, object]:
    return {
        "look": look,
        "zone": zone,
        "zone_name": formatting.zone_name(look.now, zone),
        "window": window,
        "chart": chart(look, zone),
        "events": events(look),
        "summary": summary(look, zone),
        "target": TARGET,
        "baseline": BASELINE,
        "shown": SHOWN,
        "long": LONG,
        "foot": FOOT,
        "gap": GAP,
        "lane": LANE,
        "plot": PLOT,
        "scale": SCALE,
        "style": Markup(STYLE),  # noqa: S704 (ours, from a file)
    }


@pass_context
def _clock(context: Context, at: datetime, *, seconds: bool = False) -> str:
    return formatting.clock(at, context["zone"], context["look"].now, seconds=seconds)


@pass_context
def _tick(context: Context, at: datetime, step: timedelta) -> str:
    """A time under the chart: the date where a day begins."""
    if step >= timedelta(days=1) or (at.hour, at.minute, at.second) == (0, 0, 0):
        return formatting.day(at, context["zone"])
    return at.strftime("%H:%M:%S" if step < timedelta(minutes=1) else "%H:%M")


def _by_test_set(models: Sequence[Entry]) -> Iterator[tuple[str, list[Entry]]]:
    return ((test_set, list(members)) for test_set, members in groupby(models, lambda one: one.test_set))


def _largest_error(models: Sequence[Entry]) -> float:
    """What the bars of a test set are measured by: its baseline, or a model that is worse."""
    errors = [error for one in models for error in (one.test_rmse, one.baseline_rmse) if error is not None]
    return max(errors, default=0.0)


def _best(one: Round) -> float | None:
    return min((candidate.rmse for candidate in one.candidates if candidate.rmse is not None), default=None)


def _round_time(name: str) -> datetime:
    return datetime.strptime(name[:16], NAME_STAMP_FORMAT).replace(tzinfo=UTC)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "best": _best,
        "clock": _clock,
        "compared": formatting.compared,
        "decided": formatting.decided,
        "ended": formatting.ended,
        "groupby_test_set": _by_test_set,
        "iso": format_iso,
        "largest_error": _largest_error,
        "lasted": formatting.lasted,
        "name_and_stamp": formatting.name_and_stamp,
        "note": formatting.note,
        "number": formatting.number,
        "percent": formatting.percent,
        "round_time": _round_time,
        "tick": _tick,
        "trained_on": formatting.TRAINED_ON.__getitem__,
    }
    return environment


_TEMPLATES = _environment()
