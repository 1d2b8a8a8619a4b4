"""The training job as SageMaker's image runs it: with its steps, its Python and packages, and no network.

The image unpacks the source archive, generates a ``setup.py``, installs the code with pip, and runs the program with
its environment; later it serves the archive's own code, installed in the same way.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from feature_schema import FEATURES, get_schema_hash
from retraining.source_archive import build_source_archive
from retraining.training_job.algorithms import NAMES
from tests.factories.datasets import ROUND, STAMP, SyntheticDataset, make_dataset, recorded_at, write_channels

ROOT = Path(__file__).parents[2]
ARCHIVES_0_1_0 = ROOT / "tests" / "unit" / "training_job" / "archives_0_1_0"
IMAGE_PYTHON = ROOT / ".venvs" / "image" / "bin" / "python"

GENERATED_SETUP = (
    "from setuptools import setup\nsetup(packages=[''], name='{0}', version='1.0.0', include_package_data=True)\n"
)
GENERATED_MANIFEST = "recursive-include . *\nrecursive-exclude . __pycache__*\nrecursive-exclude . *.pyc\n"

BEFORE, AFTER = 12_000, 6_000
"""Rows before and after the synthetic drift."""


@dataclass(frozen=True, slots=True)
class Container:
    """A folder in place of ``/opt/ml``, in which the image's steps are done. ``site`` takes what pip installs."""

    folder: Path

    @property
    def site(self) -> Path:
        return self.folder / "site"

    def environment(self, variables: dict[str, str]) -> dict[str, str]:
        """The image's, and nothing of the tests' own: no other packages, no index to install from."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "PYTHONPATH": str(self.site),
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",
            "PIP_NO_CACHE_DIR": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_ROOT_USER_ACTION": "ignore",
            **variables,
        }

    def run(self, *arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(IMAGE_PYTHON), *arguments],
            cwd=cwd,
            env=self.environment(variables),
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )

    def install(self, code: Path, program: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Generate the packaging that user code lacks, and install it."""
        (code / "setup.py").write_text(GENERATED_SETUP.format(program))
        (code / "setup.cfg").write_text("[wheel]\nuniversal = 1\n")
        (code / "MANIFEST.in").write_text(GENERATED_MANIFEST)
        return self.run("-m", "pip", "install", ".", "--target", str(self.site), cwd=code, **variables)


@dataclass(frozen=True, slots=True)
class Job:
    """A job that ended: its output, ``tournament.json`` and ``model.tar.gz``."""

    process: subprocess.CompletedProcess[str]
    tournament: dict[str, Any]
    model: Path


def trained(
    container: Container, rows: SyntheticDataset, *, champion_archive: Path | None = None, **changes: Any
) -> Job:
    """Run a training container's steps."""
    inputs = container.folder / "input"
    variables = write_channels(inputs, rows.lines, **changes)
    channel = inputs / "code"
    channel.mkdir()
    (channel / "sourcedir.tar.gz").write_bytes(build_source_archive().content)
    if champion_archive is not None:
        (inputs / "champion").mkdir()
        (inputs / "champion" / "model.tar.gz").hardlink_to(champion_archive)
        variables["SM_CHANNEL_CHAMPION"] = str(inputs / "champion")
    code, model, output = container.folder / "code", container.folder / "model", container.folder / "output" / "data"
    code.mkdir()
    model.mkdir()
    with tarfile.open(channel / "sourcedir.tar.gz") as tar:
        tar.extractall(code, filter="data")
    installed = container.install(code, "train")
    assert installed.returncode == 0, installed.stderr
    process = container.run(
        "-m",
        "train",
        "--xgboost.eta",
        "0.1",
        cwd=code,
        SM_MODEL_DIR=str(model),
        SM_OUTPUT_DATA_DIR=str(output),
        SM_HPS=json.dumps({"xgboost.eta": 0.1}),
        **variables,
    )
    assert process.returncode == 0, process.stderr
    packed = container.folder / "model.tar.gz"
    with tarfile.open(packed, "w:gz") as tar:
        tar.add(model, arcname=".")
    return Job(process, json.loads((output / "tournament.json").read_text()), packed)


