"""Starts AWS on this machine: ``python -m local_aws``. ``README.md`` lists the environment variables that it reads."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from local_aws import hooks

if TYPE_CHECKING:
    from collections.abc import MutableMapping

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
"""Modules with a function ``install``, in the order of installation: a later one wraps what an earlier one replaced."""

FOLDER = "LOCAL_AWS_FOLDER"


class InvalidFolderError(ValueError):
    """``LOCAL_AWS_FOLDER`` names a folder that is in use: it would be removed at the end."""


def prepare_environment(environment: MutableMapping[str, str]) -> None:
    """Create this run's folder for temporary files, and set ministack's options that are not set yet.

    Requests need IAM permissions, the server listens on 127.0.0.1 only, and no container engine is used.
    Raises ``InvalidFolderError``.
    """
    folder = Path(environment.get(FOLDER) or tempfile.mkdtemp(prefix="local-aws-")).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise InvalidFolderError(f"{FOLDER}={folder} is not empty, and would be removed at the end")
    environment[FOLDER] = environment["TMPDIR"] = str(folder)
    defaults = {
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": "4566",
        # Listeners that ministack starts by default and that nothing here needs.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": f"unix://{folder}/no-docker.sock",
    }
    for name, value in defaults.items():
        environment.setdefault(name, value)
    tempfile.tempdir = None  # it has been looked up before TMPDIR was set


def main() -> None:
    """Install every extension, then serve until SIGTERM."""
    prepare_environment(os.environ)
    for name in EXTENSIONS:
        importlib.import_module(f"local_aws.{name}").install()
    hooks.find("ministack.app", "main")()


if __name__ == "__main__":
    try:
        main()
    except (hooks.HookMissingError, InvalidFolderError) as error:
        sys.exit(f"local_aws does not start: {error}.")
