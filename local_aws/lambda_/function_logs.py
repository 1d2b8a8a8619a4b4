"""A function's log is written under the function's role: without permission it is lost, and its metrics with it.

ministack writes the log of every function, whatever its role may do.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from local_aws import hooks
from local_aws.iam import permissions

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("local_aws.functions")

NEEDED = ("logs:CreateLogStream", "logs:PutLogEvents")


def install() -> None:
    """Ask before ministack writes. The role is asked as ``deliveries`` asks it, so that comes first."""
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
        name, role, arn = config["FunctionName"], config["Role"], config["FunctionArn"].split(":")
        group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{name}"
        stream = f"arn:aws:logs:{arn[3]}:{arn[4]}:log-group:{group}:log-stream:{request_id}"
        for action in NEEDED:
            if not permissions.role_allows(role, action, stream):
                logger.warning("The log of %s is lost: %s is not allowed %s on %s", name, role, action, group)
                return
        write(func, request_id, *arguments, **options)

    return write_if_permitted
