"""What integration tests share: one emulator, with nothing deployed on it."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import textwrap
import uuid
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from dwell.local import emulator_process as local

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


@pytest.fixture(scope="session")
def laptop(request: pytest.FixtureRequest) -> Iterator[local.Laptop]:
    """A fresh emulator on a free port, for the whole session: name what you create so that tests do not meet.

    Its log stays in ``build/local/`` when a test failed.
    """
    log = local.ROOT / "build" / "local" / f"tests-{os.getpid()}.log"
    with local.running(log=log) as running:
        yield running
    if not request.session.testsfailed:
        log.unlink(missing_ok=True)


WRITE_LOGS = {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"}


@dataclasses.dataclass(frozen=True)
class FunctionMaker:
    """Makes functions out of source text, each with a role that may write its log, do what it is told, nothing else."""

    laptop: local.Laptop

    def __call__(
        self,
        source: str,
        *,
        allow: Sequence[dict[str, Any]] = (),
        layers: Sequence[str] = (),
        variables: Mapping[str, str] | None = None,
        timeout: int = 10,
        logs: bool = True,
    ) -> str:
        """A function with the handler ``index.handler``; its ARN. Without ``logs`` its role may write none."""
        name = f"function-{uuid.uuid4().hex[:12]}"
        iam = self.laptop.client("iam")
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))["Role"]["Arn"]
        statements = [*allow, *([WRITE_LOGS] if logs else [])]
        if statements:
            iam.put_role_policy(RoleName=name, PolicyName="allow", PolicyDocument=policy(*statements))
        made = self.laptop.client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.12",
            Handler="index.handler",
            Role=role,
            Code={"ZipFile": archive({"index.py": source})},
            Layers=list(layers),
            Timeout=timeout,
            Environment={"Variables": dict(variables or {})},
        )
        self.laptop.client("lambda").get_waiter("function_active_v2").wait(
            FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 400}
        )
        return str(made["FunctionArn"])

    def layer(self, files: Mapping[str, str]) -> str:
        """A layer with these files; the ARN of its version."""
        made = self.laptop.client("lambda").publish_layer_version(
            LayerName=f"layer-{uuid.uuid4().hex[:12]}", Content={"ZipFile": archive(files)}
        )
        return str(made["LayerVersionArn"])


@pytest.fixture(scope="session")
def make_function(laptop: local.Laptop) -> FunctionMaker:
    """Makes functions on the session's emulator."""
    return FunctionMaker(laptop)


@pytest.fixture(scope="session")
def make_queue(laptop: local.Laptop) -> Callable[[], tuple[str, str]]:
    """Makes queues; the URL and the ARN of each."""

    def make() -> tuple[str, str]:
        url = laptop.client("sqs").create_queue(QueueName=f"queue-{uuid.uuid4().hex[:12]}")["QueueUrl"]
        attributes = laptop.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, attributes["Attributes"]["QueueArn"]

    return make


def archive(files: Mapping[str, str]) -> bytes:
    """A zip archive with these texts."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as target:
        for name, text in files.items():
            target.writestr(name, textwrap.dedent(text))
    return content.getvalue()


def policy(*statements: dict[str, Any]) -> str:
    """An IAM policy document of these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
