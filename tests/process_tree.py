"""A command together with every process that it starts, known by process id. Linux only."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterator, Mapping, Sequence

LINGER_SECONDS = 20
"""How long what a command has started may take to end after it. After SIGKILL, guardians need a few seconds."""

_SUPERVISOR = """
import ctypes, os, signal, subprocess, sys, time
SET_PARENT_DEATH_SIGNAL, SET_CHILD_SUBREAPER = 1, 36
prctl = ctypes.CDLL(None).prctl
prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)
linger_seconds = float(sys.argv[1])
command = subprocess.Popen(sys.argv[2:], stderr=subprocess.STDOUT)

def stop(*_):
    command.terminate()
    signal.setitimer(signal.ITIMER_REAL, linger_seconds)

signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGALRM, lambda *_: command.kill())
signal.signal(signal.SIGTERM, stop)
os.write(2, f"{command.pid}\\n".encode())
os.close(2)
status = command.wait()
deadline, lingered = time.monotonic() + linger_seconds, False
try:
    while True:
        if os.waitpid(-1, os.WNOHANG) != (0, 0):
            continue
        if time.monotonic() > deadline:
            lingered = True
            with open("/proc/thread-self/children") as children:
                for child in children.read().split():
                    os.kill(int(child), signal.SIGKILL)
        time.sleep(0.05)
except ChildProcessError:
    sys.exit(1 if lingered else status if status >= 0 else 128 - status)
"""
"""Becomes the parent of every orphan below it (PR_SET_CHILD_SUBREAPER in prctl(2)), so none of them gets lost. It
stops the command when it is told to, and when the test process dies."""


@dataclass(frozen=True, slots=True)
class ProcessTree:
    """A running command and what it has started."""

    pid: int
    """Process id of the command itself."""
    supervisor: subprocess.Popen[str]
    """Ends with the command's status after the last process of the tree has ended; with 1 if it had to kill one that
    ran on for more than ``LINGER_SECONDS``. Its standard output is the command's."""

    @classmethod
    def start(cls, command: Sequence[str], *, cwd: Path, environment: Mapping[str, str]) -> Self:
        """Start a command. Its standard error goes to its standard output."""
        supervisor = subprocess.Popen(
            [sys.executable, "-c", _SUPERVISOR, str(LINGER_SECONDS), *command],
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert supervisor.stderr is not None
        with supervisor.stderr as stream:
            return cls(int(stream.readline()), supervisor)

    def processes(self) -> list[int]:
        """The process ids of the command and of everything that it started, without processes that have ended."""
        parents = dict(_living_processes())
        found: list[int] = []
        generation = {self.supervisor.pid}
        while generation:
            generation = {pid for pid, parent in parents.items() if parent in generation}
            found += generation
        return found

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the command alone."""
        os.kill(self.pid, number)

    def stop(self) -> None:
        """End the command and everything that it has started. Stopping twice is fine."""
        if self.supervisor.poll() is None:
            self.supervisor.terminate()
            self.supervisor.wait(3 * LINGER_SECONDS)
        if self.supervisor.stdout is not None:
            self.supervisor.stdout.close()


def _living_processes() -> Iterator[tuple[int, int]]:
    """Process id and parent of every process that has not ended."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # The command's name, in parentheses, may contain anything; state and parent follow it.
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        if state != "Z":
            yield int(folder.name), int(parent)
