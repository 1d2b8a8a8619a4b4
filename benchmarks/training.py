"""Training at the workshop's size: 1,500,000 samples to train on, 500,000 to test on.

The job runs as in SageMaker: ``train.py`` in the image's Python, with channels as folders. The baseline is XGBoost
alone, with 100 trees of depth 6, on the same objects in the same environment.

``python -m benchmarks.training [SHARE [TURNS]]`` prints all results, at a share of that size.
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
class ProcessRun:
    """A successful process: wall-clock time in seconds, peak memory in GB, and its JSON result."""

    seconds: float
    memory_gb: float
    result: dict[str, Any]


def run_program(arguments: list[str], environment: dict[str, str]) -> tuple[float, float, str]:
    """Run the image's Python with these arguments; return seconds, peak memory in GB and output.

    Raises ``RuntimeError`` if it fails.
    """
    # Waiting threads sleep instead of spinning, on both sides: spinning would measure the machine's other load.
    variables = {"PATH": os.environ["PATH"], "OMP_WAIT_POLICY": "PASSIVE", **environment}
    with tempfile.TemporaryFile() as output:
        started_at = time.monotonic()
        process = subprocess.Popen([str(IMAGE_PYTHON), *arguments], env=variables, stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - started_at
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode()
    if process.returncode:
        raise RuntimeError(f"{arguments} ended with status {process.returncode}:\n{text}")
    return seconds, usage.ru_maxrss / 1024**2, text


def run_tournament(job: workshop_dataset.TrainingInput) -> ProcessRun:
    """Run the full training job."""
    with tempfile.TemporaryDirectory() as folder:
        model, output = Path(folder, "model"), Path(folder, "output")
        model.mkdir()
        variables = {**job.variables, "SM_MODEL_DIR": str(model), "SM_OUTPUT_DATA_DIR": str(output)}
        seconds, memory, _ = run_program([str(TRAIN)], variables)
        return ProcessRun(seconds, memory, json.loads((output / "tournament.json").read_text()))


def run_baseline(job: workshop_dataset.TrainingInput, name: str = "boosted_trees") -> ProcessRun:
    """Run a program of ``baselines``."""
    channels = [job.variables["SM_CHANNEL_SAMPLES"], job.variables["SM_CHANNEL_DATASET"]]
    seconds, memory, text = run_program(["-m", f"benchmarks.baselines.{name}", *channels], {"PYTHONPATH": str(ROOT)})
    return ProcessRun(seconds, memory, json.loads(text))


@dataclass(frozen=True, slots=True)
class Measurement:
    """Runs of both sides, one of the reference model, and the noise floor (RMSE) of the test set."""

    jobs: tuple[ProcessRun, ...]
    baselines: tuple[ProcessRun, ...]
    reference: ProcessRun
    noise_floor: float

    @property
    def error(self) -> float:
        """The winner's RMSE on the test set; the same in every turn."""
        errors = [entry["rmse"] for entry in self.jobs[0].result["candidates"] if entry["rmse"] is not None]
        return float(min(errors))


@cache
def measure(share: float = 1.0, turns: int = TURNS) -> Measurement:
    """Measure both sides alternately, at a share of the workshop's size."""
    with tempfile.TemporaryDirectory() as folder:
        train, test = (round(share * rows) for rows in (workshop_dataset.TRAIN, workshop_dataset.TEST))
        job = workshop_dataset.write_channels(Path(folder), train=train, test=test)
        turns_of_runs = [(run_baseline(job), run_tournament(job)) for _ in range(turns)]
        reference = run_baseline(job, "reference_model")
    baselines, jobs = zip(*turns_of_runs, strict=True)
    return Measurement(tuple(jobs), tuple(baselines), reference, job.noise_floor)


def measure_time_ratios() -> list[float]:
    """Return the tournament's time over the baseline's, for each turn."""
    return _compute_time_ratios(measure())


def _compute_time_ratios(measurement: Measurement) -> list[float]:
    runs = zip(measurement.jobs, measurement.baselines, strict=True)
    return [job.seconds / baseline.seconds for job, baseline in runs]


def measure_memory() -> list[float]:
    """Return the job's peak memory in GB, for each turn."""
    return [job.memory_gb for job in measure().jobs]


def measure_error() -> list[float]:
    """Return the winner's error over the noise floor of the test set."""
    return [measure().error / measure().noise_floor]


def measure_error_over_reference() -> list[float]:
    """Return the winner's error over that of a model tuned by hand, with 20 times the boosting rounds."""
    return [measure().error / measure().reference.result["rmse"]]


def main(arguments: list[str]) -> None:
    """Measure and print the results."""
    share = float(arguments[0]) if arguments else 1.0
    measurement = measure(share, int(arguments[1]) if len(arguments) > 1 else TURNS)
    for name, runs in (
        ("tournament", measurement.jobs),
        ("baseline", measurement.baselines),
        ("reference", (measurement.reference,)),
    ):
        texts = ", ".join(f"{run.seconds:.1f} s {run.memory_gb:.2f} GB" for run in runs)
        sys.stdout.write(f"{name:12} {texts}\n")
    for candidate in measurement.jobs[0].result["candidates"]:
        sys.stdout.write(f"  {candidate['name']:22} {candidate['rmse']:10.1f}  {candidate['seconds']:6.1f} s\n")
    errors = {
        "noise floor": measurement.noise_floor,
        "winner": measurement.error,
        "reference": measurement.reference.result["rmse"],
        "baseline": measurement.baselines[0].result["rmse"],
    }
    sys.stdout.write(", ".join(f"{name} {error:.1f}" for name, error in errors.items()) + "\n")
    ratios = _compute_time_ratios(measurement)
    sys.stdout.write(
        f"time {sorted(ratios)[len(ratios) // 2]:.2f} x, "
        f"error {measurement.error / measurement.noise_floor:.4f} x the floor, "
        f"{measurement.error / measurement.reference.result['rmse']:.4f} x the reference\n"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
