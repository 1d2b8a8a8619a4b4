"""Events that a CloudWatch dashboard sends to the function of a custom widget, with the viewer's permissions.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/add_custom_widget_dashboard_about.html
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.data_classes import CloudWatchDashboardCustomWidgetEvent

from leaderboard.time_range import TimeRange

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.cloud_watch_custom_widget_event import TimeRange as ShownRange

DESCRIPTION = """\
## Leaderboard

Which model serves, what it promised and what it does live; every model, best first; the rounds of retraining and the
last decisions with their reasons; what was refused, by reason.

It follows the dashboard's time range, theme and time zone, and takes no parameters.
"""
"""What the console shows when a user adds the widget to a dashboard, as Markdown."""


@dataclass(frozen=True, slots=True)
class WidgetRequest:
    """The time range and time zone that the dashboard shows, and its theme, ``light`` or ``dark``."""

    time_range: TimeRange
    zone: tzinfo
    theme: str


def is_widget_event(event: dict[str, Any]) -> bool:
    """Tell whether a dashboard sent the event, and not an HTTP API."""
    return "widgetContext" in event or "describe" in event


def parse_widget_event(event: dict[str, Any], *, now: datetime) -> WidgetRequest | None:
    """Return what the dashboard requests; None if it requests the widget's description."""
    request = CloudWatchDashboardCustomWidgetEvent(event)
    context = request.widget_context
    if request.describe or context is None:
        return None
    zone = datetime.fromisoformat(f"2000-01-01T00:00:00{context.timezone.offset_iso}").tzinfo
    theme = "dark" if context.theme == "dark" else "light"
    return WidgetRequest(_convert_range(context.time_range, now), zone or UTC, theme)


def _convert_range(shown: ShownRange, now: datetime) -> TimeRange:
    """Convert the range, or the one that the viewer zoomed to, from milliseconds since 1970; it ends at ``now``."""
    since, until = shown.zoom_start or shown.start, shown.zoom_end or shown.end
    end = min(datetime.fromtimestamp(until / 1000, UTC), now)
    return TimeRange(min(datetime.fromtimestamp(since / 1000, UTC), end), end)
