"""Training jobs work as in SageMaker's XGBoost image, with the permissions of their role."""

from __future__ import annotations

import json
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

    Train = Callable[..., str]
    Ended = Callable[[str], dict[str, Any]]

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"
LOG_GROUP = "/aws/sagemaker/TrainingJobs"

TELL_ALL = """
import json, os, pathlib, sys
import xgboost  # one of the image's packages
channel = lambda name: {
    str(path.relative_to(os.environ[f"SM_CHANNEL_{name}"])): path.read_text()
    for path in pathlib.Path(os.environ[f"SM_CHANNEL_{name}"]).rglob("*") if path.is_file()
}
output = pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"])
seen = {
    "arguments": sys.argv[1:], "environment": dict(os.environ), "output_dir_existed": output.exists(),
    "samples": channel("SAMPLES"), "dataset": channel("DATASET"),
    "sibling": json.loads((pathlib.Path(__file__).parent / "sibling.json").read_text()), "folder": os.getcwd(),
}
output.mkdir(parents=True)
(output / "seen.json").write_text(json.dumps(seen))
(pathlib.Path(os.environ["SM_MODEL_DIR"]) / "model.json").write_text("a model")
print("rmse=3.5 of the first try")
print("rmse=2.25 of the second", file=sys.stderr)
"""


def test_job_reads_channels_and_writes_model_output_and_logs(stage: Any, train: Train, ended: Ended, sent: Any) -> None:
    # given a manifest that names two of three objects, one object by its own key, and code as a channel
    for key in ("a/1.csv", "a/2.csv", "b/3.csv"):
        stage.put(f"full/samples/{key}", key)
    manifest = [{"prefix": stage.uri("full/samples/")}, "a/1.csv", "b/3.csv"]
    dataset = stage.put("full/datasets/dataset.json", "{}")
    # when
    name = train(
        TELL_ALL,
        channels={
            "samples": ("ManifestFile", stage.put("full/datasets/manifest.json", json.dumps(manifest))),
            "dataset": ("S3Prefix", dataset),
        },
        hyperparameters={
            "sagemaker_submit_directory": "/opt/ml/input/data/code/sourcedir.tar.gz",
            "flag": "true",
            "words": '[1, "a b"]',
            "k": "7",
        },
        EnableNetworkIsolation=True,
        Tags=[{"Key": "round", "Value": "one"}],
    )
    job = ended(name)
    # then
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    output = json.loads(stage.unpacked(f"training/{name}/output/output.tar.gz")["seen.json"])
    assert output["samples"] == {"a/1.csv": "a/1.csv", "b/3.csv": "b/3.csv"}
    assert output["dataset"] == {"dataset.json": "{}"}
    assert output["arguments"] == ["--flag", "True", "-k", "7", "--words", "[1, 'a b']"]
    assert json.loads(output["environment"]["SM_HPS"]) == {"flag": True, "words": [1, "a b"], "k": 7}
    assert json.loads(output["environment"]["SM_CHANNELS"]) == ["code", "dataset", "samples"]
    assert output["environment"]["TRAINING_JOB_NAME"] == name
    assert not {"GATEWAY_PORT", "AUTH", "LOCAL_AWS_IMAGE_PYTHON", "AWS_ACCESS_KEY_ID"} & set(output["environment"])
    assert output["output_dir_existed"] is False
    assert output["sibling"] == {"here": True}
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == stage.uri(f"training/{name}/output/model.tar.gz")
    assert stage.unpacked(f"training/{name}/output/model.tar.gz") == {"model.json": b"a model"}
    steps = [transition["Status"] for transition in job["SecondaryStatusTransitions"]]
    assert steps == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert job["CreationTime"] <= job["TrainingStartTime"] <= job["TrainingEndTime"] == job["LastModifiedTime"]
    assert job["BillableTimeInSeconds"] >= 1
    assert "rmse=2.25 of the second" in stage.log(LOG_GROUP, f"{name}/algo-1")
    assert not Path(output["folder"]).exists()
    # and its events contain it in their own format
    events = sent(name, lambda event: event["detail"]["TrainingJobStatus"] == "Completed")
    assert {event["detail-type"] for event in events} == {"SageMaker Training Job State Change"}
    assert events[0]["detail"]["TrainingJobStatus"] == "InProgress"
    detail = events[-1]["detail"]
    assert detail["TrainingJobName"] == name
    assert detail["SecondaryStatus"] == "Completed"
    assert detail["TrainingEndTime"] == str(int(job["TrainingEndTime"].timestamp() * 1000))
    assert detail["Tags"] == {"round": "one"}
    assert not {"ModelArtifacts", "FailureReason"} & set(detail)


