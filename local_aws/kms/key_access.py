"""Requires permissions on the customer managed key of an encrypted resource, besides those on the resource.

ministack stores the key of a resource but does not check it. On AWS, writing to an encrypted topic or bucket requires
``kms:GenerateDataKey``, and reading requires ``kms:Decrypt``. Every request to an encrypted table requires
``kms:Decrypt``, because the table's own key is decrypted with it.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from local_aws import hooks

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("local_aws.keys")

READS = ("kms:Decrypt",)
WRITES = ("kms:GenerateDataKey",)
NEEDS = {
    "s3:PutObject": WRITES,
    "s3:GetObject": READS,
    "s3:GetObjectVersion": READS,
    "kinesis:PutRecord": WRITES,
    "kinesis:PutRecords": WRITES,
    "kinesis:GetRecords": READS,
    "dynamodb:GetItem": READS,
    "dynamodb:PutItem": READS,
    "dynamodb:Query": READS,
    "sqs:SendMessage": WRITES + READS,
    "sqs:ReceiveMessage": READS,
    "sns:Publish": WRITES + READS,
}
"""Actions on the key that an action on an encrypted resource requires."""


CODES = {
    "s3": "AccessDenied",
    "kinesis": "KMSAccessDeniedException",
    "dynamodb": "AccessDeniedException",
    "sqs": "KMS.AccessDeniedException",
    "sns": "KMSAccessDenied",
}
"""The error code of each service if the key is denied."""


def install() -> None:
    """Wrap the check of every request."""
    for module, name in (
        ("sqs", "_queue_by_arn"),
        ("sns", "_topics"),
        ("kinesis", "_streams"),
        ("dynamodb", "_tables"),
        ("s3", "_bucket_default_sse_headers"),
        ("kms", "_resolve_key"),
    ):
        hooks.find(f"ministack.services.{module}", name)
    enforce = hooks.find(
        "ministack.core.iam_evaluator",
        "enforce",
        arguments=("access_key_id", "iam_action", "service", "region", "resource_arn", "service_context"),
    )
    hooks.replace("ministack.core.iam_evaluator", "enforce", _with_keys(enforce))


def _with_keys(enforce: Callable[..., Any]) -> Callable[..., Any]:
    # the usual denial would name the action on the resource, which is allowed
    refusal = hooks.find("ministack.core.iam_evaluator", "AuthError", arguments=("code", "message", "details"))

    def enforce_with_keys(  # noqa: PLR0917 (ministack's call)
        access_key_id: str,
        iam_action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: dict[str, Any] | None = None,
    ) -> Any:
        denied = enforce(access_key_id, iam_action, service, region, resource_arn, service_context)
        if denied is not None or iam_action not in NEEDS:
            return denied
        key = key_of(service, resource_arn)
        if key is None:
            return None
        via = {"kms:ViaService": f"{service}.{region}.amazonaws.com"}
        for action in NEEDS[iam_action]:
            denied = enforce(access_key_id, action, "kms", region, key, via)
            if denied is not None:
                logger.warning("%s on %s is denied: it requires %s on %s", iam_action, resource_arn, action, key)
                message = f"{iam_action} on {resource_arn} requires {action} on its key {key}, which is not allowed"
                return refusal(CODES[service], message)
        return None

    return enforce_with_keys


def key_of(service: str, resource_arn: str) -> str | None:
    """The ARN of the customer managed key that encrypts a resource, or None."""
    name = resource_arn.rpartition(":")[2]
    key: str | None = None
    if service == "sqs":
        queue = hooks.find("ministack.services.sqs", "_queue_by_arn")(resource_arn)
        key = queue and queue["attributes"].get("KmsMasterKeyId")
    elif service == "sns":
        topic = hooks.find("ministack.services.sns", "_topics").get(resource_arn)
        key = topic and topic["attributes"].get("KmsMasterKeyId")
    elif service == "kinesis":
        stream = hooks.find("ministack.services.kinesis", "_streams").get(name.removeprefix("stream/"))
        key = stream and stream.get("KeyId")
    elif service == "dynamodb":
        table = hooks.find("ministack.services.dynamodb", "_tables").get(name.removeprefix("table/"))
        key = ((table or {}).get("SSEDescription") or {}).get("KMSMasterKeyArn")
    elif service == "s3":
        default = hooks.find("ministack.services.s3", "_bucket_default_sse_headers")(name.split("/")[0])
        key = default.get("x-amz-server-side-encryption-aws-kms-key-id")
    # keys that AWS manages (`alias/aws/...`) allow every caller of the account
    record = hooks.find("ministack.services.kms", "_resolve_key")(key) if key else None
    return str(record["Arn"]) if record else None
