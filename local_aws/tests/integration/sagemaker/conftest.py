"""Fixtures for tests of SageMaker: a bucket, a role, training jobs, endpoints, and the events that were sent."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from local_aws.tests.integration.factories import policy
from local_aws.tests.integration.sagemaker.factories import IMAGE, Stage, describe_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from local_aws.tests.integration.factories import LocalAws


@pytest.fixture(scope="session")
def stage(aws: LocalAws) -> Stage:
    """One bucket and one role for all tests; each test uses its own keys."""
    bucket = f"bucket-{uuid.uuid4().hex[:12]}"
    aws.client("s3").create_bucket(Bucket=bucket)
    without_role = Stage(aws, bucket, role="")
    role = without_role.make_role(
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": f"arn:aws:s3:::{bucket}/*"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}"},
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": "arn:aws:logs:*:*:log-group:/aws/sagemaker/*",
        },
    )
    return Stage(aws, bucket, role)


@pytest.fixture(scope="session")
def sent(aws: LocalAws, make_queue: Callable[[], tuple[str, str]]) -> Iterator[Callable[..., list[dict[str, Any]]]]:
    """Reads the events about a resource, by the end of its ARN, up to the first that ``last`` accepts."""
    url, arn = make_queue()
    rule = f"rule-{uuid.uuid4().hex[:12]}"
    events, sqs = aws.client("events"), aws.client("sqs")
    rule_arn = events.put_rule(Name=rule, EventPattern=json.dumps({"source": ["aws.sagemaker"]}))["RuleArn"]
    allow = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}
    allow |= {"Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn}}}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy(allow)})
    events.put_targets(Rule=rule, Targets=[{"Id": "queue", "Arn": arn}])
    kept: list[dict[str, Any]] = []

    def read(name: str, last: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        for _ in range(20):
            about = [event for event in kept if event["resources"][0].endswith(f"/{name}")]
            if any(last(event) for event in about):
                return about
            messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
            for message in messages:
                kept.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        pytest.fail(f"the last event about {name} is missing; received: {about}")

    yield read
    events.remove_targets(Rule=rule, Ids=["queue"])
    events.delete_rule(Name=rule)


@pytest.fixture(scope="session")
def train(stage: Stage) -> Callable[..., str]:
    """Starts a training job with a script and returns its name; keyword arguments replace the request's defaults."""

    def start(script: str, *, channels: Mapping[str, tuple[str, str]] | None = None, **request: Any) -> str:
        name = request.pop("TrainingJobName", f"job-{uuid.uuid4().hex[:12]}")
        source = stage.packed(f"source/{name}/sourcedir.tar.gz", {"train.py": script, "sibling.json": '{"here": true}'})
        inputs = {"code": ("S3Prefix", stage.uri(f"source/{name}/"))} | dict(channels or {})
        hyperparameters = {"sagemaker_program": "train.py", "sagemaker_submit_directory": source}
        stage.client("sagemaker").create_training_job(
            **{
                "TrainingJobName": name,
                "RoleArn": stage.role,
                "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
                "HyperParameters": hyperparameters | request.pop("hyperparameters", {}),
                "InputDataConfig": [
                    {
                        "ChannelName": channel,
                        "DataSource": {"S3DataSource": {"S3DataType": kind, "S3Uri": address}},
                    }
                    for channel, (kind, address) in inputs.items()
                ],
                "OutputDataConfig": {"S3OutputPath": stage.uri("training/")},
                "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
                "StoppingCondition": {"MaxRuntimeInSeconds": 60},
                "Environment": {"PIP_NO_BUILD_ISOLATION": "0"},
                **request,
            }
        )
        return str(name)

    return start


@pytest.fixture(scope="session")
def deploy(stage: Stage) -> Callable[..., str]:
    """Creates or updates an endpoint that serves a script; returns the name of the new endpoint config."""

    def start(
        endpoint: str,
        script: str,
        *,
        role: str | None = None,
        instances: int = 1,
        deployment: Mapping[str, Any] | None = None,
        **environment: str,
    ) -> str:
        name = f"model-{uuid.uuid4().hex[:12]}"
        archive = stage.packed(f"models/{name}/model.tar.gz", {"weights.txt": name, "code/serving.py": script})
        usual = {
            "SAGEMAKER_PROGRAM": "serving.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
            "PIP_NO_BUILD_ISOLATION": "0",
        }
        sagemaker = stage.client("sagemaker")
        sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=role or stage.role,
            PrimaryContainer={"Image": IMAGE, "ModelDataUrl": archive, "Environment": usual | environment},
        )
        variant = {"VariantName": "AllTraffic", "ModelName": name, "InstanceType": "ml.m5.large"}
        sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[variant | {"InitialInstanceCount": instances}]
        )
        existing = sagemaker.list_endpoints(NameContains=endpoint)["Endpoints"]
        change = sagemaker.update_endpoint if existing else sagemaker.create_endpoint
        change(
            EndpointName=endpoint, EndpointConfigName=name, **({"DeploymentConfig": deployment} if deployment else {})
        )
        return name

    return start


@pytest.fixture(scope="session")
def ended(stage: Stage) -> Callable[[str], dict[str, Any]]:
    """Waits for the end of a training job and returns its description."""

    def wait(name: str) -> dict[str, Any]:
        sagemaker = stage.client("sagemaker")
        return describe_until(
            lambda: dict(sagemaker.describe_training_job(TrainingJobName=name)),
            "TrainingJobStatus",
            ends=("Completed", "Failed", "Stopped"),
        )

    return wait


@pytest.fixture(scope="session")
def settled(stage: Stage) -> Callable[[str], dict[str, Any]]:
    """Waits until an endpoint is in service or failed and returns its description."""

    def wait(name: str) -> dict[str, Any]:
        sagemaker = stage.client("sagemaker")
        return describe_until(
            lambda: dict(sagemaker.describe_endpoint(EndpointName=name)),
            "EndpointStatus",
            ends=("InService", "Failed"),
        )

    return wait
