"""What tests of the emulated SageMaker share: a bucket, roles, archives of tiny scripts, events as they were sent."""

from __future__ import annotations

import io
import json
import tarfile
import textwrap
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from local_aws.tests.integration.factories import LocalAws

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"


@dataclass(frozen=True)
class Stage:
    """An account with one bucket and one role that SageMaker may use for everything in it."""

    aws: LocalAws
    bucket: str
    role: str

    def client(self, service: str) -> Any:
        """A client with the account's keys."""
        return self.aws.client(service)

    def uri(self, key: str) -> str:
        """The address of a key in the bucket."""
        return f"s3://{self.bucket}/{key}"

    def put(self, key: str, body: bytes | str) -> str:
        """Store an object; its address."""
        self.client("s3").put_object(Bucket=self.bucket, Key=key, Body=body)
        return self.uri(key)

    def packed(self, key: str, files: Mapping[str, str]) -> str:
        """Store a ``.tar.gz`` of texts; its address."""
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w:gz") as archive:
            for name, text in files.items():
                body = textwrap.dedent(text).encode()
                member = tarfile.TarInfo(name)
                member.size = len(body)
                archive.addfile(member, io.BytesIO(body))
        return self.put(key, content.getvalue())

    def unpacked(self, key: str) -> dict[str, bytes]:
        """The files in a ``.tar.gz``."""
        body = self.client("s3").get_object(Bucket=self.bucket, Key=key)["Body"].read()
        with tarfile.open(fileobj=io.BytesIO(body)) as archive:
            files = {member.name: archive.extractfile(member) for member in archive.getmembers() if member.isfile()}
            return {name: content.read() for name, content in files.items() if content is not None}

    def make_role(self, *statements: dict[str, Any], service: str = "sagemaker.amazonaws.com") -> str:
        """A role that ``service`` may assume, with these permissions; its ARN."""
        name = f"role-{uuid.uuid4().hex[:12]}"
        trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        iam = self.client("iam")
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document(trust))["Role"]["Arn"]
        if statements:
            iam.put_role_policy(RoleName=name, PolicyName="allow", PolicyDocument=document(*statements))
        return str(arn)

    def as_user(self, service: str, *statements: dict[str, Any]) -> Any:
        """A client of a user who may do what the statements say."""
        name = f"user-{uuid.uuid4().hex[:12]}"
        iam = self.client("iam")
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="allow", PolicyDocument=document(*statements))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="us-east-1")
        # the type checker's overloads want a literal service name
        return session.client(service, endpoint_url=self.aws.endpoint_url)  # type: ignore[call-overload]

    def log(self, group: str, prefix: str) -> str:
        """All lines of a log group's streams whose names begin with ``prefix``; none while there is no such group."""
        logs = self.client("logs")
        try:
            events = logs.filter_log_events(logGroupName=group, logStreamNamePrefix=prefix)["events"]
        except logs.exceptions.ResourceNotFoundException:
            return ""
        return "\n".join(event["message"] for event in events)


@pytest.fixture(scope="session")
def stage(aws: LocalAws) -> Stage:
    """One bucket and one role for all tests here; each test names its own keys."""
    bucket = f"bucket-{uuid.uuid4().hex[:12]}"
    aws.client("s3").create_bucket(Bucket=bucket)
    bare = Stage(aws, bucket, role="")
    role = bare.make_role(
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
    """What SageMaker told EventBridge about one resource, by the end of its ARN, until ``last`` accepts an event."""
    url, arn = make_queue()
    rule = f"rule-{uuid.uuid4().hex[:12]}"
    events, sqs = aws.client("events"), aws.client("sqs")
    rule_arn = events.put_rule(Name=rule, EventPattern=json.dumps({"source": ["aws.sagemaker"]}))["RuleArn"]
    allow = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage"}
    allow |= {"Resource": arn, "Condition": {"ArnEquals": {"aws:SourceArn": rule_arn}}}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document(allow)})
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
        pytest.fail(f"the last event about {name} did not come; these did: {about}")

    yield read
    events.remove_targets(Rule=rule, Ids=["queue"])
    events.delete_rule(Name=rule)


def document(*statements: dict[str, Any]) -> str:
    """A policy of these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def until(describe: Callable[[], dict[str, Any]], field: str, *, ends: tuple[str, ...]) -> dict[str, Any]:
    """Describe again and again until ``field`` has one of the values ``ends`` (60 s at most)."""
    for _ in range(600):
        description = describe()
        if description[field] in ends:
            return description
        time.sleep(0.1)
    pytest.fail(f"{field} stays {description[field]}: {description}")


@pytest.fixture(scope="session")
def train(stage: Stage) -> Callable[..., str]:
    """Starts a training job with a script; its name. Further members of the request replace what is usual."""

    def start(script: str, *, channels: Mapping[str, tuple[str, str]] | None = None, **request: Any) -> str:
        name = request.pop("TrainingJobName", f"job-{uuid.uuid4().hex[:12]}")
        source = stage.packed(f"source/{name}/sourcedir.tar.gz", {"train.py": script, "sibling.json": '{"here": true}'})
        given = {"code": ("S3Prefix", stage.uri(f"source/{name}/"))} | dict(channels or {})
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
                    for channel, (kind, address) in given.items()
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
    """Puts a serving script behind an endpoint, new or not; the name of the endpoint config that it made."""

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
        known = sagemaker.list_endpoints(NameContains=endpoint)["Endpoints"]
        change = sagemaker.update_endpoint if known else sagemaker.create_endpoint
        change(
            EndpointName=endpoint, EndpointConfigName=name, **({"DeploymentConfig": deployment} if deployment else {})
        )
        return name

    return start


@pytest.fixture(scope="session")
def ended(stage: Stage) -> Callable[[str], dict[str, Any]]:
    """The description of a training job, once it has ended."""

    def wait(name: str) -> dict[str, Any]:
        sagemaker = stage.client("sagemaker")
        return until(
            lambda: dict(sagemaker.describe_training_job(TrainingJobName=name)),
            "TrainingJobStatus",
            ends=("Completed", "Failed", "Stopped"),
        )

    return wait


@pytest.fixture(scope="session")
def settled(stage: Stage) -> Callable[[str], dict[str, Any]]:
    """The description of an endpoint, once it is neither coming up nor changing."""

    def wait(name: str) -> dict[str, Any]:
        sagemaker = stage.client("sagemaker")
        return until(
            lambda: dict(sagemaker.describe_endpoint(EndpointName=name)),
            "EndpointStatus",
            ends=("InService", "Failed"),
        )

    return wait
