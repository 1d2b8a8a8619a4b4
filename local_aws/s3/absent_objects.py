"""Without ``s3:ListBucket``, S3 answers 403 instead of 404 for a missing object; ministack always answers 404.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local_aws import hooks

if TYPE_CHECKING:
    from collections.abc import Callable

EVALUATOR = "ministack.core.iam_evaluator"
READS = frozenset({"s3:GetObject"})


def install() -> None:
    """Wrap the check of every request."""
    hooks.find("ministack.services.s3", "_buckets.get")
    enforce = hooks.find(
        EVALUATOR,
        "enforce",
        arguments=("access_key_id", "iam_action", "service", "region", "resource_arn", "service_context"),
    )
    hooks.replace(EVALUATOR, "enforce", _hiding_missing_objects(enforce))


def _hiding_missing_objects(enforce: Callable[..., Any]) -> Callable[..., Any]:
    def enforce_and_hide(  # noqa: PLR0917 (ministack's call)
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

    return enforce_and_hide


def _exists(resource_arn: str) -> bool:
    bucket, _, key = resource_arn.rpartition(":")[2].partition("/")
    record = hooks.find("ministack.services.s3", "_buckets").get(bucket)
    return record is not None and key in record["objects"]
