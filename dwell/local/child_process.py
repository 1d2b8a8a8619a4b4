"""Runs a command that ends together with this process, even if this process is killed, with all its descendants."""

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
    """Run ``command`` in a process group of its own, with its output written to a file; returns its exit status.

    Two pipes tie the processes together: a guardian process kills the group when ``lifeline`` is closed, and ends
    when the command's end of ``command_pipe`` is closed.
    """
    command_pipe, held_by_command = os.pipe()
    lifeline, held_by_parent = os.pipe()
    with output.open("wb") as output_file:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output_file,
            stderr=subprocess.STDOUT,
            process_group=0,
            pass_fds=(held_by_command,),
        )
    os.close(held_by_command)
    try:
        guardian = subprocess.Popen(
            [sys.executable, GUARDIAN, str(process.pid), str(command_pipe), str(lifeline)],
            env={},
            pass_fds=(command_pipe, lifeline),
            start_new_session=True,
            stdin=subprocess.DEVNULL,
        )
        os.close(command_pipe)
        os.close(lifeline)
        return process.wait()
    finally:
        os.close(held_by_parent)
        process.wait()  # after an interruption the guardian has ended it
        guardian.wait()
