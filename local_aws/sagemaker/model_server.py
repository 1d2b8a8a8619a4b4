"""One variant of an endpoint: a model's archive and code in a folder, and the server process that answers for them."""

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
from local_aws.sagemaker.process import BEHIND, Process
from local_aws.sagemaker.role_access import RoleAccess

logger = logging.getLogger("local_aws.sagemaker")

ANSWER_SECONDS = 60.0
"""How long a model may take for one answer, as on AWS."""
PING_SECONDS = 90.0
"""How long a server may take until its first ping succeeds; AWS waits 8 minutes. A busy laptop is slow, too."""
LOG_GROUP = "/aws/sagemaker/Endpoints"
_LISTENING = re.compile(r"Listening at: http://127\.0\.0\.1:(\d+)")
_SERVER = Path(__file__).with_name("image")


@dataclass(frozen=True, slots=True)
class Container:
    """What a model's container is made of."""

    archive: channels.Location
    environment: dict[str, str]
    role_arn: str
    model_arn: str
    isolated: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """What a container answered: status, the headers that SageMaker passes on, body."""

    status: int
    content_type: str
    custom_attributes: str | None
    body: bytes


class ModelServer:
    """A model behind a port of 127.0.0.1 that was free. Made, started, asked, stopped."""

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
        """Download, install, serve, and wait for a healthy ping. Raises ``JobError`` with the endpoint's reason."""
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
        """The role of its model. Raises ``JobError`` if it cannot be assumed."""
        return RoleAccess(self._container.role_arn, self._container.model_arn)

    def stop(self) -> None:
        """Finish what it is being asked (60 s at most), then end, and leave nothing behind."""
        with self._quiet:
            self._quiet.wait_for(lambda: self._in_flight == 0, timeout=ANSWER_SECONDS)
        if self._process is not None:
            self._process.stop(grace=5)
        while not self._idle.empty():
            self._idle.get().close()
        if self._log is not None:
            self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def invoke(self, body: bytes, headers: dict[str, str]) -> Reply:
        """Ask ``/invocations``. Raises ``TimeoutError`` after 60 s, other ``OSError`` when nobody answers."""
        with self._quiet:
            self._in_flight += 1
        try:
            return self._ask("POST", "/invocations", body, headers, ANSWER_SECONDS)
        finally:
            with self._quiet:
                self._in_flight -= 1
                self._quiet.notify_all()

    def _prepare(self, access: RoleAccess) -> dict[str, str]:
        """Lay out model and code, install the code; the server's environment."""
        (self._folder / "tmp").mkdir()
        archive = self._folder / "model.tar.gz"
        access.download(self._container.archive, archive)
        source_archive.unpack(archive, self._folders.model)
        archive.unlink()
        given = self._container.environment
        program, directory = given.get("SAGEMAKER_PROGRAM"), given.get("SAGEMAKER_SUBMIT_DIRECTORY")
        if not program or not directory:
            raise self._unhealthy(
                "A laptop serves models with code: the container needs both SAGEMAKER_PROGRAM and "
                "SAGEMAKER_SUBMIT_DIRECTORY in its environment."
            )
        if not directory.startswith("s3://"):
            self._place(Path(self._folders.here(directory)))
        elif self._container.isolated:
            raise self._unhealthy(f"{directory} cannot be downloaded: the model is isolated from the network.")
        else:
            packed = self._folder / "sourcedir.tar.gz"
            access.download(channels.location(directory, "SAGEMAKER_SUBMIT_DIRECTORY"), packed)
            self._place(packed)
        source_archive.make_installable(self._folders.code, program)
        variables = environment.of_process(self._folders, self._folder / "site", given) | {
            "OMP_NUM_THREADS": given.get("OMP_NUM_THREADS", "1"),
            "SM_MODEL_DIR": str(self._folders.model),
        }
        command = source_archive.install_command(
            os.environ["LOCAL_AWS_IMAGE_PYTHON"], self._folders.code, self._folder / "site"
        )
        self._write(f"Invoking script with the following command: {shlex.join(command)}")
        process = Process(
            command, folder=self._folders.code, environment=variables, on_line=self._write, niceness=BEHIND
        )
        if process.wait() != 0:
            raise self._unhealthy(f'InstallModuleError: Command "{shlex.join(command)}"')
        return variables

    def _place(self, code: Path) -> None:
        """Code that is not there is the container's own trouble: nothing is told but that it does not answer."""
        try:
            source_archive.place(code, self._folders.code)
        except JobError as error:
            raise self._unhealthy(str(error)) from error

    def _serve(self, variables: dict[str, str]) -> None:
        """Start the server and ping it until it is healthy. One worker, for a laptop has few processors."""
        workers = self._container.environment.get("SAGEMAKER_MODEL_SERVER_WORKERS", "1")
        options = {
            "--bind": "127.0.0.1:0",
            "--workers": workers,
            "--worker-class": "gevent",
            "--timeout": str(int(ANSWER_SECONDS)),
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
            return self._ask("GET", "/ping", None, {}, max(0.1, seconds)).status == 200
        except (OSError, http.client.HTTPException):
            return False  # not yet; the deadline decides

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str], seconds: float) -> Reply:
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
                connection, is_new = self._connection(), True  # the server had closed the idle one
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

    def _unhealthy(self, why: str) -> JobError:
        self._write(why)
        return JobError(
            f"The primary container for production variant {self._variant} did not pass the ping health check. "
            "Please check CloudWatch logs for this endpoint."
        )
