"""Cold starts: a new process until its first response, our functions as ``sam build`` packs them and the workshop's.

Both run with the same interpreter and the packages of Lambda's runtime, and handle one event.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import samples
from benchmarks.lambda_harness import ENVIRONMENT, RUNTIME, run_fake_aws
from benchmarks.measure import benchmark_case, compute_ratios, measure_alternately, measure_seconds
from dwell.local import deployment
from dwell.local.emulator_process import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

BUILD_FOLDER = ROOT / ".aws-sam" / "build"
LAYERS = [BUILD_FOLDER / "FeatureSchemaLayer" / "python", BUILD_FOLDER / "DependenciesLayer" / "python"]
REPEATS = 15

_START_SCRIPT = """
import importlib, json, sys
with open(sys.argv[1], "rb") as file:
    event = json.load(file)
class Context:
    function_name, memory_limit_in_mb, aws_request_id = "function", 512, "id"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:function"
    def get_remaining_time_in_millis(self): return 30_000
sys.stdout = open("/dev/null", "w")
importlib.import_module(sys.argv[2]).handler(event, Context())
"""


@functools.cache
def _build_once() -> None:
    deployment.build()


def _build_start(module: str, path: list[Path], event: Path, **variables: str) -> Callable[[], float]:
    environment = ENVIRONMENT | variables | {"PYTHONPATH": os.pathsep.join(map(str, path)), "PATH": os.defpath}
    command = [str(RUNTIME / "bin" / "python"), "-c", _START_SCRIPT, str(event), module]
    return functools.partial(measure_seconds, lambda: subprocess.run(command, env=environment, check=True))


def _measure(name: str, event: dict[str, Any], baseline: str, baseline_event: dict[str, Any]) -> list[float]:
    _build_once()
    with run_fake_aws() as url, tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, "ours.json"), Path(folder, "baseline.json")]
        for file, content in zip(files, (event, baseline_event), strict=True):
            file.write_text(json.dumps(content))
        variables = {
            "AWS_ENDPOINT_URL": url, "STREAM_NAME": "samples", "BUCKET_NAME": "bucket",
            "ENDPOINT_NAME": "endpoint", "ENDPOINT_TIMEOUT": "5",
        }  # fmt: skip
        ours = _build_start(
            f"{name}.handler", [BUILD_FOLDER / f"{name.title()}Function", *LAYERS], files[0], **variables
        )
        workshop = _build_start(f"benchmarks.baselines.{baseline}", [ROOT], files[1], **variables)
        return compute_ratios(measure_alternately(ours, workshop, repeats=REPEATS))


def _read_event(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((ROOT / "events" / f"{name}.json").read_text())
    return content


@benchmark_case("cold_start_validator", goal="<= 0.5", unit="x start of the workshop's bare forwarder")
def validator() -> list[float]:
    """Start with a batch of valid samples."""
    batch = samples.build_firehose_event(samples.pack_messages(samples.build_lines(160), samples.LINES_PER_MESSAGE))
    return _measure("validator", batch, "forwarder", _read_event("sns-single"))


@benchmark_case("cold_start_forwarder", goal="<= 1.25", unit="x start of the workshop's bare forwarder")
def forwarder() -> list[float]:
    """Start with one message."""
    return _measure("forwarder", _read_event("sns-packed"), "forwarder", _read_event("sns-single"))


@benchmark_case("cold_start_inference", goal="<= 1.25", unit="x start of the workshop's bare inference")
def inference() -> list[float]:
    """Start with one request."""
    return _measure("inference", _read_event("api-liveinference"), "inference", _read_event("api-liveinference"))
