"""Cold starts: a fresh process until its first answer, ours as ``sam build`` packs them, against the workshop's.

Both run on the interpreter and the packages that stand for Lambda's runtime, and answer one event each.
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
from benchmarks.lambda_harness import RUNTIME, VARIABLES, stand_in
from benchmarks.measure import in_turns, over, row, seconds
from dwell.local import deployment
from dwell.local.emulator_process import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

BUILT = ROOT / ".aws-sam" / "build"
LAYERS = [BUILT / "FeatureSchemaLayer" / "python", BUILT / "DependenciesLayer" / "python"]
REPEATS = 15

_START = """
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
def _built() -> None:
    deployment.build()


def _start(module: str, path: list[Path], event: Path, **variables: str) -> Callable[[], float]:
    environment = VARIABLES | variables | {"PYTHONPATH": os.pathsep.join(map(str, path)), "PATH": os.defpath}
    command = [str(RUNTIME / "bin" / "python"), "-c", _START, str(event), module]
    return functools.partial(seconds, lambda: subprocess.run(command, env=environment, check=True))


def _ratios(name: str, event: dict[str, Any], theirs: str, their_event: dict[str, Any]) -> list[float]:
    _built()
    with stand_in() as url, tempfile.TemporaryDirectory() as folder:
        files = [Path(folder, "ours.json"), Path(folder, "theirs.json")]
        for file, content in zip(files, (event, their_event), strict=True):
            file.write_text(json.dumps(content))
        variables = {
            "AWS_ENDPOINT_URL": url, "STREAM_NAME": "samples", "BUCKET_NAME": "bucket",
            "ENDPOINT_NAME": "endpoint", "ENDPOINT_TIMEOUT": "5",
        }  # fmt: skip
        ours = _start(f"{name}.handler", [BUILT / f"{name.title()}Function", *LAYERS], files[0], **variables)
        workshops = _start(f"benchmarks.baselines.{theirs}", [ROOT], files[1], **variables)
        return over(in_turns(ours, workshops, repeats=REPEATS))


def _event(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((ROOT / "events" / f"{name}.json").read_text())
    return content


@row("cold_start_validator", goal="<= 0.5", unit="x start of the workshop's bare forwarder")
def validator() -> list[float]:
    """A batch of good samples."""
    batch = samples.firehose(samples.messages(samples.lines(160), samples.PACKED))
    return _ratios("validator", batch, "forwarder", _event("sns-single"))


@row("cold_start_forwarder", goal="<= 1.25", unit="x start of the workshop's bare forwarder")
def forwarder() -> list[float]:
    """One message."""
    return _ratios("forwarder", _event("sns-packed"), "forwarder", _event("sns-single"))


@row("cold_start_inference", goal="<= 1.25", unit="x start of the workshop's bare inference")
def inference() -> list[float]:
    """One request."""
    return _ratios("inference", _event("api-liveinference"), "inference", _event("api-liveinference"))
