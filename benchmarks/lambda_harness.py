"""Runs handlers as Lambda does: environment variables, a context, the runtime's packages, and a fake of AWS.

The fake is a process of its own that answers ``PutRecord``, ``PutRecords`` and ``InvokeEndpoint`` at once or after a
given time, so that only our side is measured.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from dwell.local.emulator_process import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RUNTIME = ROOT / ".venvs" / "sam-local"
"""An environment with the packages of Lambda's runtime: boto3 and awslambdaric."""

ENVIRONMENT = {
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_EXECUTION_ENV": "AWS_Lambda_python3.12",
    "POWERTOOLS_SERVICE_NAME": "dwell",
    "POWERTOOLS_METRICS_NAMESPACE": "Dwell",
    "POWERTOOLS_LOG_LEVEL": "INFO",
}


class Context:
    """A Lambda context that always has 30 s left."""

    function_name = "function"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:function"
    aws_request_id = "00000000-0000-0000-0000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        """Return 30,000 ms."""
        return 30_000


def load_handler(name: str, **variables: str) -> Callable[[Any, Any], Any]:
    """Import the handler of a function of this project anew, with these environment variables."""
    os.environ.update(ENVIRONMENT | variables)
    sys.modules.pop(f"{name}.handler", None)
    handler: Callable[[Any, Any], Any] = importlib.import_module(f"{name}.handler").handler
    return handler


@functools.cache
def load_runtime_marshaller() -> Any:
    """Return awslambdaric's marshaller, which decodes requests to events and encodes results to responses."""
    site_packages = str(RUNTIME / "lib" / "python3.12" / "site-packages")
    sys.path.append(site_packages)
    os.environ.update(ENVIRONMENT)
    try:
        return importlib.import_module("awslambdaric.lambda_runtime_marshaller").LambdaMarshaller()
    finally:
        sys.path.remove(site_packages)


@contextlib.contextmanager
def run_fake_aws(milliseconds: float = 0) -> Iterator[str]:
    """Run ``fake_aws_server`` in a process and yield its URL; it answers after this time."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.fake_aws_server", str(milliseconds)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    try:
        assert process.stdout is not None  # noqa: S101 - stdout=PIPE
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def discard_stdout() -> Iterator[None]:
    """Redirect file descriptor 1 to ``/dev/null``, also for loggers that hold ``sys.stdout``; writes still happen."""
    sys.stdout.flush()
    original = os.dup(1)
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    try:
        yield
        sys.stdout.flush()
    finally:
        os.dup2(original, 1)
        os.close(devnull)
        os.close(original)
