"""A process of an emulated container: reads its output line by line, and ends its whole process group."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

LOW_PRIORITY = 10
"""Niceness of processes without a deadline, such as training: predictions go first on a machine with few cores."""


class Process:
    """A running command in its own process group, within the session that ``local_aws.guardian`` cleans up.

    A thread calls ``on_line`` with each line of standard output and standard error.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        on_line: Callable[[str], None],
        niceness: int = 0,
    ) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        if niceness:
            with contextlib.suppress(ProcessLookupError):  # it may have ended already
                os.setpriority(os.PRIO_PROCESS, self._process.pid, niceness)
        self._reader = threading.Thread(target=self._read, args=(on_line,), daemon=True, name="sagemaker-output")
        self._reader.start()

    def wait(self, seconds: float | None = None) -> int | None:
        """Its exit code, or None if it still runs after ``seconds``. When it has ended, its group is killed."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self._signal(signal.SIGKILL)  # subprocesses would keep its output open
        self._reader.join(timeout=5)
        return code

    def stop(self, grace: float) -> int:
        """Send SIGTERM, and SIGKILL after ``grace`` seconds; returns the exit code."""
        self._signal(signal.SIGTERM)
        code = self.wait(grace)
        if code is None:
            self._signal(signal.SIGKILL)
            code = self.wait()
        return -signal.SIGKILL if code is None else code

    def has_ended(self) -> bool:
        """Whether the command has ended."""
        return self._process.poll() is not None

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _read(self, on_line: Callable[[str], None]) -> None:
        if self._process.stdout is None:
            return
        with self._process.stdout as output:
            for raw in output:
                on_line(raw.decode("utf-8", "replace").rstrip("\r\n"))
