"""Run a command that ends when we end, in whatever way that happens, together with everything that it started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GUARDIAN = Path(__file__).resolve().parents[2] / "local_aws" / "guardian.py"


def run(command: Sequence[str | Path], *, cwd: Path, environment: Mapping[str, str], output: Path) -> int:
    """Run ``command`` in a process group of its own, its output written to a file; its exit status."""
    own, held_by_command = os.pipe()
    lifeline, held_by_us = os.pipe()
    with output.open("wb") as target:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=target,
            stderr=subprocess.STDOUT,
            process_group=0,
            pass_fds=(held_by_command,),
        )
    os.close(held_by_command)
    try:
        watcher = subprocess.Popen(
            [sys.executable, GUARDIAN, str(process.pid), str(own), str(lifeline)],
            env={},
            pass_fds=(own, lifeline),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
        )
        os.close(own)
        os.close(lifeline)
        return process.wait()
    finally:
        os.close(held_by_us)
        process.wait()  # after an interruption: the guardian ends it
        watcher.wait()
