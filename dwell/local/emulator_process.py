"""The local AWS as a child process with a Python environment of its own: start, find and stop it."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from dwell.console.errors import ReportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
STATE_FILE = ROOT / "build" / "local" / "emulator.json"
"""The state file in which ``dwell local up`` describes the emulator that it started."""
DEFAULT_PORT = 4566
REGION = "us-east-1"
START_SECONDS = 30.0
STOP_SECONDS = 8.0

_children: dict[int, subprocess.Popen[bytes]] = {}
"""Emulators that this process started, by pid; it must wait for them when they end."""


class LaptopError(ReportedError):
    """AWS on this laptop cannot start, or cannot be found; the message says what to do."""


@dataclass(frozen=True)
class Laptop:
    """A running emulator. Plain values, so that another process can read them from the state file."""

    port: int
    pid: int
    folder: str
    """Its folder for worker code, training jobs and endpoints; removed after it has stopped."""
    log: str
    lifeline: int | None = field(default=None, compare=False)
    """This process's end of the pipe whose closing stops the emulator; ``None`` if it is detached."""

    @property
    def endpoint_url(self) -> str:
        """The endpoint of all AWS services."""
        return f"http://127.0.0.1:{self.port}"

    def api_url(self, api_id: str) -> str:
        """The URL of the default stage of an HTTP API; the API's own host name resolves to AWS."""
        return f"{self.endpoint_url}/_aws/execute-api/{api_id}/$default"

    def environment(self) -> dict[str, str]:
        """The environment variables with which boto3, the AWS CLI and sam use this emulator."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAM_CLI_TELEMETRY": "0",
        }

    def client(self, service: str) -> Any:
        """A boto3 client of ``service`` with the emulator's keys; created once for each service."""
        return _client(self.endpoint_url, service)

    def is_running(self) -> bool:
        """Whether its process exists and responds."""
        return _is_emulator(self.pid) and _responds(self.port)

    def stop(self) -> None:
        """Stop it with all processes that it started, and wait for their end. May be called twice."""
        if self.lifeline is not None:
            with contextlib.suppress(OSError):  # closed by an earlier stop
                os.close(self.lifeline)
        if _is_emulator(self.pid):
            _signal(self.pid, signal.SIGTERM)
            if not _wait_until(lambda: not _is_emulator(self.pid), STOP_SECONDS):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.pid, signal.SIGKILL)
                _wait_until(lambda: not _is_emulator(self.pid), STOP_SECONDS)
        if child := _children.pop(self.pid, None):
            child.wait()
        # The guardian removes the folder as its last step, when no process is left.
        if not _wait_until(lambda: not Path(self.folder).exists(), STOP_SECONDS):
            shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def running(port: int = 0, *, log: Path | None = None) -> Iterator[Laptop]:
    """An emulator that runs until the end of the block, or of this process. Raises ``LaptopError``."""
    laptop = start(port, log=log)
    try:
        yield laptop
    finally:
        laptop.stop()


def start(port: int = 0, *, detached: bool = False, log: Path | None = None) -> Laptop:
    """Start the emulator on ``port`` of 127.0.0.1 (0: any free port) and wait until it is ready.

    ``detached``: it keeps running when this process ends. Raises ``LaptopError``.
    """
    python = _interpreter("local_aws")
    image_python = _interpreter("image")
    port = _free_port(port)
    log = log or ROOT / "build" / "local" / "emulator.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="dwell-")
    reading, writing = (None, None) if detached else os.pipe()
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(python), "-m", "local_aws"],
                cwd=ROOT,
                env=_emulator_environment(port, folder, image_python, reading),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # the guardian finds its processes by their session
                pass_fds=() if reading is None else (reading,),
            )
    finally:
        if reading is not None:
            os.close(reading)
    _children[process.pid] = process
    laptop = Laptop(port, process.pid, folder, str(log), writing)
    try:
        _wait_ready(laptop, process)
    except BaseException:
        if process.poll() is not None:
            shutil.rmtree(folder, ignore_errors=True)  # it may have ended before it had started its guardian
        laptop.stop()
        raise
    return laptop


def save_state(laptop: Laptop) -> None:
    """Write the state file, with which later commands find this emulator."""
    STATE_FILE.parent.mkdir(parents=True, exist_ok=True)
    values = {name: value for name, value in asdict(laptop).items() if name != "lifeline"}
    STATE_FILE.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def load_state() -> Laptop | None:
    """The emulator of the state file, running or not; ``None`` without a state file. Raises ``LaptopError``."""
    try:
        return Laptop(**json.loads(STATE_FILE.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise LaptopError(
            f"{STATE_FILE} is not readable ({error}); remove it, and stop the emulator by hand"
        ) from error


def clear_state() -> None:
    """Remove the state file."""
    STATE_FILE.unlink(missing_ok=True)


def clean_environment() -> dict[str, str]:
    """This process's environment variables without those of an AWS account or of this interpreter."""
    removed = ("PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_") and name not in removed}


def _emulator_environment(port: int, folder: str, image_python: Path, lifeline: int | None) -> dict[str, str]:
    environment = clean_environment() | {
        "GATEWAY_PORT": str(port),
        "LOCAL_AWS_FOLDER": folder,
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "LOCAL_AWS_IMAGE_PYTHON": str(image_python),
    }
    if lifeline is not None:
        environment["LOCAL_AWS_LIFELINE"] = str(lifeline)
    return environment


def _interpreter(name: str) -> Path:
    python = ROOT / ".venvs" / name / "bin" / "python"
    if not python.exists():
        raise LaptopError(f"the environment .venvs/{name} is missing: run `make setup`")
    return python


def _free_port(port: int) -> int:
    """``port`` if it is free; any free port for 0. Raises ``LaptopError``."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise LaptopError(
                f"port {port} of 127.0.0.1 is not free ({error.strerror}): choose another, or 0 for any free port"
            ) from error
        return int(probe.getsockname()[1])


def _wait_ready(laptop: Laptop, process: subprocess.Popen[bytes]) -> None:
    def has_settled() -> bool:
        return process.poll() is not None or _responds(laptop.port)

    ready = _wait_until(has_settled, START_SECONDS)
    if process.poll() is not None or not ready:
        lines = Path(laptop.log).read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
        problem = f"ended with status {process.poll()}" if ready else f"did not respond within {START_SECONDS:.0f} s"
        raise LaptopError("\n".join([f"the emulator {problem}; its log ({laptop.log}) ends with", *lines]))


def _responds(port: int) -> bool:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/_ministack/ready")
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False  # not started yet, or stopped


def _is_emulator(pid: int) -> bool:
    """Whether the process ``pid`` exists and is an emulator: the pid of the state file may have been reused."""
    if pid in _children and _children[pid].poll() is not None:
        return False
    try:
        if os.getsid(pid) != pid:
            return False
    except ProcessLookupError:
        return False
    command = Path(f"/proc/{pid}/cmdline")
    return not command.parent.parent.is_dir() or b"local_aws" in command.read_bytes()


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@functools.lru_cache(maxsize=64)
def _client(endpoint_url: str, service: str) -> Any:
    # The overloads of the stubs require a literal service name.
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 (the emulator's account keys, public by design)
    )