@pytest.fixture(scope="module")
def rows_before_drift() -> SyntheticDataset:
    return make_dataset(BEFORE, seed=1)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, rows_before_drift: SyntheticDataset) -> Job:
    """The first round: no champion and no drift. A tenth of the samples is delivered twice."""
    container = Container(tmp_path_factory.mktemp("first"))
    delivered = SyntheticDataset(
        rows_before_drift.features,
        rows_before_drift.target,
        rows_before_drift.expected,
        rows_before_drift.lines + rows_before_drift.lines[::10],
    )
    return trained(container, delivered)


def test_first_round_writes_complete_results(first: Job, rows_before_drift: SyntheticDataset) -> None:
    results = first.tournament
    test = BEFORE // 4
    assert (results["round"], results["schema_hash"]) == (ROUND, get_schema_hash())
    assert results["dataset"]["duplicates"] == BEFORE // 10
    assert (results["dataset"]["samples"], results["dataset"]["test"]) == (BEFORE, test)
    candidates = results["candidates"]
    assert sorted(candidate["name"] for candidate in candidates) == ["k-nearest-neighbours", "linear", "xgboost"]
    assert all(candidate["error"] is None for candidate in candidates)
    assert all(candidate["model"] == f"{candidate['name']}-{STAMP}" for candidate in candidates)
    scores = [candidate["rmse"] for candidate in candidates]
    assert scores == sorted(scores)
    assert results["winner"] == results["candidates"][0]["name"]
    assert results["champion"] is None
    assert results["comparison"]["against"] == "baseline"
    assert results["comparison"]["significant"]
    # the winner is within a few per cent of the best possible error
    floor = rows_before_drift.noise_floor(BEFORE - test)
    assert 0.98 * floor < scores[0] < 1.05 * floor < results["baseline_rmse"]


def test_log_has_every_error(first: Job) -> None:
    output = first.process.stdout + first.process.stderr
    for who in (*first.tournament["candidates"], {"name": "baseline", "rmse": first.tournament["baseline_rmse"]}):
        assert f"error of {who['name']}: {who['rmse']}" in output


def test_champion_loses_after_drift_to_recent_model(first: Job, tmp_path: Path) -> None:
    # given rows before and after a drift, and an alarm with its start
    champion = f"{first.tournament['winner']}-{STAMP}"
    rows = make_dataset(BEFORE + AFTER, seed=2, drift_from=BEFORE)
    # when a second round runs with the first one's archive as the champion
    second = trained(
        Container(tmp_path), rows, champion_archive=first.model, champion=champion, recent_since=recorded_at(BEFORE)
    ).tournament
    # then the champion was scored on the same rows, with a large error after the drift
    test = AFTER // 4
    floor = rows.noise_floor(BEFORE + AFTER - test)
    assert second["dataset"]["test"] == test
    assert second["dataset"]["recent_train"] == AFTER - test
    assert (second["champion"]["model"], second["champion"]["error"]) == (champion, None)
    assert second["champion"]["rmse"] > 1.25 * floor
    # and the winner was trained on the recent part, is significantly better, and near the new noise floor
    assert {candidate["name"] for candidate in second["candidates"]} == set(NAMES)
    assert (second["winner"], second["candidates"][0]["trained_on"]) == (second["candidates"][0]["name"], "recent")
    assert (second["comparison"]["against"], second["comparison"]["model"]) == ("champion", champion)
    assert second["comparison"]["significant"]
    assert second["candidates"][0]["rmse"] < 1.1 * floor


def test_champion_without_drift_is_not_beaten(first: Job, tmp_path: Path) -> None:
    champion = f"{first.tournament['winner']}-{STAMP}"
    second = trained(Container(tmp_path), make_dataset(4_000, seed=3), champion_archive=first.model, champion=champion)
    assert second.tournament["champion"]["rmse"] < second.tournament["candidates"][0]["rmse"]
    assert not second.tournament["comparison"]["significant"]


SERVE = textwrap.dedent(
    """
    import importlib, json, sys
    module = importlib.import_module("serving")
    module = importlib.reload(module)  # as the image does
    model = module.model_fn(sys.argv[1])
    responses = []
    for body, accept in json.load(sys.stdin):
        result = module.output_fn(module.predict_fn(module.input_fn(body, "text/csv"), model), accept)
        is_answer = isinstance(result, tuple)
        responses.append(list(result) if is_answer else [result.status_code, json.loads(result.get_data())])
    print(json.dumps({"responses": responses, "serving": module.__file__}))
    """
)


