"""A small process that cleans up when another process (here: the server) has ended, even by SIGKILL.

The guardian waits on two pipes. The server holds the writing end of the first one: when it closes, the server has
ended, and the guardian kills every process that the server started and removes its folder. The writing end of the
second one, the lifeline, belongs to the process that started the server: when it closes, the guardian stops the server.

Processes are found by their session or process group, which is the server's. So the server's subprocesses must stay in
its session (``process_group=0`` is fine, ``start_new_session`` is not).
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
"""How long the server may take to stop after SIGTERM."""


def install() -> None:
    """Start this process's guardian. ``LOCAL_AWS_LIFELINE`` is the descriptor of the starter's pipe, if any."""
    reading, _writing = os.pipe()  # the writing end stays open in this process alone, until it ends
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


def main(server: int, server_pipe: int, lifeline: int | None) -> None:
    """Wait until the process ``server`` or the process that started it has ended, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it must outlive the terminal to clean up
    watched = [server_pipe] if lifeline is None else [server_pipe, lifeline]
    ended, _, _ = select.select(watched, [], [])
    if server_pipe not in ended:
        with contextlib.suppress(ProcessLookupError):
            os.kill(server, signal.SIGTERM)
        select.select([server_pipe], [], [], GRACE_SECONDS)
    kill_all(server)
    folder = os.environ.get("LOCAL_AWS_FOLDER")
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


def kill_all(leader: int) -> None:
    """Kill every process of the leader's session or process group until none is left, for at most 3 s."""
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        members = processes_of(leader)
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
        # The state follows the command, which is in parentheses and may itself contain parentheses.
        return (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True  # it has just ended


def _belongs(pid: int, leader: int) -> bool:
    try:
        return leader in (os.getsid(pid), os.getpgid(pid))
    except (ProcessLookupError, PermissionError):
        return False


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    main(arguments[0], arguments[1], arguments[2] if len(arguments) > 2 else None)
