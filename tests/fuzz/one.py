"""One target under atheris: ``python -m tests.fuzz.one TARGET COUNT CORPUS [options]``. It ends the process.

``COUNT`` is a file of eight bytes, in which the accepted inputs are counted: nothing of Python runs at the end.
"""

from __future__ import annotations

import mmap
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["feature_schema", "validator", "inference"]):
    from tests.fuzz.targets import TARGETS

    name, count, *options = sys.argv[1:]
    TARGETS[name](b"")  # what it imports late is instrumented too

with Path(count).open("r+b") as file:
    accepted = memoryview(mmap.mmap(file.fileno(), 8)).cast("Q")


def counted(data: bytes) -> None:
    """Try one input."""
    accepted[0] += TARGETS[name](data)


atheris.Setup([sys.argv[0], *options], counted)
atheris.Fuzz()
