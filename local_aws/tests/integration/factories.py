"""What integration tests create: a running local AWS, functions, archives and IAM policies."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import textwrap
import time
import urllib.error
import urllib.request
import uuid
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[3]
"""The folder that the import package ``local_aws`` lies in."""
PYTHON = ROOT / ".venvs" / "local_aws" / "bin" / "python"
"""The interpreter that has the packages of ``local_aws/requirements.txt``."""
IMAGE_PYTHON = ROOT / ".venvs" / "image" / "bin" / "python"
"""The interpreter that has the packages of SageMaker's XGBoost image."""
LOGS = ROOT / "build" / "local_aws"
REGION = "us-east-1"
START_SECONDS, STOP_SECONDS = 30.0, 10.0
WRITE_LOGS = {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"}


@dataclasses.dataclass(frozen=True)
class LocalAws:
    """A running local AWS: its port, its folder for temporary files, and its log file."""

    port: int
    folder: str
    log: str

    @property
    def endpoint_url(self) -> str:
        """The URL of every service."""
        return f"http://127.0.0.1:{self.port}"

    def client(self, service: str) -> Any:
        """A boto3 client of ``service`` with the account's keys, created once per service."""
        return _client(self.endpoint_url, service)


@contextlib.contextmanager
def running_aws(log: Path, **variables: str) -> Iterator[LocalAws]:
    """Start ``python -m local_aws`` with these environment variables, and stop it at the end of the block."""
    log.parent.mkdir(parents=True, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="local-aws-")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AWS_") and name not in {"PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "VIRTUAL_ENV"}
    }
    settings = {
        "GATEWAY_PORT": str(port),
        "LOCAL_AWS_FOLDER": folder,
        "LOCAL_AWS_IMAGE_PYTHON": str(IMAGE_PYTHON),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
    }
    reading, writing = os.pipe()  # its end stops the process, should this one be killed
    with log.open("wb") as output:
        process = subprocess.Popen(
            [PYTHON, "-m", "local_aws"],
            cwd=ROOT,
            env=inherited | settings | variables | {"LOCAL_AWS_LIFELINE": str(reading)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(reading,),
        )
    os.close(reading)
    aws = LocalAws(port, folder, str(log))
    try:
        _wait_until_ready(aws, process)
        yield aws
    finally:
        os.close(writing)
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        deadline = time.monotonic() + STOP_SECONDS
        while Path(folder).exists() and time.monotonic() < deadline:  # the guardian removes it last
            time.sleep(0.02)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_ready(aws: LocalAws, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            opener.open(f"{aws.endpoint_url}/_ministack/ready", timeout=5).close()
            return
        time.sleep(0.02)
    raise RuntimeError(f"local_aws does not answer:\n{Path(aws.log).read_text(errors='replace')[-2000:]}")


@functools.lru_cache(maxsize=64)
def _client(endpoint_url: str, service: str) -> Any:
    # The type checker's overloads want a literal service name.
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@dataclasses.dataclass(frozen=True)
class FunctionMaker:
    """Creates functions from source text, each with a role that allows its log and the given statements."""

    aws: LocalAws

    def __call__(
        self,
        source: str,
        *,
        allow: Sequence[dict[str, Any]] = (),
        layers: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
        timeout: int = 10,
        logs: bool = True,
    ) -> str:
        """The ARN of a function with the handler ``index.handler``; without ``logs`` its role allows no log."""
        name = f"function-{uuid.uuid4().hex[:12]}"
        iam = self.aws.client("iam")
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))["Role"]["Arn"]
        statements = [*allow, *([WRITE_LOGS] if logs else [])]
        if statements:
            iam.put_role_policy(RoleName=name, PolicyName="allow", PolicyDocument=policy(*statements))
        created = self.aws.client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.12",
            Handler="index.handler",
            Role=role,
            Code={"ZipFile": archive({"index.py": source})},
            Layers=list(layers),
            Timeout=timeout,
            Environment={"Variables": dict(variables or {})},
        )
        self.aws.client("lambda").get_waiter("function_active_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 400}
        )
        return str(created["FunctionArn"])

    def layer(self, files: Mapping[str, str]) -> str:
        """The ARN of a layer version with these files."""
        published = self.aws.client("lambda").publish_layer_version(
            LayerName=f"layer-{uuid.uuid4().hex[:12]}", Content={"ZipFile": archive(files)}
        )
        return str(published["LayerVersionArn"])


def eventually[Result](find: Callable[[], Result | None], seconds: float = 60) -> Result:
    """The first true result of ``find``, called every 0.1 s. Raises ``AssertionError`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (result := find()):
        assert time.monotonic() < deadline, f"nothing was found within {seconds} s"
        time.sleep(0.1)
    return result


def archive(files: Mapping[str, str]) -> bytes:
    """A zip archive of these texts."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as target:
        for name, text in files.items():
            target.writestr(name, textwrap.dedent(text))
    return content.getvalue()


def policy(*statements: dict[str, Any]) -> str:
    """An IAM policy document of these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
