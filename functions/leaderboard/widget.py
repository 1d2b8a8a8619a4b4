"""What a CloudWatch dashboard asks of a custom widget's function, with the rights of whoever looks at it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.data_classes import CloudWatchDashboardCustomWidgetEvent

from leaderboard.time_range import Window

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.cloud_watch_custom_widget_event import TimeRange

DESCRIPTION = """\
## Leaderboard

Which model serves, what it promised and what it does live; every model, best first; the rounds of retraining and the
last decisions with their reasons; what was refused, by reason.

It follows the dashboard's time range, theme and time zone, and takes no parameters.
"""
"""What the console shows to somebody who adds the widget to a dashboard, as Markdown."""


@dataclass(frozen=True, slots=True)
class Widget:
    """How the dashboard wants it: the time it shows, in which time zone, light or dark."""

    window: Window
    zone: tzinfo
    theme: str


def is_widgets(event: dict[str, Any]) -> bool:
    """Whether a dashboard sent the event, not an HTTP API."""
    return "widgetContext" in event or "describe" in event


def wanted(event: dict[str, Any], *, now: datetime) -> Widget | None:
    """What is to be shown; nothing if it is the description that is asked for."""
    asked = CloudWatchDashboardCustomWidgetEvent(event)
    context = asked.widget_context
    if asked.describe or context is None:
        return None
    zone = datetime.fromisoformat(f"2000-01-01T00:00:00{context.timezone.offset_iso}").tzinfo
    return Widget(_window(context.time_range, now), zone or UTC, "dark" if context.theme == "dark" else "light")


def _window(shown: TimeRange, now: datetime) -> Window:
    """The time that the dashboard shows, zoomed in if it is; CloudWatch writes milliseconds since 1970."""
    since, until = shown.zoom_start or shown.start, shown.zoom_end or shown.end
    end = min(datetime.fromtimestamp(until / 1000, UTC), now)
    return Window(min(datetime.fromtimestamp(since / 1000, UTC), end), end)
