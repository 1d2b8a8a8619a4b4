"""One execution environment of a Python function: a process that answers one event after another."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import queue
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from local_aws.lambda_.function_worker import END_OF_LOG

logger = logging.getLogger("local_aws.functions")

WORKER = Path(__file__).with_name("function_worker.py")
INIT_SECONDS = 30.0
"""AWS allows 10 s, then tries again; several environments starting on two cores want more."""
_unpacking = threading.Lock()


class Environment(lambda_runtime.Worker):  # type: ignore[misc]  # ministack has no types
    """Takes a ministack worker's place in its pool, which leases, reaps and invalidates it."""

    def __init__(self, func_name: str, config: dict[str, Any], code_zip: bytes) -> None:
        super().__init__(func_name, config, code_zip)
        self._proc: Any = None  # a Popen, or none: the pool looks at it
        self._answers: IO[bytes] | None = None
        self._log: queue.Queue[str | None] = queue.Queue()

    def invoke(
        self,
        event: object,
        request_id: str,
        *,
        trace_id: str | None = None,
        depth: int | None = None,  # noqa: ARG002 (the pool's interface; functions here do not call functions)
        durable: dict[str, str] | None = None,
        invoked_function_arn: str | None = None,
    ) -> dict[str, Any]:
        """``{"result", "log"}`` or ``{"error": {errorMessage, errorType, ...}, "log"}`` for one event."""
        with self._lock:
            timeout = float(self.config.get("Timeout", 3))
            if self._proc is None or self._proc.poll() is not None:
                failed = self._start()
                if failed is not None:
                    return failed
            message = {
                "event": event,
                "request_id": request_id,
                "arn": invoked_function_arn or self.config.get("FunctionArn", ""),
                "deadline": time.time() + timeout,
                "environment": {"_X_AMZN_TRACE_ID": trace_id, **(durable or {})},
            }
            try:
                self._proc.stdin.write(json.dumps(message).encode() + b"\n")
                self._proc.stdin.flush()
                answer = self._read_answer(timeout)
            except (EOFError, BrokenPipeError):
                return self._failed(request_id, "Runtime.ExitError", "Runtime exited without providing a reason")
            except TimeoutError:
                return self._failed(request_id, "Sandbox.Timedout", f"Task timed out after {timeout:.2f} seconds")
            return answer | {"log": self._read_log()}

    def _start(self) -> dict[str, Any] | None:
        """Start the process and import its handler; what went wrong, if something did."""
        self._spawn()
        try:
            answer = self._read_answer(INIT_SECONDS)
        except EOFError:
            return self._failed("", "Runtime.ExitError", "Runtime exited during its initialization")
        except TimeoutError:
            return self._failed("", "Sandbox.Timedout", f"Initialization timed out after {INIT_SECONDS:.2f} seconds")
        log = self._read_log()
        if "error" in answer:
            self._kill()
            return answer | {"log": log}
        if log:
            logger.info("Function %s printed while it was imported:\n%s", self.func_name, log)
        return None

    def _spawn(self) -> None:
        self._discard_tmpdir()
        self._tmpdir = tempfile.mkdtemp(prefix="function-")  # this environment's /tmp
        code = unpacked(self.code_zip)
        layers = [unpacked(data) for reference in self.config.get("Layers", []) if (data := _layer(reference))]
        reading, writing = os.pipe()
        try:
            self._proc = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-s",
                    str(WORKER),
                    str(writing),
                    self.config["Handler"],
                    *search_path(code, layers),
                ],
                cwd=code,
                env=variables(self.config, code, self._tmpdir),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(writing,),
                process_group=0,  # so that what a handler starts ends with it
            )
        finally:
            os.close(writing)
        if self._answers is not None:
            self._answers.close()
        self._answers = os.fdopen(reading, "rb")
        self._log = queue.Queue()
        threading.Thread(target=_collect_log, args=(self._proc.stdout, self._log), daemon=True).start()

    def _read_answer(self, seconds: float) -> dict[str, Any]:
        """The worker's next line, which comes in one go. Raises ``EOFError`` when it ended, or ``TimeoutError``."""
        assert self._answers is not None  # noqa: S101 (set by _spawn)
        waiting = select.poll()  # unlike select(), it takes descriptors over 1024
        waiting.register(self._answers, select.POLLIN)
        if not waiting.poll(seconds * 1000):
            raise TimeoutError
        line = self._answers.readline()
        if not line:
            raise EOFError
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _read_log(self) -> str:
        """What was printed since the last event, up to the worker's marker."""
        lines: list[str] = []
        with suppress(queue.Empty):  # a handler that closed its own stdout
            while (line := self._log.get(timeout=2)) is not None:
                if line.endswith(END_OF_LOG):
                    lines += filter(None, [line.removesuffix(END_OF_LOG)])
                    break
                lines.append(line)
        return "\n".join(lines)

    def _failed(self, request_id: str, kind: str, what: str) -> dict[str, Any]:
        """The answer when the process gave none: what is left of it is ended."""
        self._kill()
        return {
            "error": {"errorType": kind, "errorMessage": f"RequestId: {request_id} Error: {what}"},
            "log": "\n".join(filter(None, [self._read_log(), f"{request_id} {what}"])),
        }

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._proc.pid, signal.SIGKILL)
        self._proc.wait()
        self._proc.stdin.close()
        self._proc = None


