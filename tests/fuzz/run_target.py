"""Fuzzes one target with atheris: ``python -m tests.fuzz.run_target TARGET COUNT CORPUS [options]``. Ends the process.

``COUNT`` is a memory-mapped file of eight bytes that counts accepted inputs, since no Python code runs at the end.
"""

from __future__ import annotations

import mmap
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["feature_schema", "validator", "inference"]):
    from tests.fuzz.targets import TARGETS

    name, count, *options = sys.argv[1:]
    TARGETS[name](b"")  # instruments its lazy imports, too

with Path(count).open("r+b") as file:
    accepted_count = memoryview(mmap.mmap(file.fileno(), 8)).cast("Q")


def run_and_count(data: bytes) -> None:
    """Run the target with one input."""
    accepted_count[0] += TARGETS[name](data)


atheris.Setup([sys.argv[0], *options], run_and_count)
atheris.Fuzz()
