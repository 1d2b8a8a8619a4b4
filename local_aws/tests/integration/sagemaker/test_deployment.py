"""Blue/green deployments: traffic moves in steps, alarms are checked in each, and an alarm rolls back."""

from __future__ import annotations

import json
import math
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

SERVING = """
import json, pathlib

def model_fn(model_dir):
    return pathlib.Path(model_dir, "weights.txt").read_text()

def input_fn(body, content_type):
    return body

def predict_fn(data, model):
    if data == "raise":
        raise ValueError
    return model

def output_fn(prediction, accept):
    return json.dumps({"model": prediction}), "application/json"
"""
STATE_CHANGE, DEPLOYMENT = "SageMaker Endpoint State Change", "SageMaker Endpoint Deployment State Change"


@dataclass(frozen=True, slots=True)
class Site:
    """An endpoint of four instances."""

    stage: Any
    endpoint: str
    role: str
    deploy: Callable[..., str]
    settle: Callable[[str], dict[str, Any]]

    def description(self) -> dict[str, Any]:
        return dict(self.stage.client("sagemaker").describe_endpoint(EndpointName=self.endpoint))

    def settled(self) -> dict[str, Any]:
        """The description after the end of the change."""
        return self.settle(self.endpoint)

    def change(self, deployment: dict[str, Any], role: str | None = None) -> str:
        """Deploy another model; returns the name of its endpoint config, which it also responds with."""
        return self.deploy(self.endpoint, SERVING, role=role or self.role, instances=4, deployment=deployment)

    def answers(self, times: int) -> Counter[str]:
        """The number of responses of each model to ``times`` requests."""
        runtime = self.stage.client("sagemaker-runtime")
        bodies = (
            runtime.invoke_endpoint(EndpointName=self.endpoint, Body="1", ContentType="text/csv")["Body"].read()
            for _ in range(times)
        )
        return Counter(json.loads(body)["model"] for body in bodies)

    def until_stage(self, status: str, message: str) -> dict[str, Any]:
        """The description when the pending variant has reached a stage."""
        for _ in range(400):
            description = self.description()
            for variant in description.get("PendingDeploymentSummary", {}).get("ProductionVariants", []):
                for stage_status in variant.get("VariantStatus", []):
                    if stage_status["Status"] == status and message in stage_status["StatusMessage"]:
                        return description
            time.sleep(0.1)
        pytest.fail(f"no stage {status} {message!r}: {description}")


