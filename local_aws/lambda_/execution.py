"""One execution environment of a Python function: a process in which Lambda's own runtime client runs the handler.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
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
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from local_aws.lambda_.runtime_api import RuntimeApi, RuntimeExitedError

logger = logging.getLogger("local_aws.functions")

RUN = "import sys; from awslambdaric.__main__ import main; sys.path[:0] = sys.argv[2:]; main(sys.argv[:2])"
"""Runs the handler that the first argument names; the others are folders to import from."""
MAX_INIT_SECONDS = 30.0
"""AWS allows 10 s, then tries again; several environments that start on two cores need more."""
MAX_NEXT_SECONDS = 5.0
"""How long a runtime may take from its response to its request for the next event."""
MAX_LOG_BYTES = 1_000_000
"""What an environment's log file holds before it is emptied."""
_unpacking = threading.Lock()


class Log:
    """What an environment prints: a file, so that the log of an event is what was written until its response."""

    def __init__(self) -> None:
        self.file = tempfile.TemporaryFile("a+b", buffering=0)  # noqa: SIM115 (the pool closes it)
        self._offset = 0

    def read(self) -> str:
        """The text that was written since the last call, without the line break at its end."""
        descriptor = self.file.fileno()
        size = os.fstat(descriptor).st_size
        text = os.pread(descriptor, size - self._offset, self._offset).decode("utf-8", errors="replace")
        self._offset = size
        if size > MAX_LOG_BYTES:
            os.ftruncate(descriptor, 0)
            self._offset = 0
        return text.replace("\r", "\n").removesuffix("\n")  # the runtime ends an error's lines with carriage returns


