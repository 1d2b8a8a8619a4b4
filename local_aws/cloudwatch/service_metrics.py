"""Publishes the metrics of AWS services: of functions at each invocation, of queues every few seconds.

ministack counts only invocations through the API's Invoke, not those by topics, streams and rules.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from local_aws import hooks
from local_aws.cloudwatch import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

FUNCTIONS = "ministack.services.lambda_svc"
QUEUES = "ministack.services.sqs"
QUEUE_SECONDS = 5
"""AWS publishes a queue's metrics each minute; the alarms of a local stack have shorter periods."""

MAX_COUNTED_RECEIVES = 3
"""A message of a standard queue that was received so often no longer counts for the age of the oldest one."""


def install() -> None:
    """Wrap the execution of every event, and start the thread that publishes the metrics of queues."""
    hooks.replace(
        FUNCTIONS,
        "_execute_function_dispatch",
        _counting_invocations(
            hooks.find(
                FUNCTIONS,
                "_execute_function_dispatch",
                arguments=("func", "config", "event", "request_id", "started"),
            )
        ),
    )
    hooks.replace(
        FUNCTIONS,
        "_acquire_execution_slot",
        _counting_throttles(hooks.find(FUNCTIONS, "_acquire_execution_slot", arguments=("func", "config"))),
    )
    hooks.replace(
        FUNCTIONS,
        "_emit_lambda_metrics",
        lambda function_name, duration_ms, error, throttle: None,  # noqa: ARG005 (they are counted above)
        arguments=("function_name", "duration_ms", "error", "throttle"),
    )
    hooks.replace(
        FUNCTIONS,
        "_route_async_failure",
        _counting_drops(
            hooks.find(FUNCTIONS, "_route_async_failure", arguments=("target_arn", "func_name", "event", "result"))
        ),
    )
    hooks.find(QUEUES, "_queues")
    threading.Thread(target=_watch_queues, daemon=True, name="queue-metrics").start()


def _counting_invocations(dispatch: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def count(
        func: dict[str, Any], config: dict[str, Any], event: object, request_id: str, started: float
    ) -> dict[str, Any]:
        started_at = time.monotonic()
        result = dispatch(func, config, event, request_id, started)
        name = {"FunctionName": config["FunctionName"]}
        metrics.publish("AWS/Lambda", "Invocations", 1, "Count", name)
        metrics.publish("AWS/Lambda", "Errors", 1 if result.get("error") else 0, "Count", name)
        metrics.publish("AWS/Lambda", "Throttles", 0, "Count", name)
        metrics.publish("AWS/Lambda", "Duration", (time.monotonic() - started_at) * 1000, "Milliseconds", name)
        return result

    return count


def _counting_throttles(acquire: Callable[..., tuple[str | None, str | None]]) -> Callable[..., Any]:
    def count(func: dict[str, Any], config: dict[str, Any]) -> tuple[str | None, str | None]:
        slot, limit = acquire(func, config)
        if slot is None:
            metrics.publish("AWS/Lambda", "Throttles", 1, "Count", {"FunctionName": config["FunctionName"]})
        return slot, limit

    return count


def _counting_drops(route: Callable[..., None]) -> Callable[..., None]:
    def count(target_arn: str, func_name: str, event: object, result: dict[str, Any]) -> None:
        metrics.publish("AWS/Lambda", "AsyncEventsDropped", 1, "Count", {"FunctionName": func_name})
        route(target_arn, func_name, event, result)

    return count


def _watch_queues() -> None:
    while True:
        time.sleep(QUEUE_SECONDS)
        for (account, region, _), queue in hooks.find(QUEUES, "_queues").all_items():
            with hooks.find("ministack.core.responses", "request_scope")(account, region):
                _publish_queue(queue)


def _publish_queue(queue: dict[str, Any]) -> None:
    name = {"QueueName": queue["attributes"]["QueueArn"].rpartition(":")[2]}
    messages, now = list(queue["messages"]), time.time()
    for metric, number in count_messages(messages, now).items():
        metrics.publish("AWS/SQS", metric, number, "Count", name)
    age_seconds = find_oldest_age(messages, now, is_fifo=queue["is_fifo"])
    if age_seconds is not None:
        metrics.publish("AWS/SQS", "ApproximateAgeOfOldestMessage", age_seconds, "Seconds", name)


def count_messages(messages: Sequence[Mapping[str, Any]], now: float) -> dict[str, int]:
    """A queue's messages by what they are: to be received, received and not deleted, or not yet due."""
    hidden = [message for message in messages if message["visible_at"] > now]
    delayed = sum(message["receive_count"] == 0 for message in hidden)
    return {
        "ApproximateNumberOfMessagesVisible": len(messages) - len(hidden),
        "ApproximateNumberOfMessagesNotVisible": len(hidden) - delayed,
        "ApproximateNumberOfMessagesDelayed": delayed,
    }


def find_oldest_age(messages: Sequence[Mapping[str, Any]], now: float, *, is_fifo: bool) -> float | None:
    """The age in seconds of a queue's oldest message; none while it has none that counts.

    A dead letter's age counts from when it became one. A standard queue leaves out messages that were received
    three times or more; a FIFO queue does not, as such a message blocks its group.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
    """
    ages = [
        now - message.get("dead_since", message["sent_at"])
        for message in messages
        if is_fifo or message["receive_count"] - message.get("receives_before", 0) < MAX_COUNTED_RECEIVES
    ]
    return max(ages, default=None)
