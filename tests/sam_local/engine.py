"""A container engine: the one that is there, or one of our own for the time of the tests."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


_BRIDGE = Path("/sys/class/net/docker0")
"""The network that an engine makes for its containers, and leaves behind when it ends."""


class NoEngineError(RuntimeError):
    """No container engine can be had; the message says why."""


@contextlib.contextmanager
def running() -> Iterator[str]:
    """An engine's address. Raises ``NoEngineError``."""
    if shutil.which("docker") and _answers(None):
        context = subprocess.run(["docker", "context", "inspect"], capture_output=True, text=True, check=True).stdout
        yield str(json.loads(context)[0]["Endpoints"]["docker"]["Host"])
        return
    if missing := [program for program in ("dockerd", "ip") if not shutil.which(program)]:
        raise NoEngineError(
            f"no container engine answers, and {' and '.join(missing)} cannot be found to start one"
            " (Debian: docker.io, iproute2)"
        )
    folder = Path(tempfile.mkdtemp(prefix="dwell-docker-"))
    address = f"unix://{folder}/docker.sock"
    command = [
        "dockerd", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid",
        "--host", address, "--storage-driver", "overlay2",
        # no rule of this machine's network is touched: containers reach this machine, and nothing else
        "--iptables=false", "--ip6tables=false", "--ip-masq=false", "--ip-forward=false",
    ]  # fmt: skip
    log = folder / "log"
    bridge_was_there = _BRIDGE.exists()
    with log.open("wb") as output:
        daemon = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + 30
        while not _answers(address):
            if daemon.poll() is not None or time.monotonic() > end:
                raise NoEngineError(f"dockerd does not start: {log.read_text(errors='replace')[-500:]}")
            time.sleep(0.2)
        yield address
    finally:
        daemon.send_signal(signal.SIGTERM)
        try:
            daemon.wait(30)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
        shutil.rmtree(folder)
        if _BRIDGE.exists() and not bridge_was_there:
            subprocess.run(["ip", "link", "delete", _BRIDGE.name], check=True)


def _answers(address: str | None) -> bool:
    host = ["--host", address] if address else []
    return subprocess.run(["docker", *host, "info"], capture_output=True, check=False).returncode == 0


def docker(address: str) -> list[str]:
    """The command that speaks to the engine at ``address``."""
    return ["docker", "--host", address]


def bridge_address(address: str) -> str:
    """Where containers of the engine's own network see this machine."""
    shown = subprocess.run(
        [*docker(address), "network", "inspect", "bridge"], capture_output=True, text=True, check=True
    ).stdout
    (config,) = json.loads(shown)[0]["IPAM"]["Config"]
    # An engine names the gateway of a bridge that it found; of one that it has just made, it is the first address.
    return str(config.get("Gateway") or next(ipaddress.ip_network(config["Subnet"]).hosts()))
