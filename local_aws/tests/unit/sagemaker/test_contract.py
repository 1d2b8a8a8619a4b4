"""What the emulated SageMaker decides before anything runs: arguments, channels, metrics, environment, deployments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from local_aws.sagemaker import (
    arguments,
    authorization,
    channels,
    deployment,
    environment,
    source_archive,
    training_request,
)
from local_aws.sagemaker.errors import ApiError, JobError
from local_aws.sagemaker.names import Scope, name_of
from local_aws.sagemaker.training_job import TrainingJob

SCOPE = Scope("000000000000", "us-east-1")


@pytest.mark.parametrize(
    ("value", "argument"),
    [
        ("true", "True"),
        ("0.30", "0.3"),
        ('[1,"a b"]', "[1, 'a b']"),
        ("null", ""),
        ("plain words", "plain words"),
        ('"quoted"', "quoted"),
        ('{"b": 1, "a": 2}', "a=2,b=1"),
    ],
)
def test_a_hyperparameter_reaches_the_script_as_pythons_text_of_its_json(value: str, argument: str) -> None:
    assert arguments.command_line(arguments.decode({"name": value})) == ["--name", argument]


def test_arguments_are_sorted_and_leave_out_what_is_the_toolkits() -> None:
    # given
    decoded = arguments.decode({"sagemaker_program": "train.py", "zeta": "1", "k": "5"})
    # when and then
    assert arguments.command_line(arguments.of_script(decoded)) == ["-k", "5", "--zeta", "1"]
    assert arguments.of_toolkit(decoded) == {"sagemaker_program": "train.py"}
    assert arguments.of_framework(decoded) == {}


def test_what_the_toolkit_does_not_know_itself_is_the_frameworks() -> None:
    decoded = arguments.decode(
        {"sagemaker_mpi_enabled": "true", "sagemaker_region": "eu-west-1", "_tuning_objective_metric": "rmse", "k": "5"}
    )
    assert arguments.of_framework(decoded) == {"sagemaker_mpi_enabled": True}
    assert arguments.of_script(decoded) == {"k": 5}


@pytest.mark.parametrize(
    ("prefix", "key", "path"),
    [
        ("data/", "data/a/b.csv", "a/b.csv"),
        ("data", "data/a/b.csv", "a/b.csv"),
        ("data/a", "data/apple/b.csv", "apple/b.csv"),
        ("data/one.json", "data/one.json", "one.json"),
        ("", "top.csv", "top.csv"),
    ],
)
def test_an_object_lies_below_its_prefix(prefix: str, key: str, path: str) -> None:
    assert channels.under_prefix(channels.Location("bucket", prefix), key).path == path


def test_a_manifest_names_objects_below_its_prefix() -> None:
    # given
    manifest = channels.Location("bucket", "manifest.json")
    # when
    found = channels.in_manifest(b'[{"prefix": "s3://other/some/"}, "a/1.csv", "2.csv"]', manifest)
    # then
    assert [(str(each.location), each.path) for each in found] == [
        ("s3://other/some/a/1.csv", "a/1.csv"),
        ("s3://other/some/2.csv", "2.csv"),
    ]


@pytest.mark.parametrize(
    "document",
    [
        b"{",
        b"[]",
        b'["a"]',
        b'[{"prefix": "http://x/"}, "a"]',
        b'[{"prefix": "s3://b/"}, 1]',
        b'[{"prefix": "s3://b/"}, ""]',
    ],
)
def test_a_broken_manifest_is_refused_by_name(document: bytes) -> None:
    with pytest.raises(JobError, match="manifest s3://bucket/m"):
        channels.in_manifest(document, channels.Location("bucket", "m"))


def test_no_key_leads_out_of_its_channel() -> None:
    with pytest.raises(JobError, match="leads out"):
        channels.in_manifest(b'[{"prefix": "s3://b/"}, "../../secret"]', channels.Location("bucket", "m"))


@pytest.mark.parametrize(
    "change",
    [
        {"S3DataType": "AugmentedManifestFile"},
        {"S3DataDistributionType": "ShardedByS3Key"},
        {"S3Uri": "file:///tmp"},
    ],
)
def test_a_channel_that_is_not_emulated_is_refused(change: dict[str, str]) -> None:
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/key"} | change
    with pytest.raises(ApiError):
        channels.channel({"ChannelName": "samples", "DataSource": {"S3DataSource": source}})


def test_paths_of_the_container_are_paths_of_the_job_and_others_are_not() -> None:
    # given
    folders = environment.Folders(Path("/job/ml"))
    # when and then
    assert folders.here("/opt/ml/input/data/code/a.tar.gz") == "/job/ml/input/data/code/a.tar.gz"
    assert folders.here("/opt/mlx/a") == "/opt/mlx/a"


def test_a_process_has_nothing_of_our_own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    # given
    monkeypatch.setenv("A_SECRET_OF_THE_EMULATOR", "1")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    # when
    variables = environment.of_process(environment.Folders(Path("/job/ml")), Path("/job/site"), {"MINE": "2"})
    # then
    assert variables["MINE"] == "2"
    assert not {"A_SECRET_OF_THE_EMULATOR", "PYTHONDONTWRITEBYTECODE"} & set(variables)


def test_code_without_a_setup_gets_one(tmp_path: Path) -> None:
    # given code without a setup.py
    (tmp_path / "train.py").write_text("")
    # when
    source_archive.make_installable(tmp_path, "train.py")
    # then
    assert "name='train'" in (tmp_path / "setup.py").read_text()
    # but code that brings its own keeps it
    (tmp_path / "setup.py").write_text("own")
    source_archive.make_installable(tmp_path, "train.py")
    assert (tmp_path / "setup.py").read_text() == "own"


@pytest.mark.parametrize("name", ["", "-a", "a-", "a_b", "a" * 64, None])
def test_a_name_that_is_none_is_refused(name: str | None) -> None:
    with pytest.raises(ApiError) as refused:
        name_of({"TrainingJobName": name}, "TrainingJobName")
    assert refused.value.code == "ValidationException"


@pytest.mark.parametrize(
    ("operation", "request_body", "resource"),
    [
        ("CreateTrainingJob", {"TrainingJobName": "A-1"}, "training-job/a-1"),
        ("CreateEndpointConfig", {"EndpointConfigName": "c"}, "endpoint-config/c"),
        ("UpdateEndpoint", {"EndpointName": "e", "EndpointConfigName": "c"}, "endpoint/e"),
        ("DeleteModel", {"ModelName": "m"}, "model/m"),
    ],
)
def test_a_policy_names_a_resource_by_its_arn_in_lower_case(
    operation: str, request_body: dict[str, str], resource: str
) -> None:
    arn = authorization.resource_of(operation, "/", json.dumps(request_body).encode(), SCOPE)
    assert arn == f"arn:aws:sagemaker:us-east-1:000000000000:{resource}"


def test_the_operation_that_is_authorized_is_the_one_that_runs() -> None:
    # given a request that names one operation in its header and another in its path
    path = "/endpoints/Mine/invocations"
    # when and then: the header decides for both
    assert authorization.operation_of({"x-amz-target": "SageMaker.ListModels"}, path) == "ListModels"
    assert authorization.operation_of({}, path) == "InvokeEndpoint"
    assert authorization.operation_of({}, "/somewhere") is None
    assert authorization.resource_of("InvokeEndpoint", path, b"", SCOPE).endswith(":endpoint/mine")
    assert authorization.resource_of("ListModels", path, b"{}", SCOPE) == "*"


def test_a_job_tells_its_story_to_the_api_and_to_events() -> None:
    # given
    job = TrainingJob("J", SCOPE.arn("training-job", "J"), {"RoleArn": "role", "HyperParameters": {"a": "1"}})
    # when
    for step in ("Downloading", "Training", "Stopping", "Uploading", "Stopped"):
        job.enter(step)
        assert job.status == {"Stopping": "Stopping", "Uploading": "Stopping", "Stopped": "Stopped"}.get(
            step, "InProgress"
        )
    # then
    described, event = job.description(), job.event({"k": "v"})
    assert described["TrainingEndTime"] == described["SecondaryStatusTransitions"][-1]["EndTime"]
    assert event["CreationTime"] == str(int(described["CreationTime"] * 1000))
    assert event["HyperParameters"] == {"a": "1"}
    assert event["Tags"] == {"k": "v"}


def test_only_the_image_whose_packages_are_here_is_emulated() -> None:
    training_request.require_image("1.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0")
    for image in ("1.dkr.ecr.us-east-1.amazonaws.com/linear-learner:1", "sagemaker-xgboost-else:1", None):
        with pytest.raises(ApiError, match="not emulated"):
            training_request.require_image(image)


def canary(kind: str = "CANARY", share: int = 50, unit: str = "CAPACITY_PERCENT", **more: Any) -> dict[str, Any]:
    """A DeploymentConfig."""
    field = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}.get(kind, "Unused")
    routing = {"Type": kind, "WaitIntervalInSeconds": 60, field: {"Type": unit, "Value": share}}
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": 5}, **more}


def test_a_deployment_config_is_read() -> None:
    # given
    raw = canary(AutoRollbackConfiguration={"Alarms": [{"AlarmName": "a"}]})
    # when and then
    assert deployment.checked(raw, instances=2) == deployment.Deployment("CANARY", 2, 1, 60, 5, None, ("a",))
    assert deployment.checked(None, instances=1) == deployment.Deployment()
    assert deployment.checked(canary("ALL_AT_ONCE"), instances=3).step == 3


@pytest.mark.parametrize(
    ("raw", "instances", "steps"),
    [
        (None, 2, [(2, 1.0, 0)]),
        (canary("ALL_AT_ONCE"), 2, [(2, 1.0, 65)]),
        (canary(), 2, [(1, 0.5, 60), (2, 1.0, 65)]),
        (canary(share=10), 2, [(1, 0.5, 60), (2, 1.0, 65)]),  # an instance is the smallest part
        (canary("LINEAR", share=2, unit="INSTANCE_COUNT"), 5, [(2, 0.4, 60), (4, 0.8, 60), (5, 1.0, 65)]),
        (canary("LINEAR", share=25), 4, [(1, 0.25, 60), (2, 0.5, 60), (3, 0.75, 60), (4, 1.0, 65)]),
    ],
)
def test_the_steps_of_a_deployment(
    raw: dict[str, Any] | None, instances: int, steps: list[tuple[int, float, float]]
) -> None:
    planned = deployment.steps(deployment.checked(raw, instances=instances))
    assert [(step.instances, step.share, step.wait) for step in planned] == steps


def test_a_deployment_may_not_take_longer_than_its_timeout() -> None:
    # given a canary of 600 s and 600 s
    raw = canary()
    raw["BlueGreenUpdatePolicy"] |= {"MaximumExecutionTimeoutInSeconds": 1_200, "TerminationWaitInSeconds": 0}
    raw["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]["WaitIntervalInSeconds"] = 599
    assert deployment.checked(raw, instances=2).timeout == 1_200
    # when it needs as long as it may take
    raw["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]["WaitIntervalInSeconds"] = 600
    # then it is refused
    with pytest.raises(ApiError, match="larger than all waits"):
        deployment.checked(raw, instances=2)
    raw["BlueGreenUpdatePolicy"]["MaximumExecutionTimeoutInSeconds"] = 599
    with pytest.raises(ApiError, match="between 600 and 28800"):
        deployment.checked(raw, instances=2)


@pytest.mark.parametrize(
    ("raw", "instances"),
    [
        (canary(), 1),  # a fleet of one cannot be halved: a canary needs two instances
        (canary(share=51), 10),
        (canary(share=2, unit="INSTANCE_COUNT"), 3),
        (canary("SUDDENLY"), 2),
        (canary(AutoRollbackConfiguration={"Alarms": [{"AlarmName": str(each)} for each in range(11)]}), 2),
        ({"BlueGreenUpdatePolicy": {}}, 2),
    ],
)
def test_a_deployment_that_cannot_be_is_refused(raw: dict[str, Any], instances: int) -> None:
    with pytest.raises(ApiError):
        deployment.checked(raw, instances=instances)
