"""What the notebooks are executed on: the deployed stack, fed by robots until a model answers, and its data scientist.

They run in the environment of the SDK (``make notebooks``).
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from dwell.client.stack import find
from dwell.demo.bucket_contents import BucketContents
from dwell.local import deployment
from dwell.local import emulator_process as local
from dwell.messaging.publisher import Publisher, create_sns_client
from dwell.simulator.fleet_runner import Fleet, FleetSettings
from dwell.simulator.planner import create_planner
from tests import emulators
from tests.eventually import eventually
from tests.notebooks.execution import Execution
from tests.notebooks.outside import Outside, nobody_there

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nbformat import NotebookNode

    from dwell.client.stack import Stack

FLEET = FleetSettings(robots=2_000, rate=700, request_rate=8, predicted=0.5, broken=0.02, duplicates=0.01, rows=0.02)
ANSWERS = 5_000
"""By the first model: enough to see its error over time and by feature."""
TIMEOUT_SECONDS = 120
"""For what the loop does by itself."""


@pytest.fixture(scope="session")
def laptop(request: pytest.FixtureRequest) -> Iterator[local.Laptop]:
    """An emulator with the real template on it, and this process's environment pointed at it."""
    with emulators.running("notebooks", request) as running, emulators.environment(running):
        emulators.deploy(running)
        yield running


@pytest.fixture(scope="session")
def stack(laptop: local.Laptop) -> Stack:
    """The stack, after robots have worked until its alarm had a first model trained, and that model has answered."""
    found = find(deployment.STACK)
    with Publisher(create_sns_client(found.topic_arn), found.topic_arn) as publisher:
        fleet = Fleet(FLEET, publisher, create_planner(found.api_url))
        with fleet.working():

            def has_answered() -> bool:
                fleet.check()
                return fleet.snapshot(last=1).model >= ANSWERS

            eventually(has_answered, seconds=TIMEOUT_SECONDS, failure="no model answered")
    answers = fleet.snapshot(last=1).model
    storage = BucketContents.create(laptop.client("s3"), found.bucket)

    def has_arrived() -> bool:
        storage.read()
        return len(set(storage.samples().dropna(subset=["model"])["sample_id"])) == answers

    eventually(has_arrived, seconds=TIMEOUT_SECONDS, failure="samples did not arrive in S3")
    return found


@pytest.fixture(scope="session")
def data_scientist(laptop: local.Laptop, stack: Stack) -> dict[str, str]:
    """The AWS environment of a user who may do what docs/data-scientists.md says that the notebooks need, no more."""
    iam, name = laptop.client("iam"), "data-scientist"
    iam.create_user(UserName=name)
    iam.put_user_policy(UserName=name, PolicyName="notebooks", PolicyDocument=json.dumps(policy(laptop, stack)))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def policy(laptop: local.Laptop, stack: Stack) -> dict[str, Any]:
    """The table of docs/data-scientists.md as a policy."""
    functions = laptop.client("lambda").get_function_configuration(FunctionName=stack.retraining_function)
    training_role = functions["Environment"]["Variables"]["TRAINING_ROLE_ARN"]
    key = functions["Environment"]["Variables"]["KEY_ARN"]
    bucket = f"arn:aws:s3:::{stack.bucket}"

    def allow(actions: list[str], *resources: str, **conditions: Any) -> dict[str, Any]:
        return {"Effect": "Allow", "Action": actions, "Resource": list(resources), **conditions}

    passed = {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}}
    return {
        "Version": "2012-10-17",
        "Statement": [
            allow(["cloudformation:DescribeStacks"], f"arn:aws:cloudformation:*:*:stack/{stack.name}/*"),
            allow(["s3:ListBucket"], bucket),
            allow(["s3:GetObject"], f"{bucket}/samples/*", f"{bucket}/quarantine/*"),
            allow(["kms:Decrypt", "kms:GenerateDataKey"], key),
            allow(["execute-api:Invoke"], "arn:aws:execute-api:*:*:*"),
            allow(["lambda:InvokeFunction"], functions["FunctionArn"]),
            allow(["s3:PutObject", "s3:GetObject"], f"{bucket}/training/by-hand/*"),
            allow(["sagemaker:DescribeTrainingJob"], "arn:aws:sagemaker:*:*:training-job/*"),
            allow(["sagemaker:CreateTrainingJob"], "arn:aws:sagemaker:*:*:training-job/by-hand-*"),
            allow(["iam:PassRole"], training_role, Condition=passed),
        ],
    }


@pytest.fixture(scope="session")
def outside() -> Iterator[Outside]:
    """Who is asked for outside of this machine while notebooks are executed."""
    with nobody_there() as there:
        yield there


@pytest.fixture(scope="session")
def execute(data_scientist: dict[str, str], outside: Outside) -> Iterator[Callable[[str], NotebookNode]]:
    """Executes a notebook as its reader would, and keeps the copy with its pictures in ``build/notebooks``."""
    own = Path(tempfile.mkdtemp(prefix="dwell-"))  # a short path, for the kernel's sockets
    with pytest.MonkeyPatch.context() as patch:
        for name, value in outside.environment().items():
            patch.setenv(name, value)
        yield Execution(own, data_scientist).execute
    shutil.rmtree(own)


@pytest.fixture(scope="session")
def look(execute: Callable[[str], NotebookNode]) -> NotebookNode:
    """The executed notebook that looks at the samples."""
    return execute("1-look-at-the-samples")


@pytest.fixture(scope="session")
def train(execute: Callable[[str], NotebookNode]) -> NotebookNode:
    """The executed notebook that trains by hand."""
    return execute("2-train-by-hand")


@pytest.fixture(scope="session")
def enter(execute: Callable[[str], NotebookNode], train: NotebookNode) -> NotebookNode:
    """The executed notebook that enters the leaderboard, after the one that trains on the round before."""
    return execute("3-enter-the-leaderboard")


@pytest.fixture
def s3(laptop: local.Laptop) -> Any:
    """S3 with the account's own keys."""
    return boto3.client("s3")
