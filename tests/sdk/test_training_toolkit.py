"""The training contract, held against the public ``sagemaker-training`` toolkit: one script, one job, run by both.

The local SageMaker does what the XGBoost image's own, older toolkit does. Where the public one differs, the
difference is listed here, so that a new one fails.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import textwrap
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import WaiterError

from tests.sdk.conftest import IMAGE, files_at

if TYPE_CHECKING:
    from pathlib import Path

    from tests.sdk.conftest import Account

SCRIPT = """
import json, os, pathlib, sys
base = pathlib.Path(os.environ["SM_MODEL_DIR"]).parent
seen = {
    "arguments": sys.argv[1:],
    "environment": {name: value for name, value in os.environ.items() if name.startswith("SM_")},
    "folder": os.getcwd(),
    "base": str(base),
    "config": {path.name: json.loads(path.read_text()) for path in (base / "input" / "config").iterdir()},
    "data": {str(path.relative_to(base)): path.read_text() for path in (base / "input" / "data").rglob("*.csv")},
    "sibling": pathlib.Path("sibling.json").read_text(),
}
output = pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"])
output.mkdir(parents=True, exist_ok=True)
(output / "seen.json").write_text(json.dumps(seen))
"""

HYPERPARAMETERS = {
    "depth": "6",
    "eta": "0.30",
    "k": "7",
    "on": "true",
    "nothing": "null",
    "words": '[1, "a b"]',
    "named": '{"b": 2, "a": "x"}',
    "text": "plain words, it's 5 o'clock",
    "number-like": '"007"',
}

NEWER = {
    "SM_CURRENT_INSTANCE_GROUP",
    "SM_CURRENT_INSTANCE_GROUP_HOSTS",
    "SM_DISTRIBUTION_INSTANCE_GROUPS",
    "SM_INSTANCE_GROUPS",
    "SM_INSTANCE_GROUPS_DICT",
    "SM_IS_HETERO",
    "SM_NUM_NEURONS",
}
"""About clusters of several kinds of instances, and chips: the image's toolkit is older, a script must not count on
them."""

OTHER = {
    "SM_FRAMEWORK_MODULE",  # the image names its own framework; bare, the toolkit has none
    "SM_TRAINING_ENV",  # compared by its parts
}


@dataclass(frozen=True)
class Job:
    """A training job on the local SageMaker: its description, and what its script saw if it got that far."""

    description: dict[str, Any]
    seen: dict[str, Any]


def run(account: Account, text: str) -> Job:
    """Train with a script, by boto3: what the toolkits have in common is below the SDK."""
    name = f"toolkit-{uuid.uuid4().hex[:12]}"
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for file, body in {"train.py": textwrap.dedent(text), "sibling.json": "{}"}.items():
            member = tarfile.TarInfo(file)
            member.size = len(body.encode())
            archive.addfile(member, io.BytesIO(body.encode()))
    s3, sagemaker = account.client("s3"), account.client("sagemaker")
    s3.put_object(Bucket=account.bucket, Key=f"{name}/sourcedir.tar.gz", Body=content.getvalue())
    for channel in ("train", "More"):
        s3.put_object(Bucket=account.bucket, Key=f"{name}/{channel}/deep/rows.csv", Body=channel.encode())
    sagemaker.create_training_job(
        TrainingJobName=name,
        RoleArn=account.role,
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        HyperParameters=HYPERPARAMETERS
        | {
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": f"s3://{account.bucket}/{name}/sourcedir.tar.gz",
        },
        InputDataConfig=[
            {
                "ChannelName": channel,
                "ContentType": "text/csv",
                "DataSource": {
                    "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{account.bucket}/{name}/{channel}/"}
                },
            }
            for channel in ("train", "More")
        ],
        OutputDataConfig={"S3OutputPath": f"s3://{account.bucket}/out/"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
        Environment={"PIP_NO_BUILD_ISOLATION": "0"},
    )
    waiter = sagemaker.get_waiter("training_job_completed_or_stopped")
    waiter.config.delay, waiter.config.max_attempts = 1, 60
    try:
        waiter.wait(TrainingJobName=name)
    except WaiterError:
        return Job(sagemaker.describe_training_job(TrainingJobName=name), {})
    seen = json.loads(files_at(account, f"s3://{account.bucket}/out/{name}/output/output.tar.gz")["seen.json"])
    return Job(sagemaker.describe_training_job(TrainingJobName=name), seen)


def run_toolkit(base: Path, job: Job) -> subprocess.CompletedProcess[str]:
    """The public toolkit on the same job: the files that SageMaker would lay out for it are those of the local one."""
    config = base / "input" / "config"
    config.mkdir(parents=True)
    for name, content in job.seen["config"].items():
        (config / name).write_text(json.dumps(content))
    for path, content in job.seen["data"].items():
        (base / path).parent.mkdir(parents=True, exist_ok=True)
        (base / path).write_text(content)
    for folder in ("model", "output"):
        (base / folder).mkdir()
    environment = {name: value for name, value in os.environ.items() if name.startswith("AWS_")} | {
        "PATH": os.environ["PATH"],
        "SAGEMAKER_BASE_DIR": str(base),
        "TRAINING_JOB_NAME": job.description["TrainingJobName"],
        "SM_STUDIO_LOCAL_MODE": "true",  # it would wait for the host algo-1 to get a name in the network
    }
    return subprocess.run(
        [sys.executable, "-m", "sagemaker_training.cli.train"],
        cwd=base,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def both(account: Account, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the script saw on the local SageMaker, and under the toolkit."""
    job = run(account, SCRIPT)
    assert job.description["TrainingJobStatus"] == "Completed", job.description.get("FailureReason")
    base = tmp_path_factory.mktemp("opt") / "ml"
    process = run_toolkit(base, job)
    assert process.returncode == 0, process.stdout + process.stderr
    theirs = json.loads((base / "output" / "data" / "seen.json").read_text())
    shutil.rmtree(base)
    return job.seen, theirs