def serve(container: Container, archive: Path, requests: list[tuple[str, str]]) -> Any:
    """The responses to requests (body, accept) of the archive's code, installed as the image does."""
    model, code, elsewhere = (container.folder / name for name in ("model", "code", "elsewhere"))
    with tarfile.open(archive) as tar:
        tar.extractall(model, filter="data")
    (model / "code").rename(code)
    installed = container.install(code, "serving")
    assert installed.returncode == 0, installed.stderr
    elsewhere.mkdir()  # a working directory without code
    process = subprocess.run(
        [str(IMAGE_PYTHON), "-c", SERVE, str(model)],
        cwd=elsewhere,
        env=container.environment({}),
        input=json.dumps(requests),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert process.returncode == 0, process.stderr
    results = json.loads(process.stdout)
    assert results["serving"] == str(container.site / "serving.py")
    return results["responses"]


def test_archive_serves_with_its_installed_code(
    first: Job, tmp_path: Path, rows_before_drift: SyntheticDataset
) -> None:
    # when the archive serves rows after the training set, one row, and a request of another width
    lines = [",".join(line.split(",")[1 : len(FEATURES) + 1]) for line in rows_before_drift.lines[-500:]]
    requests = [("\n".join(lines), "application/json"), (lines[0], "text/csv"), ("1,2", "application/json")]
    responses = serve(Container(tmp_path), first.model, requests)
    # then its predictions have the expected error
    (body, mimetype), (single, single_type), (status, reason) = responses
    prediction = json.loads(body)
    winner = first.tournament["candidates"][0]
    assert mimetype == "application/json"
    assert (prediction["model"], prediction["expected_error"]) == (winner["model"], winner["rmse"])
    assert prediction["schema_hash"] == get_schema_hash()
    error = float(((rows_before_drift.target[-500:] - prediction["predictions"]) ** 2).mean() ** 0.5)
    assert 0.8 < error / winner["rmse"] < 1.2
    assert single_type == "text/csv"
    assert float(single) == pytest.approx(prediction["predictions"][0])
    assert (status, reason["reason"]) == (400, "wrong_width")


@pytest.mark.parametrize("name", ["xgboost", "linear", "k-nearest-neighbours"])
def test_archive_of_0_1_0_serves_with_its_installed_code(name: str, tmp_path: Path) -> None:
    # given an archive whose modules lie at the root of its code, without a package
    recorded = json.loads((ARCHIVES_0_1_0 / "predictions.json").read_text())
    body = "".join(",".join(map(str, row)) + "\n" for row in recorded["features"])
    # when
    ((response, _),) = serve(Container(tmp_path), ARCHIVES_0_1_0 / f"{name}.tar.gz", [(body, "application/json")])
    # then
    assert json.loads(response)["predictions"] == pytest.approx(recorded["predictions"][name], rel=1e-9)


def test_job_that_cannot_start_logs_one_reason(tmp_path: Path) -> None:
    # given a dataset of which one object is missing, and an unknown hyperparameter
    container = Container(tmp_path)
    variables = write_channels(tmp_path, make_dataset(1_000).lines, rows_per_object=500)
    code = tmp_path / "code"
    with tarfile.open(fileobj=io.BytesIO(build_source_archive().content)) as tar:
        tar.extractall(code, filter="data")
    outputs = {"SM_MODEL_DIR": str(tmp_path), "SM_OUTPUT_DATA_DIR": str(tmp_path / "output")}
    # when each job runs
    wrong = container.run("-m", "train", cwd=code, **variables, **outputs, SM_HPS='{"xgboost.speed": 9}')
    next(Path(variables["SM_CHANNEL_SAMPLES"]).rglob("*.gz")).unlink()
    missing = container.run("-m", "train", cwd=code, **variables, **outputs, SM_HPS="{}")
    # then both fail with one line
    assert (wrong.returncode, missing.returncode) == (1, 1)
    assert "no algorithm has the hyperparameter 'xgboost.speed'" in wrong.stderr
    assert "1 objects of" in missing.stderr
    assert "Traceback" not in wrong.stderr + missing.stderr
    assert not (tmp_path / "output").exists()