ENTRYPOINT = """
import json, os, pathlib
config = {path.name: json.loads(path.read_text()) for path in pathlib.Path("/opt/ml/input/config").iterdir()}
pathlib.Path("/opt/ml/model/seen.json").write_text(json.dumps({"config": config, "variables": dict(os.environ)}))
"""


def own_entrypoint(train: Train, script: str, **request: Any) -> str:
    """A job whose container has a command of its own."""
    algorithm = {
        "TrainingImage": IMAGE,
        "TrainingInputMode": "File",
        "ContainerEntrypoint": ["/bin/bash"],
        "ContainerArguments": ["-c", script],
    }
    return train(ENTRYPOINT, AlgorithmSpecification=algorithm, **request)


def test_container_entrypoint_replaces_script(stage: Any, train: Train, ended: Ended) -> None:
    # given code that lies in its channel unpacked, and that names /opt/ml
    code = stage.put("own/code/train.py", ENTRYPOINT).removesuffix("train.py")
    name = own_entrypoint(
        train,
        "set -e; cd /opt/ml/input/data/code; python3 train.py",
        channels={"code": ("S3Prefix", code)},
        hyperparameters={"depth": "6"},
        Environment={"OWN": "mine"},
    )
    job = ended(name)
    # then
    assert job["TrainingJobStatus"] == "Completed", job.get("FailureReason")
    output = json.loads(stage.unpacked(f"training/{name}/output/model.tar.gz")["seen.json"])
    assert output["config"]["hyperparameters.json"]["depth"] == "6"  # not decoded
    assert set(output["config"]["inputdataconfig.json"]) == {"code"}
    assert output["config"]["resourceconfig.json"]["current_instance_type"] == "ml.m5.large"
    assert output["variables"]["OWN"] == "mine"
    assert output["variables"]["TRAINING_JOB_NAME"] == name
    assert "SM_HPS" not in output["variables"]  # the image's toolkit did not run
    assert not Path("/opt/ml/model/seen.json").exists()


def test_failed_entrypoint_reports_reason_from_file(train: Train, ended: Ended) -> None:
    job = ended(own_entrypoint(train, "echo -n 'no such month' > /opt/ml/output/failure; exit 4"))
    assert job["FailureReason"] == "AlgorithmError: no such month, exit code: 4"
    job = ended(own_entrypoint(train, "exit 5"))
    assert job["FailureReason"] == "AlgorithmError: , exit code: 5"


def test_metric_definitions_are_refused(train: Train) -> None:
    metrics = [{"Name": "rmse", "Regex": "rmse=([0-9.]+)"}]
    algorithm = {"TrainingImage": IMAGE, "TrainingInputMode": "File", "MetricDefinitions": metrics}
    with pytest.raises(ClientError, match="metric definitions of SageMaker's own algorithms cannot be overridden"):
        train(ENTRYPOINT, AlgorithmSpecification=algorithm)


def test_container_arguments_without_entrypoint_are_refused(train: Train) -> None:
    algorithm = {"TrainingImage": IMAGE, "TrainingInputMode": "File", "ContainerArguments": ["train"]}
    with pytest.raises(ClientError, match="ContainerArguments without ContainerEntrypoint is not emulated"):
        train(ENTRYPOINT, AlgorithmSpecification=algorithm)


