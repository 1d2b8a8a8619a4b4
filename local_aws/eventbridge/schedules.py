"""EventBridge Scheduler fills in the context attributes of a schedule's input, such as the time it was due."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from local_aws import hooks

if TYPE_CHECKING:
    from collections.abc import Callable


def install() -> None:
    """Take the place of what invokes a target, for events that come from a schedule."""
    arguments = ("target", "event", "rule", "view")
    invoke = hooks.find("ministack.services.eventbridge", "_invoke_target", arguments=arguments)
    hooks.find("ministack.services.scheduler", "_tick_schedules", arguments=())
    hooks.replace("ministack.services.eventbridge", "_invoke_target", _with_context(invoke))


def _with_context(invoke: Callable[..., Any]) -> Callable[..., Any]:
    def invoke_target(target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None) -> Any:
        if event.get("Source") == "aws.scheduler" and target.get("Input"):
            target = {**target, "Input": filled(target["Input"], event)}
        return invoke(target, event, rule, view)

    return invoke_target


def filled(template: str, event: dict[str, Any]) -> str:
    """The input with Scheduler's keywords replaced; the time is UTC without fractions, as AWS writes it."""
    due = datetime.fromtimestamp(int(event["Time"]), UTC)
    context = {
        "<aws.scheduler.schedule-arn>": event["Resources"][0],
        "<aws.scheduler.scheduled-time>": due.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "<aws.scheduler.execution-id>": event["EventId"],
        "<aws.scheduler.attempt-number>": "1",
    }
    for keyword, value in context.items():
        template = template.replace(keyword, value)
    return template
