"""The SageMaker SDK trains on the local SageMaker: ``ModelTrainer`` with its own entry point and drivers."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from sagemaker.core.training.configs import InputData
from sagemaker.core.utils.exceptions import FailedStatusError

from tests.sdk.conftest import files_at, trainer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sdk.conftest import Account

SCRIPT = """
import json, os, pathlib, sys
here = pathlib.Path("/opt/ml")  # a script may know where a container keeps things
seen = {
    "arguments": sys.argv[1:],
    "hyperparameters": json.loads(os.environ["SM_HPS"]),
    "told": json.loads((here / "input/config/hyperparameters.json").read_text()),
    "resources": json.loads(os.environ["SM_RESOURCE_CONFIG"]),
    "data": pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "rows.csv").read_text(),
    "variable": os.environ["OWN"],
}
output = pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"])
output.mkdir(exist_ok=True)
(output / "seen.json").write_text(json.dumps(seen))
(here / "model" / "weights.json").write_text("[1, 2]")
print("loss=0.75;")
print("loss=0.5;")
"""

FAILS = """
import os, pathlib
pathlib.Path(os.environ["SM_OUTPUT_FAILURE"]).write_text("no weather data for November")
raise SystemExit(3)
"""


def script(folder: Path, text: str) -> Path:
    """A folder with one script."""
    folder.mkdir(exist_ok=True)
    (folder / "train.py").write_text(text, encoding="utf-8")
    return folder


def test_small_script_trains_and_logs(account: Account, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    # given a local file as data, which the SDK uploads
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rows.csv").write_text("1,2\n")
    job = trainer(
        account,
        script(tmp_path / "source", SCRIPT),
        hyperparameters={"depth": 6, "words": ["a", "b c"], "on": True},
        environment={"OWN": "mine"},
    )
    # when
    with caplog.at_level(logging.INFO):
        job.train(input_data_config=[InputData(channel_name="train", data_source=str(tmp_path / "data"))], logs=True)
    # then
    done = job._latest_training_job
    assert done.training_job_status == "Completed"
    assert "loss=0.75;" in caplog.text
    seen = json.loads(files_at(account, job.output_data)["seen.json"])
    assert seen["hyperparameters"] == {"depth": 6, "words": ["a", "b c"], "on": True}
    assert seen["told"] == {"depth": "6", "words": '["a", "b c"]', "on": "true"}
    assert seen["arguments"] == ["--depth", "6", "--words", '["a", "b c"]', "--on", "true"]
    assert seen["resources"]["hosts"] == ["algo-1"]
    assert (seen["data"], seen["variable"]) == ("1,2\n", "mine")
    assert files_at(account, done.model_artifacts.s3_model_artifacts) == {"weights.json": b"[1, 2]"}


def test_failing_script_shows_its_reason(account: Account, tmp_path: Path) -> None:
    job = trainer(account, script(tmp_path / "source", FAILS))
    with pytest.raises(FailedStatusError, match="no weather data for November, exit code: 3"):
        job.train(logs=False)
    assert job._latest_training_job.failure_reason == "AlgorithmError: no weather data for November, exit code: 3"


def test_script_without_output_fails_with_its_command(account: Account, tmp_path: Path) -> None:
    job = trainer(account, script(tmp_path / "source", "raise ValueError('a secret')"))
    job.train(wait=False)
    done = job._latest_training_job
    with pytest.raises(Exception, match="Failed"):
        done.wait(poll=1)
    assert "train.py" in done.failure_reason
    assert done.failure_reason.endswith(", exit code: 1")
    assert "a secret" not in done.failure_reason  # that is in the log


def test_training_job_runs_under_the_sdk(trained: Any, account: Account) -> None:
    # given: trained by the session's fixture, with ModelTrainer
    job, done = trained
    # then
    outcome = json.loads(files_at(account, job.output_data)["tournament.json"])
    assert [candidate["error"] for candidate in outcome["candidates"]] == [None] * 3
    assert outcome["candidates"][0]["rmse"] < outcome["baseline_rmse"]
    assert (
        next(candidate for candidate in outcome["candidates"] if candidate["algorithm"] == "xgboost")[
            "hyperparameters"
        ]["max_depth"]
        == 4
    )
    assert {"model.json", "code/serving.py"} <= set(files_at(account, done.model_artifacts.s3_model_artifacts))
