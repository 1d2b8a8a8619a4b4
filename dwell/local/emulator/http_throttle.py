"""HTTP APIs admit as many requests as their stage says, and answer the others with 429; ministack admits all."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dwell.local.emulator import hooks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

SERVICE = "ministack.services.apigateway"
TOO_MANY = (429, {"Content-Type": "application/json"}, b'{"message":"Too Many Requests"}')


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
    """Wrap what executes a request once it is authorized."""
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
    hooks.replace(SERVICE, "_handle_execute_in_scope", _within_limits(execute))


def _within_limits(execute: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    buckets: dict[tuple[str, str, tuple[float, float]], TokenBucket] = {}

    async def execute_within_limits(api_id: str, stage: str, path: str, method: str, *others: Any) -> Any:
        described = hooks.find(SERVICE, "_stages").get(api_id, {}).get(stage) or {}
        allowed = limits(described)
        route = allowed and hooks.find(SERVICE, "_match_route")(api_id, method, "/" + path.lstrip("/"))
        if allowed and route:
            now = time.monotonic()
            key = (api_id, str(route.get("routeKey")), allowed)  # each route has the limits for itself
            bucket = buckets.setdefault(key, TokenBucket(*allowed, tokens=allowed[1], at=now))
            if not bucket.take(now):
                return TOO_MANY
        return await execute(api_id, stage, path, method, *others)

    return execute_within_limits