@pytest.fixture(scope="module")
def site(stage: Any, deploy: Callable[..., str], settled: Callable[[str], dict[str, Any]], sent: Any) -> Site:
    """An endpoint in service; its models' role has access to alarms. ``sent`` must exist before its first event."""
    role = stage.make_role(
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{stage.bucket}/*"},
        {"Effect": "Allow", "Action": "cloudwatch:DescribeAlarms", "Resource": "*"},
    )
    created = Site(stage, f"Deployed-{uuid.uuid4().hex[:12]}", role, deploy, settled)
    deploy(created.endpoint, SERVING, role=role, instances=4)
    assert created.settled()["EndpointStatus"] == "InService"
    return created


@pytest.fixture
def alarm(stage: Any) -> str:
    """The name of an alarm that only SetAlarmState changes."""
    name = f"alarm-{uuid.uuid4().hex[:12]}"
    stage.client("cloudwatch").put_metric_alarm(
        AlarmName=name, Namespace="Nothing", MetricName="Ever", Statistic="Sum", Period=60, EvaluationPeriods=1,
        ComparisonOperator="GreaterThanThreshold", Threshold=0, TreatMissingData="ignore",
    )  # fmt: skip
    return name


def routing(kind: str, *, wait: int, alarm: str | None = None, size: int = 25) -> dict[str, Any]:
    """A DeploymentConfig."""
    field = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}.get(kind)
    sizes = {field: {"Type": "CAPACITY_PERCENT", "Value": size}} if field else {}
    config: dict[str, Any] = {
        "BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": {"Type": kind, "WaitIntervalInSeconds": wait, **sizes}}
    }
    return config | ({"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": alarm}]}} if alarm else {})


def test_canary_gets_its_share_then_all_traffic(site: Site, alarm: str, sent: Any) -> None:
    # given an endpoint that serves a model
    old = site.description()["EndpointConfigName"]
    started_at = time.monotonic()
    site.answers(30)
    bake_seconds = max(4, math.ceil((time.monotonic() - started_at) * 300 / 30 * 2))  # 300 requests must fit into it
    # when another model is deployed with a canary
    new = site.change(routing("CANARY", wait=bake_seconds, alarm=alarm))
    baking = site.until_stage("Baking", "canary capacity of 1 instance(s)")
    canary = site.answers(300)
    site.until_stage("Baking", "full capacity of 4 instance(s)")
    full = site.answers(50)
    description = site.settled()
    # then a quarter of the responses came from the canary, and later all of them
    assert canary.keys() == {old, new}
    assert 30 < canary[new] < 130  # 75 expected; five standard deviations are 38
    assert full == {new: 50}
    # and the API and the events report it
    assert (baking["EndpointStatus"], baking["EndpointConfigName"]) == ("Updating", old)
    (variant,) = baking["PendingDeploymentSummary"]["ProductionVariants"]
    assert (variant["CurrentInstanceCount"], variant["DesiredInstanceCount"]) == (1, 4)
    assert (description["EndpointConfigName"], description.get("FailureReason")) == (new, None)
    events = sent(
        site.endpoint.lower(),
        lambda event: (
            event["detail"]["EndpointConfigName"] == new
            and (event["detail-type"], event["detail"]["EndpointStatus"]) == (STATE_CHANGE, "IN_SERVICE")
        ),
    )
    stages = [
        variant["VariantStatus"][0]["Status"]
        for event in events
        if event["detail-type"] == DEPLOYMENT and "PendingDeploymentSummary" in event["detail"]
        for variant in event["detail"]["PendingDeploymentSummary"]["ProductionVariants"]
    ]
    assert stages == ["Creating", "ActivatingTraffic", "Baking", "ActivatingTraffic", "Baking"]


@pytest.mark.parametrize("kind", ["ALL_AT_ONCE", "CANARY"])
def test_alarm_rolls_deployment_back(site: Site, alarm: str, sent: Any, kind: str) -> None:
    # given a new fleet that has traffic and is watched
    old = site.description()["EndpointConfigName"]
    new = site.change(routing(kind, wait=60, alarm=alarm))
    site.until_stage("Baking", "")
    assert new in site.answers(60)
    # when the alarm goes off
    site.stage.client("cloudwatch").set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="test")
    description = site.settled()
    # then the old one answers, and the reason is told
    assert (description["EndpointStatus"], description["EndpointConfigName"]) == ("InService", old)
    assert alarm in description["FailureReason"]
    assert site.answers(20) == {old: 20}
    events = sent(
        site.endpoint.lower(),
        lambda event: (
            (event["detail-type"], event["detail"]["EndpointStatus"]) == (STATE_CHANGE, "IN_SERVICE")
            and alarm in event["detail"].get("FailureReason", "")
        ),
    )
    states = [event["detail"]["EndpointStatus"] for event in events if event["detail-type"] == STATE_CHANGE]
    assert states[-3:] == ["UPDATING", "ROLLING_BACK", "IN_SERVICE"]


def test_active_alarm_prevents_deployment(site: Site, alarm: str) -> None:
    old = site.description()["EndpointConfigName"]
    site.stage.client("cloudwatch").set_alarm_state(AlarmName=alarm, StateValue="ALARM", StateReason="test")
    site.change(routing("ALL_AT_ONCE", wait=60, alarm=alarm))
    description = site.settled()
    assert (description["EndpointStatus"], description["EndpointConfigName"]) == ("InService", old)
    assert "in ALARM already" in description["FailureReason"]


def test_missing_or_denied_alarm_prevents_deployment(site: Site, alarm: str) -> None:
    site.change(routing("ALL_AT_ONCE", wait=1, alarm="never-was"))
    assert "never-was do not exist" in site.settled()["FailureReason"]
    site.change(routing("ALL_AT_ONCE", wait=1, alarm=alarm), role=site.stage.role)
    assert "cannot be read" in site.settled()["FailureReason"]


def test_linear_deployment_moves_traffic_in_steps(site: Site, alarm: str) -> None:
    new = site.change(routing("LINEAR", wait=1, alarm=alarm, size=50))
    site.until_stage("Baking", "linear capacity of 2 instance(s)")
    site.until_stage("Baking", "full capacity of 4 instance(s)")
    assert site.settled()["EndpointConfigName"] == new


def test_metrics_distinguish_endpoint_configs(site: Site) -> None:
    # given
    config = site.description()["EndpointConfigName"]
    runtime, cloudwatch = site.stage.client("sagemaker-runtime"), site.stage.client("cloudwatch")
    names = ("Invocations", "InvocationModelErrors", "Invocation5XXErrors", "Invocation4XXErrors")
    dimensions = {"EndpointName": site.endpoint, "VariantName": "AllTraffic", "EndpointConfigName": config}
    queries = [
        {
            "Id": f"m{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/SageMaker",
                    "MetricName": name,
                    "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
                },
                "Period": 1,
                "Stat": "Sum",
            },
        }
        for number, name in enumerate(names)
    ]

    def counted() -> list[float]:
        now = datetime.now(UTC)
        results = cloudwatch.get_metric_data(
            MetricDataQueries=queries, StartTime=now - timedelta(minutes=5), EndTime=now + timedelta(seconds=5)
        )["MetricDataResults"]
        return [sum(result["Values"]) for result in results]

    before = counted()
    # when two are answered and one fails
    site.answers(2)
    with pytest.raises(runtime.exceptions.ModelError):
        runtime.invoke_endpoint(EndpointName=site.endpoint, Body="raise", ContentType="text/csv")
    # then
    assert [after - earlier for after, earlier in zip(counted(), before, strict=True)] == [3, 1, 1, 0]
