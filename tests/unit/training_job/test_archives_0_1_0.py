"""Archives that version 0.1.0 wrote, with modules at the root of ``code/``: they can be loaded, scored and served."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retraining.training_job import model_archive
from retraining.training_job.algorithms import ALGORITHMS, build_candidates
from retraining.training_job.dataset import Dataset, DatasetSpec, Rows
from retraining.training_job.tournament import evaluate_candidates

FOLDER = Path(__file__).parent / "archives_0_1_0"
RECORDED = json.loads((FOLDER / "predictions.json").read_text())
FEATURES = np.array(RECORDED["features"])
NAMES = [algorithm.name for algorithm in ALGORITHMS]

SERVE = """
import importlib, json, sys
module = importlib.import_module("serving")
model = module.model_fn(sys.argv[1])
body, media_type = module.output_fn(module.predict_fn(module.input_fn(sys.stdin.read(), "text/csv"), model), None)
print(json.dumps({"body": json.loads(body), "modules": sorted(sys.modules)}))
"""


def unpack(name: str, folder: Path) -> Path:
    model_archive.unpack(FOLDER / f"{name}.tar.gz", folder)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_old_archive_predicts_as_recorded(name: str, tmp_path: Path) -> None:
    loaded = model_archive.load(unpack(name, tmp_path))
    assert (loaded.metadata.algorithm, loaded.metadata.model) == (name, f"{name}-20261123T063900Z")
    np.testing.assert_allclose(loaded.model.predict(FEATURES), RECORDED["predictions"][name], rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_old_archive_is_scored_as_champion(name: str, tmp_path: Path) -> None:
    # given a test set on which the champion's recorded predictions are off by 10, 10 and 40
    metadata = model_archive.read_metadata(unpack(name, tmp_path))
    target = np.add(RECORDED["predictions"][name], [10.0, -10.0, 40.0])
    times = np.arange(3).astype("datetime64[ms]")
    rows = Rows(FEATURES, target, times)
    spec = DatasetSpec(
        round="20261201T000000Z-model-error",
        stamp="20261201T000000Z",
        schema_hash=metadata.schema_hash,
        schema_version=1,
        target=metadata.target,
        bounds=(1.0, 1e6),
        features=metadata.features,
        integers=frozenset(),
        baseline=15_000.0,
        row=(),
        recent_since=None,
        test_fraction=0.25,
        objects=0,
        size_bytes=0,
        champion=metadata.model,
    )
    dataset = Dataset(train=rows, recent_train=rows, test=rows, duplicates=0, thinned=0)
    # when a tournament is run whose candidates have too few rows
    tournament = evaluate_candidates(spec, dataset, build_candidates({}, with_recent=False), FOLDER / f"{name}.tar.gz")
    # then
    assert tournament.champion is not None
    assert tournament.champion.error is None
    assert tournament.champion.rmse == pytest.approx(600**0.5)


@pytest.mark.parametrize("name", NAMES)
def test_old_archive_serves_with_its_own_code(name: str, tmp_path: Path) -> None:
    # given the archive's own code, without a package
    folder = unpack(name, tmp_path)
    code = folder / "code"
    assert not [path for path in code.iterdir() if path.is_dir()]
    # when promotion's SAGEMAKER_PROGRAM is imported, and no other code of this project can be
    body = "".join(",".join(map(str, row)) + "\n" for row in RECORDED["features"])
    process = subprocess.run(
        [sys.executable, "-c", SERVE, str(folder)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(code)},
        input=body,
        capture_output=True,
        text=True,
        check=True,
    )
    # then
    result: dict[str, Any] = json.loads(process.stdout)
    assert result["body"]["model"] == f"{name}-20261123T063900Z"
    np.testing.assert_allclose(result["body"]["predictions"], RECORDED["predictions"][name], rtol=1e-9)
    assert {"candidates", "instances"} <= set(result["modules"])
    assert not {"training_job", "retraining"} & set(result["modules"])


def test_old_archives_hold_the_modules_of_their_time() -> None:
    with tarfile.open(FOLDER / "xgboost.tar.gz") as tar:
        files = {member.name.removeprefix("./") for member in tar if member.isfile()}
    assert {"model.json", "xgboost.ubj", "code/serving.py", "code/archive.py", "code/gradient_boosting.py"} <= files