def test_failed_script_reports_command_without_message(stage: Any, train: Train, ended: Ended, sent: Any) -> None:
    # given
    script = """
        import os, pathlib
        output = pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"])
        output.mkdir()
        (output / "why.txt").write_text("the reason")
        pathlib.Path(os.environ["SM_OUTPUT_DIR"], "failure").write_text("my own words")
        raise ValueError("a secret detail")
    """
    # when
    name = train(script, hyperparameters={"depth": "6"})
    job = ended(name)
    # then
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError: ExecuteUserScriptError:")
    assert job["FailureReason"].endswith('-m train --depth 6", exit code: 1')
    assert "secret" not in job["FailureReason"]
    assert "my own words" not in job["FailureReason"]
    assert "ModelArtifacts" not in job
    assert "ValueError: a secret detail" in stage.log(LOG_GROUP, name)
    assert stage.unpacked(f"training/{name}/output/output.tar.gz") == {"why.txt": b"the reason"}
    failed = sent(name, lambda event: event["detail"]["TrainingJobStatus"] == "Failed")[-1]
    assert failed["detail"]["FailureReason"] == job["FailureReason"]


def test_install_without_network_needs_no_build_isolation(stage: Any, train: Train, ended: Ended) -> None:
    # when pip isolates its build, as it does by default and with the value that reads like the remedy
    names = [train("print(1)", Environment=variables) for variables in ({}, {"PIP_NO_BUILD_ISOLATION": "1"})]
    # then
    for name in names:
        job = ended(name)
        assert job["TrainingJobStatus"] == "Failed"
        assert job["FailureReason"].startswith("AlgorithmError: InstallModuleError:")
        assert "setuptools" in stage.log(LOG_GROUP, name)


def test_job_beyond_max_runtime_is_stopped(train: Train, ended: Ended) -> None:
    # when
    job = ended(train("import time; time.sleep(600)", StoppingCondition={"MaxRuntimeInSeconds": 2}))
    # then
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")


def test_stopped_job_can_save_its_model(stage: Any, train: Train, ended: Ended) -> None:
    # given a script that saves what it has when it is told to end
    script = """
        import os, pathlib, signal, sys, time
        def save(*_):
            (pathlib.Path(os.environ["SM_MODEL_DIR"]) / "half").write_text("half a model")
            sys.exit(0)
        signal.signal(signal.SIGTERM, save)
        print("metric ready=1")
        time.sleep(600)
    """
    sagemaker = stage.client("sagemaker")
    name = train(script)
    while "metric ready=1" not in stage.log(LOG_GROUP, name):
        assert sagemaker.describe_training_job(TrainingJobName=name)["TrainingJobStatus"] == "InProgress"
        time.sleep(0.1)
    # when
    sagemaker.stop_training_job(TrainingJobName=name)
    job = ended(name)
    # then
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert stage.unpacked(f"training/{name}/output/model.tar.gz") == {"half": b"half a model"}
    with pytest.raises(ClientError, match="in status Stopped"):
        sagemaker.stop_training_job(TrainingJobName=name)


@pytest.mark.parametrize(
    ("denied", "reason"),
    [
        ("s3:GetObject", "Data download failed: Access denied"),
        ("s3:ListBucket", "Data download failed: Access denied"),
        ("s3:PutObject", "Data upload failed: Access denied"),
    ],
)
def test_job_has_permissions_of_its_role_only(stage: Any, train: Train, ended: Ended, denied: str, reason: str) -> None:
    # given
    everything = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    role = stage.make_role(everything, {"Effect": "Deny", "Action": denied, "Resource": "*"})
    # when
    job = ended(train("print(1)", RoleArn=role))
    # then
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(f"ClientError: {reason}")
    assert denied in job["FailureReason"]


def test_isolated_job_cannot_download_code(train: Train, ended: Ended) -> None:
    # when its code is in S3 and no channel
    job = ended(train("print(1)", EnableNetworkIsolation=True))
    # then
    assert job["TrainingJobStatus"] == "Failed"
    assert "network-isolated" in job["FailureReason"]