class Environment(lambda_runtime.Worker):  # type: ignore[misc]  # ministack has no types
    """Replaces a worker in ministack's pool, which leases, reaps and invalidates it."""

    def __init__(self, func_name: str, config: dict[str, Any], code_zip: bytes) -> None:
        super().__init__(func_name, config, code_zip)
        self._proc: Any = None  # a Popen, or none; the pool reads it and stops it
        self._api: RuntimeApi | None = None
        self._log: Log | None = None
        self._is_waiting = False
        """Whether the runtime's request for the next event has been received."""

    def invoke(
        self,
        event: object,
        request_id: str,
        *,
        trace_id: str | None = None,
        depth: int | None = None,  # noqa: ARG002 (the pool's interface; functions here do not call functions)
        invoked_function_arn: str | None = None,
    ) -> dict[str, Any]:
        """``{"result", "log"}`` or ``{"error": {errorMessage, errorType, ...}, "log"}`` for one event.

        The result is JSON that was read, or bytes that are no JSON.
        """
        with self._lock:
            if not self._is_ready():
                failure = self._start()
                if failure is not None:
                    return failure
            api = self._api
            assert api is not None  # noqa: S101 (set by _start)
            timeout_seconds = float(self.config.get("Timeout", 3))
            headers = {
                "Content-Type": "application/json",
                "Lambda-Runtime-Aws-Request-Id": request_id,
                "Lambda-Runtime-Deadline-Ms": str(int((time.time() + timeout_seconds) * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": invoked_function_arn or self.config.get("FunctionArn", ""),
            }
            if trace_id:
                headers["Lambda-Runtime-Trace-Id"] = trace_id
            self._is_waiting = False
            try:
                api.respond(200, json.dumps(event).encode(), headers)
                request = api.receive(timeout_seconds)
                api.respond(202)
            except RuntimeExitedError:
                return self._fail(request_id, "Runtime.ExitError", "Runtime exited without providing a reason")
            except TimeoutError:
                message = f"Task timed out after {timeout_seconds:.2f} seconds"
                return self._fail(request_id, "Sandbox.Timedout", message)
            kind = "error" if request.path.endswith("/error") else "result"
            return {kind: read_json(request.body), "log": self._read_log()}

    def _is_ready(self) -> bool:
        """Whether the process waits for an event; one that does not ask for it is ended."""
        if self._proc is None:
            return False
        assert self._api is not None  # noqa: S101 (set with the process)
        try:
            if not self._is_waiting:
                self._api.receive(MAX_NEXT_SECONDS)
        except (RuntimeExitedError, TimeoutError):
            self._stop()
            return False
        self._is_waiting = self._proc.poll() is None
        if not self._is_waiting:
            self._stop()
        return self._is_waiting

    def _start(self) -> dict[str, Any] | None:
        """Start the process and import its handler; the failure, if it fails."""
        self._spawn()
        assert self._api is not None  # noqa: S101 (set by _spawn)
        try:
            request = self._api.receive(MAX_INIT_SECONDS)
            if request.path == "init/error":
                self._api.respond(202)
                self._stop()
                return {"error": read_json(request.body), "log": self._read_log()}
        except RuntimeExitedError:
            return self._fail("", "Runtime.ExitError", "Runtime exited during its initialization")
        except TimeoutError:
            return self._fail("", "Sandbox.Timedout", f"Initialization timed out after {MAX_INIT_SECONDS:.2f} seconds")
        self._is_waiting = True
        if log := self._read_log():
            logger.info("Function %s printed while it was imported:\n%s", self.func_name, log)
        return None

    def _spawn(self) -> None:
        self._discard_tmpdir()
        self._tmpdir = tempfile.mkdtemp(prefix="function-")  # this environment's /tmp
        code = unpack(self.code_zip)
        layers = [unpack(data) for reference in self.config.get("Layers", []) if (data := _layer(reference))]
        self._log = Log()
        self._api = RuntimeApi(lambda: self._proc is not None and self._proc.poll() is None)
        self._proc = subprocess.Popen(
            [sys.executable, "-P", "-s", "-c", RUN, self.config["Handler"], *search_path(code, layers)],
            cwd=code,
            env=variables(self.config, code, self._tmpdir) | {"AWS_LAMBDA_RUNTIME_API": self._api.address},
            stdin=subprocess.DEVNULL,
            stdout=self._log.file,
            stderr=subprocess.STDOUT,
            process_group=0,  # so that the processes a handler starts end with it
        )

    def _read_log(self) -> str:
        return "" if self._log is None else self._log.read()

    def _fail(self, request_id: str, error_type: str, message: str) -> dict[str, Any]:
        """The outcome when the runtime gave none; its process is ended."""
        self._stop()
        return {
            "error": {"errorType": error_type, "errorMessage": f"RequestId: {request_id} Error: {message}"},
            "log": "\n".join(filter(None, [self._read_log(), f"{request_id} {message}"])),
        }

    def _stop(self) -> None:
        """End the process and what it has started; its log can still be read."""
        process, self._proc = self._proc, None
        if process is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._close_api()

    def _close_api(self) -> None:
        self._is_waiting = False
        if self._api is not None:
            self._api.close()
            self._api = None

    def _discard_tmpdir(self) -> None:
        """Also called by the pool, once it has stopped the process."""
        self._close_api()
        if self._log is not None:
            self._log.file.close()
            self._log = None
        super()._discard_tmpdir()


def read_json(body: bytes) -> object:
    """The value that a response stands for, or the response itself if it is no JSON: Lambda passes it on unread."""
    try:
        return json.loads(body)
    except ValueError:
        return body


def unpack(archive: bytes) -> str:
    """The folder with the content of a zip archive, shared by all environments so that modules are compiled once."""
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
    """The folders to import from: the function's code, then its layers, the last one first, as layers are overlaid.

    https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    layer_folders = [
        str(folder)
        for layer in reversed(layers)
        for folder in (Path(layer, "python", "lib", version, "site-packages"), Path(layer, "python"))
        if folder.is_dir()
    ]
    return [code, *layer_folders]


def variables(config: dict[str, Any], code: str, temporary: str) -> dict[str, str]:
    """A function's environment variables: its own and Lambda's, without those of this process.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
    """
    name, version = config["FunctionName"], config.get("Version", "$LATEST")
    region = config["FunctionArn"].split(":")[3]
    endpoint = f"http://127.0.0.1:{os.environ.get('GATEWAY_PORT', '4566')}"
    set_by_lambda = {
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
    set_by_user: dict[str, str] = config.get("Environment", {}).get("Variables", {})
    return {"AWS_ENDPOINT_URL": endpoint, **set_by_user, **set_by_lambda}


def _layer(reference: str | dict[str, Any]) -> bytes:
    data: bytes | None = lambda_svc._resolve_layer_zip(reference)  # noqa: SLF001 (asserted by functions.install)
    if data is None:
        raise RuntimeError(f"layer {reference} has no content")
    return data
