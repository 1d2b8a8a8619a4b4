"""Deployment configs and their steps.

https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-blue-green.html
"""

from __future__ import annotations

from typing import Any

import pytest

from local_aws.sagemaker import deployment
from local_aws.sagemaker.errors import ApiError


def canary(kind: str = "CANARY", share: int = 50, unit: str = "CAPACITY_PERCENT", **more: Any) -> dict[str, Any]:
    """A DeploymentConfig."""
    field = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}.get(kind, "Unused")
    routing = {"Type": kind, "WaitIntervalInSeconds": 60, field: {"Type": unit, "Value": share}}
    return {"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": 5}, **more}


def test_deployment_config_is_parsed() -> None:
    # given a canary deployment with an alarm
    raw = canary(AutoRollbackConfiguration={"Alarms": [{"AlarmName": "a"}]})
    # then it and simpler ones are parsed
    assert deployment.parse_deployment(raw, instances=2) == deployment.Deployment("CANARY", 2, 1, 60, 5, None, ("a",))
    assert deployment.parse_deployment(None, instances=1) == deployment.Deployment()
    assert deployment.parse_deployment(canary("ALL_AT_ONCE"), instances=3).step == 3


@pytest.mark.parametrize(
    ("raw", "instances", "steps"),
    [
        (None, 2, [(2, 1.0, 0)]),
        (canary("ALL_AT_ONCE"), 2, [(2, 1.0, 65)]),
        (canary(), 2, [(1, 0.5, 60), (2, 1.0, 65)]),
        (canary(share=10), 2, [(1, 0.5, 60), (2, 1.0, 65)]),  # a step has at least one instance
        (canary("LINEAR", share=2, unit="INSTANCE_COUNT"), 5, [(2, 0.4, 60), (4, 0.8, 60), (5, 1.0, 65)]),
        (canary("LINEAR", share=25), 4, [(1, 0.25, 60), (2, 0.5, 60), (3, 0.75, 60), (4, 1.0, 65)]),
    ],
)
def test_steps_have_shares_and_waits(
    raw: dict[str, Any] | None, instances: int, steps: list[tuple[int, float, float]]
) -> None:
    planned = deployment.steps(deployment.parse_deployment(raw, instances=instances))
    assert [(step.instances, step.share, step.wait) for step in planned] == steps


def test_timeout_below_sum_of_waits_is_refused() -> None:
    # given a canary of 600 s and 600 s
    raw = canary()
    raw["BlueGreenUpdatePolicy"] |= {"MaximumExecutionTimeoutInSeconds": 1_200, "TerminationWaitInSeconds": 0}
    raw["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]["WaitIntervalInSeconds"] = 599
    assert deployment.parse_deployment(raw, instances=2).timeout == 1_200
    # when its waits are as long as its timeout
    raw["BlueGreenUpdatePolicy"]["TrafficRoutingConfiguration"]["WaitIntervalInSeconds"] = 600
    # then it is refused
    with pytest.raises(ApiError, match="larger than all waits"):
        deployment.parse_deployment(raw, instances=2)
    raw["BlueGreenUpdatePolicy"]["MaximumExecutionTimeoutInSeconds"] = 599
    with pytest.raises(ApiError, match="between 600 and 28800"):
        deployment.parse_deployment(raw, instances=2)


@pytest.mark.parametrize(
    ("raw", "instances"),
    [
        (canary(), 1),  # a canary needs two instances
        (canary(share=51), 10),
        (canary(share=2, unit="INSTANCE_COUNT"), 3),
        (canary("SUDDENLY"), 2),
        (canary(AutoRollbackConfiguration={"Alarms": [{"AlarmName": str(number)} for number in range(11)]}), 2),
        ({"BlueGreenUpdatePolicy": {}}, 2),
    ],
)
def test_impossible_deployment_is_refused(raw: dict[str, Any], instances: int) -> None:
    with pytest.raises(ApiError):
        deployment.parse_deployment(raw, instances=instances)
