"""One process inside an emulated container: its output line by line, its end with everything that it started."""

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

BEHIND = 10
"""Niceness of processes without a deadline, such as training: predictions go first on a machine with few cores."""


class Process:
    """A running command in a process group of its own, which the emulator's guardian also knows.

    ``on_line`` gets each line of standard output and standard error, from a thread.
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
        """Its exit code, or none if it still runs after ``seconds``. When it ends, its whole group does."""
        try:
            code = self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self._signal(signal.SIGKILL)  # what it left behind would hold its output open
        self._reader.join(timeout=5)
        return code

    def stop(self, grace: float) -> int:
        """End it: SIGTERM, then SIGKILL after ``grace`` seconds. Its exit code."""
        self._signal(signal.SIGTERM)
        code = self.wait(grace)
        if code is None:
            self._signal(signal.SIGKILL)
            code = self.wait()
        return -signal.SIGKILL if code is None else code

    def has_ended(self) -> bool:
        """Whether its first process is gone."""
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
