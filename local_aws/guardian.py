"""Nothing of the emulator outlives it: one small process watches, and cleans up whatever way it ended.

The guardian sits on two pipes. The emulator holds the writing end of the first: when that closes, the emulator is gone
(even by SIGKILL), so everything it started is killed and its folder removed. The other one belongs to whoever
started the emulator (a command, pytest): when that closes, the emulator is asked to stop.

Processes are known by their session or process group, which are the emulator's own. Whatever an extension starts must
therefore stay in the session (``process_group=0`` is fine, ``start_new_session`` is not).
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

GRACE_SECONDS = 5.0
"""How long the emulator may take to stop after it was asked to."""


def install() -> None:
    """Start this process's guardian. ``LOCAL_AWS_LIFELINE`` is the descriptor of the starter's pipe, if any."""
    reading, _writing = os.pipe()  # the writing end stays open, in this process only, until we are gone
    watched = [reading]
    lifeline = os.environ.pop("LOCAL_AWS_LIFELINE", "")
    if lifeline:
        watched.append(int(lifeline))
    environment = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LOCAL_AWS_FOLDER") if name in os.environ}
    subprocess.Popen(
        [sys.executable, "-m", "local_aws.guardian", str(os.getpid()), *map(str, watched)],
        pass_fds=watched,
        env=environment,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
    )
    for descriptor in watched:
        os.close(descriptor)


def main(emulator: int, own: int, lifeline: int | None) -> None:
    """Wait until the emulator (pid ``emulator``) or its starter is gone, then leave nothing behind."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends when its work is done, not with a terminal
    watched = [own] if lifeline is None else [own, lifeline]
    ended, _, _ = select.select(watched, [], [])
    if own not in ended:
        with contextlib.suppress(ProcessLookupError):
            os.kill(emulator, signal.SIGTERM)
        select.select([own], [], [], GRACE_SECONDS)
    kill_all(emulator)
    folder = os.environ.get("LOCAL_AWS_FOLDER")
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


def kill_all(emulator: int) -> None:
    """Kill every process of the emulator's session or process group until none is left (at most 3 s)."""
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        members = processes_of(emulator)
        if not members:
            return
        for pid in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def processes_of(leader: int) -> list[int]:
    """Living processes whose session or process group is ``leader``'s."""
    if not Path("/proc").is_dir():
        listing = subprocess.run(["ps", "-A", "-o", "pid=,stat="], capture_output=True, text=True, check=True).stdout
        living = [int(pid) for pid, state in map(str.split, listing.splitlines()) if not state.startswith("Z")]
    else:
        living = [
            int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit() and not _is_zombie(entry)
        ]
    return [pid for pid in living if pid != os.getpid() and _belongs(pid, leader)]


def _is_zombie(entry: Path) -> bool:
    try:
        # The state follows the command, which is in parentheses and may contain anything.
        return (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True  # it ended while we looked


def _belongs(pid: int, leader: int) -> bool:
    try:
        return leader in (os.getsid(pid), os.getpgid(pid))
    except (ProcessLookupError, PermissionError):
        return False


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    main(arguments[0], arguments[1], arguments[2] if len(arguments) > 2 else None)
