"""The server of a variant: a folder with the model's archive and code, and a process that serves it."""

from __future__ import annotations

import http.client
import logging
import os
import queue
import re
import shlex
import shutil
import tempfile
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from local_aws.sagemaker import channels, environment, source_archive
from local_aws.sagemaker.environment import Folders
from local_aws.sagemaker.errors import ApiError, JobError
from local_aws.sagemaker.log_stream import LogStream
from local_aws.sagemaker.process import LOW_PRIORITY, Process
from local_aws.sagemaker.role_access import RoleAccess

logger = logging.getLogger("local_aws.sagemaker")

INVOCATION_SECONDS = 60.0
"""The timeout of an invocation.

https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html
"""
PING_SECONDS = 90.0
"""The timeout of the first successful ping; AWS waits 8 minutes."""
LOG_GROUP = "/aws/sagemaker/Endpoints"
_LISTENING = re.compile(r"Listening at: http://127\.0\.0\.1:(\d+)")
_SERVER = Path(__file__).with_name("image")


@dataclass(frozen=True, slots=True)
class Container:
    """The properties of a model's container."""

    archive: channels.Location
    environment: dict[str, str]
    role_arn: str
    model_arn: str
    isolated: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """A container's response: status, the headers that SageMaker forwards, body."""

    status: int
    content_type: str
    custom_attributes: str | None
    body: bytes


