"""Checks requests to HTTP APIs: the signature must be for API Gateway, and the stage's throttling limits apply.

ministack accepts any header as the account's own signature, and signatures for any service; it does not throttle.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-access-control-iam.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-throttling.html
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_aws import hooks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

SERVICE = "ministack.services.apigateway"
FORBIDDEN = (403, {"Content-Type": "application/json"}, b'{"message":"Forbidden"}')
TOO_MANY_REQUESTS = (429, {"Content-Type": "application/json"}, b'{"message":"Too Many Requests"}')


SCOPE = re.compile(r"Credential=[^/,\s]+/\d{8}/[a-z0-9-]+/execute-api/aws4_request\b")


def is_signed(headers: Mapping[str, str], query: Mapping[str, Any]) -> bool:
    """Whether a request has a signature for API Gateway in its header or query; ministack verifies the signature."""
    authorization = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
    if authorization:
        return authorization.startswith("AWS4-HMAC-SHA256") and SCOPE.search(authorization) is not None
    return "X-Amz-Signature" in query


@dataclass(slots=True)
class TokenBucket:
    """``rate`` tokens per second are added, up to ``burst``; each request takes one."""

    rate: float
    burst: float
    tokens: float
    updated_at: float

    def take(self, now: float) -> bool:
        """Whether a request at ``now`` (seconds of a monotonic clock) is allowed."""
        self.tokens = min(self.burst, self.tokens + (now - self.updated_at) * self.rate)
        self.updated_at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


def throttling_limits(stage: Mapping[str, Any]) -> tuple[float, float] | None:
    """Rate and burst of a stage's routes, or None; the names may be CloudFormation's or the API's."""
    settings = {name.lower(): value for name, value in (stage.get("defaultRouteSettings") or {}).items()}
    if "throttlingratelimit" not in settings or "throttlingburstlimit" not in settings:
        return None
    return float(settings["throttlingratelimit"]), float(settings["throttlingburstlimit"])


def install() -> None:
    """Wrap the execution of a request that ministack has authorized."""
    hooks.find(SERVICE, "_stages.get")
    hooks.find(SERVICE, "_match_route", arguments=("api_id", "method", "path"))
    execute = hooks.find(
        SERVICE,
        "_handle_execute_in_scope",
        arguments=(
            *("api_id", "stage", "path", "method", "headers", "body", "query_params"),
            *("owner_account_id", "owner_region", "raw_query_string"),
        ),
    )
    hooks.replace(SERVICE, "_handle_execute_in_scope", _checking(execute))


def _checking(execute: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    buckets: dict[tuple[str, str, tuple[float, float] | None], TokenBucket] = {}

    async def execute_if_allowed(  # noqa: PLR0917 (ministack's call)
        api_id: str,
        stage: str,
        path: str,
        method: str,
        headers: dict[str, str] | None,
        body: bytes,
        query_params: dict[str, Any] | None,
        *others: Any,
    ) -> Any:
        route = hooks.find(SERVICE, "_match_route")(api_id, method, "/" + path.lstrip("/"))
        if route:
            if route.get("authorizationType") == "AWS_IAM" and not is_signed(headers or {}, query_params or {}):
                return FORBIDDEN
            limits = throttling_limits(hooks.find(SERVICE, "_stages").get(api_id, {}).get(stage) or {})
            key = (api_id, str(route.get("routeKey")), limits)  # the limits apply to each route alone
            now = time.monotonic()
            if limits and not buckets.setdefault(key, TokenBucket(*limits, tokens=limits[1], updated_at=now)).take(now):
                return TOO_MANY_REQUESTS
        return await execute(api_id, stage, path, method, headers, body, query_params, *others)

    return execute_if_allowed
