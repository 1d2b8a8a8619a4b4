"""Standard output and standard error of every command: results go to ``out``, messages to ``err``."""

from __future__ import annotations

import json
import sys

import typer
from rich.console import Console

from dwell.console.exit_status import FAILED

out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)


def exit_with(message: str, status: int = FAILED) -> typer.Exit:
    """Print ``message`` to standard error; returns the exception that ends the command with ``status``."""
    err.print(message, style="red", markup=False)
    return typer.Exit(status)


def print_json(value: object) -> None:
    """Print ``value`` as the only output. Raises ``ValueError`` for NaN and infinity, which JSON cannot express."""
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False) + "\n")
