"""HTTP APIs admit what is signed for them, and no more than their stage says.

ministack takes a header that is no signature of AWS's for the account's own, takes a signature for any service, and
admits any number of requests.
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
TOO_MANY = (429, {"Content-Type": "application/json"}, b'{"message":"Too Many Requests"}')


SCOPE = re.compile(r"Credential=[^/,\s]+/\d{8}/[a-z0-9-]+/execute-api/aws4_request\b")


def is_signed(headers: Mapping[str, str], query: Mapping[str, Any]) -> bool:
    """Whether a request carries a signature for an API, in its header or its query. Whose, and whether it is right, is
    ministack's to find out."""
    authorization = next((value for name, value in headers.items() if name.lower() == "authorization"), "")
    if authorization:
        return authorization.startswith("AWS4-HMAC-SHA256") and SCOPE.search(authorization) is not None
    return "X-Amz-Signature" in query


@dataclass(slots=True)
class TokenBucket:
    """``rate`` tokens a second come in, up to ``burst``; a request takes one. Begins full."""

    rate: float
    burst: float
    tokens: float
    at: float

    def take(self, now: float) -> bool:
        """Whether a request at ``now`` (seconds of a monotonic clock) is admitted."""
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


def limits(stage: Mapping[str, Any]) -> tuple[float, float] | None:
    """Rate and burst of a stage's routes, none if it has no limits. CloudFormation's spelling or the API's."""
    settings = {name.lower(): value for name, value in (stage.get("defaultRouteSettings") or {}).items()}
    if "throttlingratelimit" not in settings or "throttlingburstlimit" not in settings:
        return None
    return float(settings["throttlingratelimit"]), float(settings["throttlingburstlimit"])


def install() -> None:
    """Wrap what executes a request that ministack has authorized."""
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
    hooks.replace(SERVICE, "_handle_execute_in_scope", _admitting(execute))


def _admitting(execute: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    buckets: dict[tuple[str, str, tuple[float, float] | None], TokenBucket] = {}

    async def execute_what_is_admitted(  # noqa: PLR0917 (ministack's call)
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
            allowed = limits(hooks.find(SERVICE, "_stages").get(api_id, {}).get(stage) or {})
            key = (api_id, str(route.get("routeKey")), allowed)  # each route has the limits for itself
            now = time.monotonic()
            if allowed and not buckets.setdefault(key, TokenBucket(*allowed, tokens=allowed[1], at=now)).take(now):
                return TOO_MANY
        return await execute(api_id, stage, path, method, headers, body, query_params, *others)

    return execute_what_is_admitted