def test_empty_channel_fails_the_job(stage: Any, train: Train, ended: Ended) -> None:
    # when
    job = ended(train("print(1)", channels={"samples": ("S3Prefix", stage.uri("there/is/nothing/"))}))
    # then
    assert job["TrainingJobStatus"] == "Failed"
    assert "No S3 objects found" in job["FailureReason"]


def test_create_job_needs_pass_role_and_add_tags(stage: Any, train: Train, ended: Ended) -> None:
    # given a job's request, and users who may create jobs with one beginning of their name
    taken = train("print(1)")
    create = {
        "Effect": "Allow",
        "Action": "sagemaker:CreateTrainingJob",
        "Resource": "arn:aws:sagemaker:us-east-1:000000000000:training-job/mine-*",
    }
    pass_role = {
        "Effect": "Allow",
        "Action": "iam:PassRole",
        "Resource": stage.role,
        "Condition": {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
    }
    described = stage.client("sagemaker").describe_training_job(TrainingJobName=taken)
    members = ("AlgorithmSpecification", "RoleArn", "HyperParameters", "InputDataConfig", "OutputDataConfig")
    request = {member: described[member] for member in (*members, "ResourceConfig", "StoppingCondition", "Environment")}
    tags = [{"Key": "a", "Value": "b"}]
    name = f"Mine-{uuid.uuid4().hex[:12]}"
    # when and then: neither another name, nor another's role, nor a tag
    permitted = stage.as_user("sagemaker", create, pass_role)
    with pytest.raises(ClientError, match="sagemaker:CreateTrainingJob"):
        permitted.create_training_job(TrainingJobName="theirs", **request)
    with pytest.raises(ClientError, match="iam:PassRole"):
        stage.as_user("sagemaker", create).create_training_job(TrainingJobName=name, **request)
    with pytest.raises(ClientError, match="sagemaker:AddTags"):
        permitted.create_training_job(TrainingJobName=name, Tags=tags, **request)
    # but what the policies say, whatever the case: ARNs have names in lower case
    answer = permitted.create_training_job(TrainingJobName=name, **request)
    assert answer["TrainingJobArn"].endswith(f":training-job/{name.lower()}")
    assert ended(name)["TrainingJobStatus"] == "Completed"


def test_invalid_requests_are_refused(stage: Any, train: Train) -> None:
    # given
    name = train("print(1)")
    untrusting = stage.make_role(service="lambda.amazonaws.com")
    refusals: list[tuple[dict[str, Any], str, str]] = [
        ({"TrainingJobName": name}, "ResourceInUse", "must be unique"),
        ({"TrainingJobName": "under_score"}, "ValidationException", "regular expression pattern"),
        ({"RoleArn": "arn:aws:iam::000000000000:role/nobody"}, "ValidationException", "Could not assume role"),
        ({"RoleArn": untrusting}, "ValidationException", "Could not assume role"),
        ({"HyperParameters": {"depth": "6"}}, "ValidationException", "script mode"),
    ]
    # when and then
    for request, code, words in refusals:
        with pytest.raises(ClientError, match=words) as refused:
            train("print(1)", **request)
        assert refused.value.response["Error"]["Code"] == code
    with pytest.raises(ClientError, match="Requested resource not found"):
        stage.client("sagemaker").describe_training_job(TrainingJobName="never-was")


def test_jobs_can_be_listed_and_tagged(stage: Any, train: Train, ended: Ended) -> None:
    # given
    name = train("print(1)", TrainingJobName=f"listed-{uuid.uuid4().hex[:12]}")
    sagemaker = stage.client("sagemaker")
    arn = ended(name)["TrainingJobArn"]
    # when
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "kept", "Value": "yes"}])
    page = sagemaker.list_training_jobs(NameContains="LISTED-", StatusEquals="Completed")
    # then
    assert [summary["TrainingJobName"] for summary in page["TrainingJobSummaries"]] == [name]
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "kept", "Value": "yes"}]
    assert sagemaker.list_training_jobs(NameContains=name, StatusEquals="Failed")["TrainingJobSummaries"] == []