def unpacked(archive: bytes) -> str:
    """The folder with the content of a zip archive: one for all environments, so that modules are compiled once."""
    folder = Path(tempfile.gettempdir()) / "unpacked" / hashlib.sha256(archive).hexdigest()[:32]
    with _unpacking:
        if not folder.exists():
            folder.parent.mkdir(exist_ok=True)
            partial = Path(tempfile.mkdtemp(dir=folder.parent))
            try:
                with zipfile.ZipFile(io.BytesIO(archive)) as content:
                    content.extractall(partial)
                partial.chmod(0o755)
                partial.rename(folder)
            except BaseException:
                shutil.rmtree(partial)
                raise
    return str(folder)


def search_path(code: str, layers: list[str]) -> list[str]:
    """Where imports look: the function's code, then its layers, the last one first, as layers overlay each other."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    found = [
        str(folder)
        for layer in reversed(layers)
        for folder in (Path(layer, "python", "lib", version, "site-packages"), Path(layer, "python"))
        if folder.is_dir()
    ]
    return [code, *found]


def variables(config: dict[str, Any], code: str, temporary: str) -> dict[str, str]:
    """The environment of a function: its own variables and what Lambda sets, nothing of this process's."""
    name, version = config["FunctionName"], config.get("Version", "$LATEST")
    region = config["FunctionArn"].split(":")[3]
    endpoint = f"http://127.0.0.1:{os.environ.get('GATEWAY_PORT', '4566')}"
    lambdas = {
        "PATH": os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin"),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "TMPDIR": temporary,
        "PYTHONUNBUFFERED": "1",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{config.get('Runtime', 'python3.12')}",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.get("MemorySize", 128)),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": f"{time.strftime('%Y/%m/%d', time.gmtime())}/[{version}]{os.urandom(16).hex()}",
        "LAMBDA_TASK_ROOT": code,
        "_HANDLER": config["Handler"],
        "AWS_EC2_METADATA_DISABLED": "true",
        **lambda_runtime.execution_credentials(config),
    }
    own: dict[str, str] = config.get("Environment", {}).get("Variables", {})
    return {"AWS_ENDPOINT_URL": endpoint, **own, **lambdas}


def _layer(reference: str | dict[str, Any]) -> bytes:
    data: bytes | None = lambda_svc._resolve_layer_zip(reference)  # noqa: SLF001 (asserted by functions.install)
    if data is None:
        raise RuntimeError(f"layer {reference} has no content")
    return data


def _collect_log(stream: IO[bytes], lines: queue.Queue[str | None]) -> None:
    with stream:
        for line in stream:
            lines.put(line.decode("utf-8", errors="replace").rstrip("\n"))
    lines.put(None)
