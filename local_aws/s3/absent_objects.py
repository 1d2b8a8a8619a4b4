"""Whoever may not list a bucket does not learn that an object is not there: S3 says "forbidden" of it.

ministack says "no such key" to everybody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local_aws import hooks

if TYPE_CHECKING:
    from collections.abc import Callable

EVALUATOR = "ministack.core.iam_evaluator"
READS = frozenset({"s3:GetObject"})


def install() -> None:
    """Wrap the check that every request passes."""
    hooks.find("ministack.services.s3", "_buckets.get")
    enforce = hooks.find(
        EVALUATOR,
        "enforce",
        arguments=("access_key_id", "iam_action", "service", "region", "resource_arn", "service_context"),
    )
    hooks.replace(EVALUATOR, "enforce", _with_absence(enforce))


def _with_absence(enforce: Callable[..., Any]) -> Callable[..., Any]:
    def enforce_with_absence(  # noqa: PLR0917 (ministack's call)
        access_key_id: str,
        iam_action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: dict[str, Any] | None = None,
    ) -> Any:
        denied = enforce(access_key_id, iam_action, service, region, resource_arn, service_context)
        if denied is not None or iam_action not in READS or _exists(resource_arn):
            return denied
        return enforce(access_key_id, "s3:ListBucket", service, region, resource_arn.partition("/")[0], service_context)

    return enforce_with_absence


def _exists(resource_arn: str) -> bool:
    bucket, _, key = resource_arn.rpartition(":")[2].partition("/")
    found = hooks.find("ministack.services.s3", "_buckets").get(bucket)
    return found is not None and key in found["objects"]
