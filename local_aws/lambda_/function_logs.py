"""A function's log is written under the function's role: without permission it is lost, and its metrics with it.

ministack writes the log of every function without asking its role.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from local_aws import hooks
from local_aws.iam import permissions

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("local_aws.functions")

LOG_ACTIONS = ("logs:CreateLogStream", "logs:PutLogEvents")
"""What a function's role must be allowed on its log group."""


def install() -> None:
    """Check the role's permissions before ministack writes a log."""
    permissions.require()
    service = "ministack.services.lambda_svc"
    write = hooks.find(
        service,
        "_emit_lambda_logs",
        arguments=("func", "request_id", "log_text", "error", "duration_ms", "log_source"),
    )
    hooks.replace(service, "_emit_lambda_logs", _if_permitted(write))


def _if_permitted(write: Callable[..., None]) -> Callable[..., None]:
    def write_if_permitted(func: dict[str, Any], request_id: str, *arguments: Any, **options: Any) -> None:
        config = func.get("config") or func
        name, role_arn, arn = config["FunctionName"], config["Role"], config["FunctionArn"].split(":")
        group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{name}"
        stream_arn = f"arn:aws:logs:{arn[3]}:{arn[4]}:log-group:{group}:log-stream:{request_id}"
        for action in LOG_ACTIONS:
            if not permissions.role_allows(role_arn, action, stream_arn):
                logger.warning("The log of %s is lost: %s is not allowed %s on %s", name, role_arn, action, group)
                return
        write(func, request_id, *arguments, **options)

    return write_if_permitted
