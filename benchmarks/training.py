"""Training at the workshop's size: 1,500,000 samples to learn from, 500,000 to test on.

The job runs as a training job does: ``train.py`` in the image's Python, channels as folders, nothing else. What it is
measured against is XGBoost alone, with 100 trees of depth 6, reading the same objects in the same environment.

``python -m benchmarks.training [SHARE [TURNS]]`` prints all of it, at a share of that size.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks import workshop_dataset
from dwell.template import ROOT

IMAGE_PYTHON = ROOT / ".venvs" / "image" / "bin" / "python"
TRAIN = ROOT / "functions" / "retraining" / "train.py"
TURNS = 3


@dataclass(frozen=True, slots=True)
class Run:
    """A process that ended well: seconds by the wall clock, peak memory in GB, and what it found."""

    seconds: float
    memory: float
    found: dict[str, Any]


def run(program: list[str], environment: dict[str, str]) -> tuple[float, float, str]:
    """Seconds, peak memory (GB) and output of a program in the image's Python. Raises ``RuntimeError``."""
    # Threads that sleep while they wait, on both sides: on a busy machine the others measure their neighbours.
    variables = {"PATH": os.environ["PATH"], "OMP_WAIT_POLICY": "PASSIVE", **environment}
    with tempfile.TemporaryFile() as output:
        began = time.monotonic()
        process = subprocess.Popen([str(IMAGE_PYTHON), *program], env=variables, stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode()
    if process.returncode:
        raise RuntimeError(f"{program} ended with status {process.returncode}:\n{text}")
    return seconds, usage.ru_maxrss / 1024**2, text


def tournament(job: workshop_dataset.Job) -> Run:
    """The training job, whole."""
    with tempfile.TemporaryDirectory() as folder:
        model, output = Path(folder, "model"), Path(folder, "output")
        model.mkdir()
        variables = {**job.variables, "SM_MODEL_DIR": str(model), "SM_OUTPUT_DATA_DIR": str(output)}
        seconds, memory, _ = run([str(TRAIN)], variables)
        return Run(seconds, memory, json.loads((output / "tournament.json").read_text()))


def baseline(job: workshop_dataset.Job, name: str = "boosted_trees") -> Run:
    """A program of ``baselines``."""
    channels = [job.variables["SM_CHANNEL_SAMPLES"], job.variables["SM_CHANNEL_DATASET"]]
    seconds, memory, text = run(["-m", f"benchmarks.baselines.{name}", *channels], {"PYTHONPATH": str(ROOT)})
    return Run(seconds, memory, json.loads(text))


@dataclass(frozen=True, slots=True)
class Measured:
    """Both sides in turns, the reference model once, and the noise floor of the test set (root mean square)."""

    jobs: tuple[Run, ...]
    baselines: tuple[Run, ...]
    reference: Run
    noise_floor: float

    @property
    def error(self) -> float:
        """The winner's error on the test set; the same in every turn."""
        errors = [one["rmse"] for one in self.jobs[0].found["candidates"] if one["rmse"] is not None]
        return float(min(errors))


@cache
def measured(share: float = 1.0, turns: int = TURNS) -> Measured:
    """Measure at a share of the workshop's size."""
    with tempfile.TemporaryDirectory() as folder:
        train, test = (round(share * rows) for rows in (workshop_dataset.TRAIN, workshop_dataset.TEST))
        job = workshop_dataset.write(Path(folder), train=train, test=test)
        runs = [(baseline(job), tournament(job)) for _ in range(turns)]
        reference = baseline(job, "reference_model")
    return Measured(tuple(one for _, one in runs), tuple(one for one, _ in runs), reference, job.noise_floor)


def training_scale() -> list[float]:
    """The whole tournament's time over the baseline's, each turn."""
    of = measured()
    return [job.seconds / alone.seconds for job, alone in zip(of.jobs, of.baselines, strict=True)]


def training_memory() -> list[float]:
    """The job's peak memory in GB, each turn."""
    return [job.memory for job in measured().jobs]


def model_error() -> list[float]:
    """The winner's error over the noise floor of the test set."""
    return [measured().error / measured().noise_floor]


def model_error_reference() -> list[float]:
    """The winner's error over that of a model that was tuned by hand for this world, with twenty times the patience."""
    return [measured().error / measured().reference.found["rmse"]]


def main(arguments: list[str]) -> None:
    """Print what was measured."""
    share = float(arguments[0]) if arguments else 1.0
    of = measured(share, int(arguments[1]) if len(arguments) > 1 else TURNS)
    for name, runs in (("tournament", of.jobs), ("baseline", of.baselines), ("reference", (of.reference,))):
        told = ", ".join(f"{one.seconds:.1f} s {one.memory:.2f} GB" for one in runs)
        sys.stdout.write(f"{name:12} {told}\n")
    for candidate in of.jobs[0].found["candidates"]:
        sys.stdout.write(f"  {candidate['name']:22} {candidate['rmse']:10.1f}  {candidate['seconds']:6.1f} s\n")
    errors = {
        "noise floor": of.noise_floor,
        "winner": of.error,
        "reference": of.reference.found["rmse"],
        "baseline": of.baselines[0].found["rmse"],
    }
    sys.stdout.write(", ".join(f"{name} {error:.1f}" for name, error in errors.items()) + "\n")
    ratios = [job.seconds / alone.seconds for job, alone in zip(of.jobs, of.baselines, strict=True)]
    sys.stdout.write(
        f"time {sorted(ratios)[len(ratios) // 2]:.2f} x, error {of.error / of.noise_floor:.4f} x the floor, "
        f"{of.error / of.reference.found['rmse']:.4f} x the reference\n"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
