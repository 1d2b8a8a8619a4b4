"""What a handler has around it: variables, a context, the runtime's packages, and a stand-in for AWS.

The stand-in (``stand_in``) is a process of its own that answers ``PutRecord``, ``PutRecords`` and ``InvokeEndpoint``
at once or after a given time, so that what is measured is our side.
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
"""An environment with what Lambda's runtime brings: boto3 and awslambdaric."""

VARIABLES = {
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
    """A context with time left."""

    function_name = "function"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:function"
    aws_request_id = "00000000-0000-0000-0000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        """Half a minute, always."""
        return 30_000


def function(name: str, **variables: str) -> Callable[[Any, Any], Any]:
    """The handler of one of our functions, imported anew with these variables."""
    os.environ.update(VARIABLES | variables)
    for module in [module for module in sys.modules if module == f"{name}.handler"]:
        del sys.modules[module]
    handler: Callable[[Any, Any], Any] = importlib.import_module(f"{name}.handler").handler
    return handler


@functools.cache
def runtime_marshaller() -> Any:
    """What awslambdaric turns requests into events with, and results into responses."""
    site = str(RUNTIME / "lib" / "python3.12" / "site-packages")
    sys.path.append(site)
    os.environ.update(VARIABLES)
    try:
        return importlib.import_module("awslambdaric.lambda_runtime_marshaller").LambdaMarshaller()
    finally:
        sys.path.remove(site)


@contextlib.contextmanager
def stand_in(milliseconds: float = 0) -> Iterator[str]:
    """The URL of a stand-in for AWS that answers after so long."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.fake_aws_server", str(milliseconds)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        text=True,
    )
    try:
        assert process.stdout is not None  # noqa: S101 (it was asked for)
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Standard output leads nowhere meanwhile, also for loggers that hold on to it; writing still takes its time."""
    sys.stdout.flush()
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
        sys.stdout.flush()
    finally:
        os.dup2(kept, 1)
        os.close(nowhere)
        os.close(kept)
