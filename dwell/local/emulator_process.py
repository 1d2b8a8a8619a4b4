"""AWS on this laptop: the emulator as a child process of its own environment, started, found again and stopped."""

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

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / "build" / "local" / "emulator.json"
"""Where ``dwell local up`` writes which emulator it left running."""
DEFAULT_PORT = 4566
REGION = "us-east-1"
START_SECONDS = 30.0
STOP_SECONDS = 8.0

_children: dict[int, subprocess.Popen[bytes]] = {}
"""Emulators that this process started, by pid: it has to collect them when they end."""


class LaptopError(RuntimeError):
    """AWS on this laptop cannot start, or is not there; the message says what to do."""


@dataclass(frozen=True)
class Laptop:
    """A running emulator. Plain values, so that another process can find it again by its state file."""

    port: int
    pid: int
    folder: str
    """Its TMPDIR: worker code, training jobs, endpoints. Gone once it has stopped."""
    log: str
    lifeline: int | None = field(default=None, compare=False)
    """Our end of the pipe whose closing stops the emulator; none when it is detached."""

    @property
    def endpoint_url(self) -> str:
        """Where every AWS service answers."""
        return f"http://127.0.0.1:{self.port}"

    def api_url(self, api_id: str) -> str:
        """Where the default stage of an HTTP API answers; its own host name leads to AWS."""
        return f"{self.endpoint_url}/_aws/execute-api/{api_id}/$default"

    def environment(self) -> dict[str, str]:
        """The variables that point boto3, the AWS command line and sam at this emulator."""
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
        """A boto3 client of ``service`` with the account's keys; one per service."""
        return _client(self.endpoint_url, service)

    def is_running(self) -> bool:
        """Whether its process lives and answers."""
        return _is_emulator(self.pid) and _answers(self.port)

    def stop(self) -> None:
        """Stop it with everything that it started, and wait until that is true. Stopping twice is fine."""
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
        # Its guardian removes the folder last, when no process is left.
        if not _wait_until(lambda: not Path(self.folder).exists(), STOP_SECONDS):
            shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def running(port: int = 0, *, log: Path | None = None) -> Iterator[Laptop]:
    """An emulator for the time of a ``with`` block. It also stops when this process dies. Raises ``LaptopError``."""
    laptop = start(port, log=log)
    try:
        yield laptop
    finally:
        laptop.stop()


def start(port: int = 0, *, detached: bool = False, log: Path | None = None) -> Laptop:
    """Start the emulator on ``port`` of 127.0.0.1 (0: any free one) and wait until it is ready.

    ``detached``: it goes on when this process ends. Raises ``LaptopError``.
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
                start_new_session=True,  # the guardian knows what belongs to it by its session
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
            shutil.rmtree(folder, ignore_errors=True)  # it may have ended before it had a guardian
        laptop.stop()
        raise
    return laptop


def remember(laptop: Laptop) -> None:
    """Write the state file, so that later commands find this emulator."""
    STATE.parent.mkdir(parents=True, exist_ok=True)
    values = {name: value for name, value in asdict(laptop).items() if name != "lifeline"}
    STATE.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def remembered() -> Laptop | None:
    """The emulator that ``dwell local up`` left, running or not; none without a state file."""
    try:
        return Laptop(**json.loads(STATE.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise LaptopError(f"{STATE} is not readable ({error}); remove it, and stop the emulator by hand") from error


def forget() -> None:
    """Remove the state file."""
    STATE.unlink(missing_ok=True)


def clean_environment() -> dict[str, str]:
    """This process's environment without anything that belongs to a real account or to this interpreter."""
    hidden = ("PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_") and name not in hidden}


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
    """``port`` if it is free, any free one for 0. Raises ``LaptopError``."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise LaptopError(
                f"port {port} of 127.0.0.1 is not free ({error.strerror}): choose another, or 0 for any free one"
            ) from error
        return int(probe.getsockname()[1])


def _wait_ready(laptop: Laptop, process: subprocess.Popen[bytes]) -> None:
    def settled() -> bool:
        return process.poll() is not None or _answers(laptop.port)

    ready = _wait_until(settled, START_SECONDS)
    if process.poll() is not None or not ready:
        lines = Path(laptop.log).read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
        what = f"ended with status {process.poll()}" if ready else f"did not answer within {START_SECONDS:.0f} s"
        raise LaptopError("\n".join([f"the emulator {what}; its log ({laptop.log}) ends with", *lines]))


def _answers(port: int) -> bool:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/_ministack/ready")
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False  # not yet, or not any more


def _is_emulator(pid: int) -> bool:
    """Whether ``pid`` lives and is an emulator of ours: a number in a file may have come to mean another process."""
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
    # The type checker's overloads want a literal service name.
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 (the emulator's account keys, public by design)
    )
