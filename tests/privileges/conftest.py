"""One deployed stack, after one whole loop under the template's own policies."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from feature_schema import FEATURES, TARGET, VERSION
from rounds import Endpoint
from tests import emulators
from tests.eventually import eventually
from tests.privileges.stage import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLES, PACKED = 1_500, 500


@pytest.fixture(scope="session")
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """The stack after one loop: samples in, a round requested, its winner live. Then its rules are disabled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAMBDA_ASYNC_RETRY_BASE_SECONDS", "0.05")
        with emulators.running("privileges", request) as laptop, emulators.environment(laptop):
            # nothing starts by itself, and a deployment does not wait
            parameters = {
                "MinimumSamples": "1000000",
                "AlarmRecheckSchedule": "rate(1 day)",
                "ReconcileSchedule": "rate(1 day)",
                "BakeSeconds": "0",
            }
            stack = emulators.deploy(laptop, parameters)
            resources = laptop.client("cloudformation").describe_stack_resources(StackName=stack.name)["StackResources"]
            physical = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}
            stage = Stage(laptop, stack, physical)
            _play(stage)
            yield stage


def _play(stage: Stage) -> None:
    """The loop, once, as it goes on AWS: through the topic, by a request for a round, by SageMaker's events."""
    s3, bucket, events = stage.client("s3"), stage.stack.bucket, stage.client("events")
    now = datetime.now(UTC)
    for start in range(0, SAMPLES, PACKED):
        message = "\n".join(_sample(number, now) for number in range(start, start + PACKED))
        stage.client("sns").publish(TopicArn=stage.stack.topic_arn, Message=message)
    eventually(lambda: s3.list_objects_v2(Bucket=bucket, Prefix="samples/").get("Contents"))
    rounds = eventually(lambda: stage.ask_for_a_round("a first model"))  # what was stored this second does not count
    endpoint = stage.stack.endpoint
    eventually(
        lambda: stage.store.get(Endpoint, endpoint),
        lambda endpoint: endpoint is not None and endpoint.serving_model is not None,
        seconds=120,
    )
    for rule in events.list_rules()["Rules"]:
        events.disable_rule(Name=rule["Name"])
    job = f"{stage.stack.name}-{rounds[0]}"
    stage.job = stage.client("sagemaker").describe_training_job(TrainingJobName=job)
    stage.remember_records()


def _sample(number: int, now: datetime) -> str:
    """A sample of the last hour whose target follows its first feature."""
    spans = [min(int(field.maximum - field.minimum), 40) or 1 for field in FEATURES]
    features = {
        field.name: int(field.minimum) + (number * (place + 3)) % spans[place] for place, field in enumerate(FEATURES)
    }
    features[FEATURES[0].name] = int(FEATURES[0].minimum) + 10 * (number % 50)
    sample = {
        "sample_id": f"s-{number}",
        "robot_id": "r-1",
        "fc_id": "fc-1",
        "recorded_at": (now - timedelta(seconds=SAMPLES - number)).isoformat(),
        "schema_version": VERSION,
        TARGET.name: int(TARGET.minimum) + 1_000 + 7 * (number % 50),
        "features": features,
    }
    return json.dumps(sample, separators=(",", ":"))
