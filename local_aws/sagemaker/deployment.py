"""Parses ``DeploymentConfig`` and derives the steps of a blue/green deployment.

https://docs.aws.amazon.com/sagemaker/latest/dg/deployment-guardrails-blue-green.html
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DeploymentConfig.html
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from local_aws.sagemaker.errors import broken_constraint, invalid

KINDS = ("ALL_AT_ONCE", "CANARY", "LINEAR")
MAX_WAIT_SECONDS = 3_600
TIMEOUT_RANGE_SECONDS = (600, 28_800)
MAX_ALARMS = 10


@dataclass(frozen=True, slots=True)
class Deployment:
    """A valid ``DeploymentConfig``: waits in seconds, the new fleet's instances, and the instances that a step adds."""

    kind: str = "ALL_AT_ONCE"
    instances: int = 1
    step: int = 1
    wait: float = 0
    termination_wait: float = 0
    timeout: float | None = None
    alarms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """Send ``share`` (0-1) of the traffic to ``instances`` of the new fleet, then check the alarms for ``wait`` s."""

    instances: int
    share: float
    wait: float


def steps(plan: Deployment) -> tuple[Step, ...]:
    """The steps of a deployment: all at once, a canary and then the others, or linear.

    The alarms are checked in every step, also in the last one, which ``TerminationWaitInSeconds`` extends: until its
    end the old fleet is kept.
    """
    match plan.kind:
        case "CANARY":
            open_instances = [plan.step, plan.instances]
        case "LINEAR":
            open_instances = [*range(plan.step, plan.instances, plan.step), plan.instances]
        case _:
            open_instances = [plan.instances]
    last = len(open_instances) - 1
    return tuple(
        Step(count, count / plan.instances, plan.wait + (plan.termination_wait if number == last else 0))
        for number, count in enumerate(open_instances)
    )


def parse_deployment(raw: dict[str, Any] | None, *, instances: int) -> Deployment:
    """Parse a request's ``DeploymentConfig`` for a fleet of ``instances``. Raises ``ApiError``."""
    if not raw:
        return Deployment(instances=instances, step=instances)
    if raw.get("RollingUpdatePolicy"):
        raise invalid("RollingUpdatePolicy is not emulated; use BlueGreenUpdatePolicy.")
    policy = raw.get("BlueGreenUpdatePolicy") or {}
    routing = policy.get("TrafficRoutingConfiguration") or {}
    kind = routing.get("Type")
    path = "deploymentConfig.blueGreenUpdatePolicy"
    if kind not in KINDS:
        raise broken_constraint(
            kind,
            f"{path}.trafficRoutingConfiguration.type",
            f"Member must satisfy enum value set: [{', '.join(KINDS)}]",
        )
    plan = Deployment(
        kind=kind,
        instances=instances,
        step=_step(kind, routing, instances),
        wait=_seconds(routing, "WaitIntervalInSeconds", f"{path}.trafficRoutingConfiguration.waitIntervalInSeconds"),
        termination_wait=_seconds(policy, "TerminationWaitInSeconds", f"{path}.terminationWaitInSeconds"),
        timeout=_timeout(policy, f"{path}.maximumExecutionTimeoutInSeconds"),
        alarms=_alarms(raw.get("AutoRollbackConfiguration") or {}),
    )
    waits = sum(step.wait for step in steps(plan))
    if plan.timeout is not None and plan.timeout <= waits:
        raise invalid(
            f"MaximumExecutionTimeoutInSeconds must be larger than all waits together, which are {waits:.0f} s."
        )
    return plan


def _step(kind: str, routing: dict[str, Any], instances: int) -> int:
    field = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}.get(kind)
    if field is None:
        return instances
    size = routing.get(field) or {}
    value, unit = size.get("Value"), size.get("Type")
    if unit not in ("CAPACITY_PERCENT", "INSTANCE_COUNT") or not isinstance(value, int) or value < 1:
        raise invalid(f"{field} needs a Type, CAPACITY_PERCENT or INSTANCE_COUNT, and a positive Value.")
    count = math.ceil(value * instances / 100) if unit == "CAPACITY_PERCENT" else value
    if count > instances / 2:  # a fleet of one instance can only change all at once
        raise invalid(
            f"{field} must be at least one instance and at most 50 percent of the variant's {instances} instance(s)."
        )
    return count


def _timeout(policy: dict[str, Any], member: str) -> float | None:
    value = policy.get("MaximumExecutionTimeoutInSeconds")
    minimum, maximum = TIMEOUT_RANGE_SECONDS
    if value is not None and (not isinstance(value, int) or not minimum <= value <= maximum):
        raise broken_constraint(value, member, f"Member must have value between {minimum} and {maximum}")
    return value


def _seconds(policy: dict[str, Any], field: str, member: str) -> float:
    value = policy.get(field, 0)
    if not isinstance(value, int) or not 0 <= value <= MAX_WAIT_SECONDS:
        raise broken_constraint(value, member, f"Member must have value between 0 and {MAX_WAIT_SECONDS}")
    return value


def _alarms(rollback: dict[str, Any]) -> tuple[str, ...]:
    alarms = rollback.get("Alarms") or []
    if len(alarms) > MAX_ALARMS:
        raise invalid(f"AutoRollbackConfiguration takes {MAX_ALARMS} alarms at most.")
    names = tuple(str(alarm.get("AlarmName", "")) for alarm in alarms)
    if not all(names):
        raise invalid("Each alarm of AutoRollbackConfiguration needs an AlarmName.")
    return names
