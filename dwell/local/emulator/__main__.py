"""Start the emulator with its extensions: ``python -m dwell.local.emulator`` in the emulator's environment."""

from __future__ import annotations

import importlib
import sys

from dwell.local.emulator import hooks

EXTENSIONS: tuple[str, ...] = (
    "guardian",
    "transport",
    "stack_names",
    "encryption",
    "key_access",
    "absent_objects",
    "functions",
    "deliveries",
    "function_logs",
    "events",
    "schedules",
    "metrics",
    "embedded_metrics",
    "alarms",
    "aws_metrics",
    "http_api",
    "http_admission",
    "firehose",
    "sagemaker.api",
    "faults",
)
"""Modules of this package, installed in this order."""


def main() -> None:
    """Install every extension, then serve until SIGTERM."""
    for name in EXTENSIONS:
        importlib.import_module(f"dwell.local.emulator.{name}").install()
    hooks.find("ministack.app", "main")()


if __name__ == "__main__":
    try:
        main()
    except hooks.HookMissingError as error:
        sys.exit(f"The emulator does not start: {error}.")
