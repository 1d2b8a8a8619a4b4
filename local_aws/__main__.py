"""Start the emulator with its extensions: ``python -m local_aws`` in the emulator's environment."""

from __future__ import annotations

import importlib
import sys

from local_aws import hooks

EXTENSIONS: tuple[str, ...] = (
    "guardian",
    "iam.secure_transport",
    "cloudformation.resource_names",
    "cloudformation.encryption",
    "kms.key_access",
    "s3.absent_objects",
    "s3.object_events",
    "sqs.queues",
    "sqs.service_delivery",
    "lambda_.functions",
    "lambda_.event_delivery",
    "lambda_.queue_mapping",
    "lambda_.function_logs",
    "eventbridge.service_events",
    "eventbridge.targets",
    "eventbridge.schedules",
    "cloudwatch.metrics",
    "cloudwatch.embedded_metrics",
    "cloudwatch.alarms",
    "cloudwatch.service_metrics",
    "apigateway.http_api",
    "apigateway.admission",
    "firehose.api",
    "sagemaker.api",
    "faults.injection",
)
"""Modules of this package, installed in this order."""


def main() -> None:
    """Install every extension, then serve until SIGTERM."""
    for name in EXTENSIONS:
        importlib.import_module(f"local_aws.{name}").install()
    hooks.find("ministack.app", "main")()


if __name__ == "__main__":
    try:
        main()
    except hooks.HookMissingError as error:
        sys.exit(f"The emulator does not start: {error}.")
