"""Replaces the keywords in a schedule's input, such as the scheduled time.

https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from local_aws import hooks

if TYPE_CHECKING:
    from collections.abc import Callable


def install() -> None:
    """Wrap the invocation of targets for events of a schedule."""
    arguments = ("target", "event", "rule", "view")
    invoke = hooks.find("ministack.services.eventbridge", "_invoke_target", arguments=arguments)
    hooks.find("ministack.services.scheduler", "_tick_schedules", arguments=())
    hooks.replace("ministack.services.eventbridge", "_invoke_target", _replacing_keywords(invoke))


def _replacing_keywords(invoke: Callable[..., Any]) -> Callable[..., Any]:
    def invoke_target(target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None) -> Any:
        if event.get("Source") == "aws.scheduler" and target.get("Input"):
            target = {**target, "Input": replace_keywords(target["Input"], event)}
        return invoke(target, event, rule, view)

    return invoke_target


def replace_keywords(template: str, event: dict[str, Any]) -> str:
    """The input with its keywords replaced; the scheduled time is in UTC, without fractions of a second."""
    scheduled_time = datetime.fromtimestamp(int(event["Time"]), UTC)
    context = {
        "<aws.scheduler.schedule-arn>": event["Resources"][0],
        "<aws.scheduler.scheduled-time>": scheduled_time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "<aws.scheduler.execution-id>": event["EventId"],
        "<aws.scheduler.attempt-number>": "1",
    }
    for keyword, value in context.items():
        template = template.replace(keyword, value)
    return template