class ModelServer:
    """A model that is served on a free port of 127.0.0.1 from ``start`` to ``stop``."""

    def __init__(self, container: Container, *, endpoint: str, variant: str) -> None:
        self._container, self._endpoint, self._variant = container, endpoint, variant
        self._folder = Path(tempfile.mkdtemp(prefix="sagemaker-endpoint-"))
        self._folders = Folders(self._folder / "ml")
        self._process: Process | None = None
        self._log: LogStream | None = None
        self._port: int | None = None
        self._listening = threading.Event()
        self._idle: queue.LifoQueue[http.client.HTTPConnection] = queue.LifoQueue()
        self._in_flight = 0
        self._quiet = threading.Condition()

    def start(self) -> None:
        """Download, install, serve, and wait for a successful ping. Raises ``JobError`` with the failure reason."""
        access = self.access()
        stream = f"{self._variant}/i-{uuid.uuid4().hex[:17]}"
        self._log = LogStream(access.logs, f"{LOG_GROUP}/{self._endpoint}", stream)
        try:
            variables = self._prepare(access)
            self._serve(variables)
        except (JobError, ApiError) as error:
            self._log.write(str(error))
            raise

    def access(self) -> RoleAccess:
        """Access with the model's role. Raises ``JobError`` if it cannot be assumed."""
        return RoleAccess(self._container.role_arn, self._container.model_arn)

    def stop(self) -> None:
        """Wait for the requests in flight (60 s at most), then end the process and remove the folder."""
        with self._quiet:
            self._quiet.wait_for(lambda: self._in_flight == 0, timeout=INVOCATION_SECONDS)
        if self._process is not None:
            self._process.stop(grace=5)
        while not self._idle.empty():
            self._idle.get().close()
        if self._log is not None:
            self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def invoke(self, body: bytes, headers: dict[str, str]) -> Reply:
        """Send a request to ``/invocations``. Raises ``TimeoutError`` after 60 s, or another ``OSError``."""
        with self._quiet:
            self._in_flight += 1
        try:
            return self._request("POST", "/invocations", body, headers, INVOCATION_SECONDS)
        finally:
            with self._quiet:
                self._in_flight -= 1
                self._quiet.notify_all()

    def _prepare(self, access: RoleAccess) -> dict[str, str]:
        """Unpack the model, install its code; returns the server's environment."""
        (self._folder / "tmp").mkdir()
        archive = self._folder / "model.tar.gz"
        access.download(self._container.archive, archive)
        source_archive.unpack(archive, self._folders.model)
        archive.unlink()
        variables = self._container.environment
        program, directory = variables.get("SAGEMAKER_PROGRAM"), variables.get("SAGEMAKER_SUBMIT_DIRECTORY")
        if not program or not directory:
            raise self._unhealthy(
                "Only models with code are emulated: the container's environment needs SAGEMAKER_PROGRAM and "
                "SAGEMAKER_SUBMIT_DIRECTORY."
            )
        if not directory.startswith("s3://"):
            self._place_code(Path(self._folders.to_local(directory)))
        elif self._container.isolated:
            raise self._unhealthy(f"{directory} cannot be downloaded: the model is isolated from the network.")
        else:
            packed = self._folder / "sourcedir.tar.gz"
            access.download(channels.parse_location(directory, "SAGEMAKER_SUBMIT_DIRECTORY"), packed)
            self._place_code(packed)
        source_archive.make_installable(self._folders.code, program)
        server_environment = environment.for_process(self._folders, self._folder / "site", variables) | {
            "OMP_NUM_THREADS": variables.get("OMP_NUM_THREADS", "1"),
            "SM_MODEL_DIR": str(self._folders.model),
        }
        command = source_archive.install_command(
            os.environ["LOCAL_AWS_IMAGE_PYTHON"], self._folders.code, self._folder / "site"
        )
        self._write(f"Invoking script with the following command: {shlex.join(command)}")
        process = Process(
            command,
            folder=self._folders.code,
            environment=server_environment,
            on_line=self._write,
            niceness=LOW_PRIORITY,
        )
        if process.wait() != 0:
            raise self._unhealthy(f'InstallModuleError: Command "{shlex.join(command)}"')
        return server_environment

    def _place_code(self, code: Path) -> None:
        """Put the code into its folder; missing code fails the health check, without a reason of its own."""
        try:
            source_archive.place_code(code, self._folders.code)
        except JobError as error:
            raise self._unhealthy(str(error)) from error

    def _serve(self, variables: dict[str, str]) -> None:
        """Start the server, with one worker by default, and ping it until it is healthy."""
        workers = self._container.environment.get("SAGEMAKER_MODEL_SERVER_WORKERS", "1")
        options = {
            "--bind": "127.0.0.1:0",
            "--workers": workers,
            "--worker-class": "gevent",
            "--timeout": str(int(INVOCATION_SECONDS)),
            "--keep-alive": "75",
            "--pythonpath": str(_SERVER),
            "--worker-tmp-dir": variables["TMPDIR"],
        }
        command = [os.environ["LOCAL_AWS_IMAGE_PYTHON"], "-m", "gunicorn", "--no-control-socket"]
        command += [part for option in options.items() for part in option] + ["sagemaker_image_server:app"]
        self._process = Process(command, folder=self._folder, environment=variables, on_line=self._read)
        deadline = time.monotonic() + PING_SECONDS
        while time.monotonic() < deadline and not self._process.has_ended():
            if self._listening.wait(0.1) and self._is_healthy(deadline - time.monotonic()):
                return
            time.sleep(0.1)
        raise self._unhealthy("The server did not answer /ping with 200.")

    def _is_healthy(self, seconds: float) -> bool:
        try:
            return self._request("GET", "/ping", None, {}, max(0.1, seconds)).status == 200
        except (OSError, http.client.HTTPException):
            return False  # it is not ready yet

    def _request(self, method: str, path: str, body: bytes | None, headers: dict[str, str], seconds: float) -> Reply:
        try:
            connection, is_new = self._idle.get_nowait(), False
        except queue.Empty:
            connection, is_new = self._connection(), True
        while True:
            connection.timeout = seconds
            if connection.sock is not None:
                connection.sock.settimeout(seconds)
            try:
                connection.request(method, path, body=body, headers=headers)
                response = connection.getresponse()
                reply = Reply(
                    response.status,
                    response.headers.get("Content-Type", ""),
                    response.headers.get("X-Amzn-SageMaker-Custom-Attributes"),
                    response.read(),
                )
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if is_new or isinstance(error, TimeoutError):
                    raise
                connection, is_new = self._connection(), True  # the server had closed the idle connection
                continue
            self._idle.put(connection)
            return reply

    def _connection(self) -> http.client.HTTPConnection:
        if self._port is None:
            raise ConnectionRefusedError(f"no server of {self._endpoint} listens")
        return http.client.HTTPConnection("127.0.0.1", self._port)

    def _read(self, line: str) -> None:
        if not self._listening.is_set() and (match := _LISTENING.search(line)):
            self._port = int(match[1])
            self._listening.set()
        self._write(line)

    def _write(self, line: str) -> None:
        if self._log is not None:
            self._log.write(line)

    def _unhealthy(self, reason: str) -> JobError:
        self._write(reason)
        return JobError(
            f"The primary container for production variant {self._variant} did not pass the ping health check. "
            "Please check CloudWatch logs for this endpoint."
        )
