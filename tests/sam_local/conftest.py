"""What the tests of ``sam local`` share: an engine, a base image, the stack on an emulator, and sam's local Lambda."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

sys.path.insert(0, str(Path(__file__).parent))

import arrangement
import base_image
import doorway
import engine

from dwell.local import deployment
from dwell.local import emulator_process as local
from dwell.local.functions import logical_ids
from tests import emulators

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dwell.client.stack import Stack

ROOT = local.ROOT
NO_SKIPS = "DWELL_NO_SKIPS"
"""Set where a missing engine is a failure, not a reason to skip: in CI."""


@dataclass(frozen=True)
class SamLocal:
    """sam's local Lambda, with the stack that the functions work on."""

    laptop: local.Laptop
    stack: Stack
    client: Any
    functions: dict[str, str]
    """Logical ids by short name."""

    def invoke(self, function: str, event: Any) -> Any:
        """What the function answers. Raises ``AssertionError`` if it raised."""
        answer = self.client.invoke(FunctionName=self.functions[function], Payload=json.dumps(event).encode())
        payload = json.loads(answer["Payload"].read() or b"null")
        raised = isinstance(payload, dict) and "errorMessage" in payload
        assert not raised, payload
        return payload


@pytest.fixture(scope="session")
def container_engine() -> Iterator[str]:
    """The address of an engine that has the base image, or a stand-in for it."""
    try:
        with arrangement.engine_with_image() as address:
            yield address
    except engine.NoEngineError as error:
        if os.environ.get(NO_SKIPS):
            raise
        pytest.skip(f"sam local needs containers: {error}")


@pytest.fixture(scope="session")
def sam_local(
    container_engine: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[SamLocal]:
    """sam's local Lambda with warm containers, its functions working on a stack of the embedded AWS."""
    with emulators.running("sam-local", request) as laptop, emulators.environment(laptop):
        stack = emulators.deploy(laptop, {"MinimumSamples": "1000000"})
        functions = logical_ids()
        gateway = engine.bridge_address(container_engine)
        with doorway.opened(gateway, laptop.port) as url:
            base_image.pointed_at(engine.docker(container_engine), {"AWS_ENDPOINT_URL": url})
            variables = tmp_path_factory.mktemp("sam") / "variables.json"
            variables.write_text(json.dumps(arrangement.variables(laptop)))
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            environment = {
                **os.environ,
                "PATH": f"{deployment.SAM}{os.pathsep}{os.environ['PATH']}",
                "DOCKER_HOST": container_engine,
            }
            log = tmp_path_factory.mktemp("log") / "sam.log"
            with log.open("wb") as output:
                process = subprocess.Popen(
                    ["sam", "local", "start-lambda", "--port", str(port), "--env-vars", str(variables),
                     "--skip-pull-image", "--warm-containers", "LAZY", "--container-host-interface", "127.0.0.1",
                     "--parameter-overrides", f"Architecture={base_image.ARCHITECTURE}"],
                    cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT,
                )  # fmt: skip
            try:
                _wait(port, process, log)
                client = boto3.Session().client(
                    "lambda",
                    endpoint_url=f"http://127.0.0.1:{port}",
                    config=Config(read_timeout=120, retries={"total_max_attempts": 1}),
                )
                yield SamLocal(laptop, stack, client, functions)
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(40)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                shutil.copy(log, ROOT / "build" / "local" / "sam-local.log")


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise RuntimeError(f"sam local start-lambda does not start: {log.read_text(errors='replace')[-1000:]}")
