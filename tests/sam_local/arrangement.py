"""What ``sam local`` needs around it: an engine with the base image, and the functions' variables."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING

import base_image
import engine

from dwell.local import deployment
from dwell.local import emulator_process as local
from dwell.local.functions import logical_ids

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def engine_with_image() -> Iterator[str]:
    """The address of an engine that has the base image, or a stand-in for it. Raises ``NoEngineError``."""
    with engine.running() as address:
        command = engine.docker(address)
        kept = f"{base_image.TAG}-as-it-was"
        if subprocess.run([*command, "pull", "-q", base_image.TAG], capture_output=True, check=False).returncode:
            sys.stderr.write(f"{base_image.TAG} cannot be pulled; a stand-in made of this machine's Python is used.\n")
            base_image.make(command, local.ROOT / ".venvs/sam-local/lib/python3.12/site-packages")
        subprocess.run([*command, "tag", base_image.TAG, kept], check=True)
        try:
            yield address
        finally:
            # it was pointed at an emulator; nobody else's image may stay so
            subprocess.run([*command, "tag", kept, base_image.TAG], check=True)
            subprocess.run([*command, "rmi", kept], check=True, capture_output=True)


def variables(laptop: local.Laptop) -> dict[str, dict[str, str]]:
    """Each function's variables as they are deployed: sam alone knows no names of resources."""
    return {
        logical: laptop.client("lambda").get_function_configuration(FunctionName=f"{deployment.STACK}-{short}")[
            "Environment"
        ]["Variables"]
        for short, logical in logical_ids().items()
    }