def plain(value: str, base: str) -> Any:
    """A variable's value with ``/opt/ml`` for the folder that stands for it, and JSON as what it says."""
    text = value.replace(base, "/opt/ml")
    try:
        return json.loads(text)
    except ValueError:
        return text


def test_script_gets_the_same_arguments(both: tuple[dict[str, Any], dict[str, Any]]) -> None:
    ours, theirs = both
    assert ours["arguments"] == theirs["arguments"]
    assert len(ours["arguments"]) == 2 * len(HYPERPARAMETERS)


def test_script_gets_the_same_variables(both: tuple[dict[str, Any], dict[str, Any]]) -> None:
    ours, theirs = ({name: plain(value, seen["base"]) for name, value in seen["environment"].items()} for seen in both)
    theirs.pop("SM_STUDIO_LOCAL_MODE")
    assert set(theirs) - set(ours) == NEWER
    assert set(ours) - set(theirs) == set()
    assert {name: ours[name] for name in set(ours) - OTHER} == {
        name: theirs[name] for name in set(theirs) - OTHER - NEWER
    }
    assert theirs["SM_FRAMEWORK_MODULE"] == ""


def test_script_gets_the_same_summary_of_its_variables(both: tuple[dict[str, Any], dict[str, Any]]) -> None:
    ours, theirs = (plain(seen["environment"]["SM_TRAINING_ENV"], seen["base"]) for seen in both)
    assert ours.pop("framework_module") is not None
    assert theirs.pop("framework_module") is None
    assert ours == {name: value for name, value in theirs.items() if name in ours}
    assert {name for name in theirs if name not in ours} == {
        "current_instance_group",
        "current_instance_group_hosts",
        "current_instance_type",
        "distribution_hosts",
        "distribution_instance_groups",
        "instance_groups",
        "instance_groups_dict",
        "is_hetero",
        "is_modelparallel_enabled",
        "is_smddpmprun_installed",
        "is_smddprun_installed",
        "num_neurons",
        "topology",
    }


def test_container_folders_are_the_same(both: tuple[dict[str, Any], dict[str, Any]]) -> None:
    ours, theirs = both
    assert ours["folder"].removeprefix(ours["base"]) == theirs["folder"].removeprefix(theirs["base"]) == "/code"
    assert (
        ours["data"]
        == theirs["data"]
        == {f"input/data/{channel}/deep/rows.csv": channel for channel in ("train", "More")}
    )
    assert ours["sibling"] == theirs["sibling"] == "{}"
    assert set(ours["config"]) == {"hyperparameters.json", "inputdataconfig.json", "resourceconfig.json"}


def test_failing_script_reports_its_command_without_its_message(
    account: Account, both: tuple[dict[str, Any], dict[str, Any]], tmp_path: Path
) -> None:
    # given a job whose files are those of a job that worked, but for its script
    job = run(account, "raise ValueError('a secret')")
    files = both[0] | {"config": both[0]["config"] | {"hyperparameters.json": job.description["HyperParameters"]}}
    # when
    process = run_toolkit(tmp_path / "ml", Job(job.description, files))
    # then
    assert process.returncode == 1
    theirs, ours = (tmp_path / "ml" / "output" / "failure").read_text(), job.description["FailureReason"]
    commands = [re.search(r'Command "\S+ (?:-m train|-- train\.py) (.*)"', text) for text in (theirs, ours)]
    assert commands[0] is not None
    assert commands[1] is not None
    assert commands[0][1] == commands[1][1]
    for text in (theirs, ours):
        assert "ExecuteUserScriptError" in text
        assert "a secret" not in text
    assert ours.startswith("AlgorithmError: ExecuteUserScriptError:")
    assert ours.endswith(", exit code: 1")
