"""From one fleet to the next: what ``DeploymentConfig`` may say, and the steps that follow from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from dwell.local.emulator.sagemaker.errors import broken_constraint, invalid

KINDS = ("ALL_AT_ONCE", "CANARY", "LINEAR")
LONGEST_WAIT = 3_600
MOST_ALARMS = 10


@dataclass(frozen=True, slots=True)
class Deployment:
    """A checked ``DeploymentConfig``; every wait in seconds, ``share`` of the fleet in the first step (0-1)."""

    kind: str = "ALL_AT_ONCE"
    share: float = 1.0
    wait: float = 0
    termination_wait: float = 0
    alarms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """Send ``share`` (0-1) of the traffic to the new fleet, then wait and watch for ``wait`` seconds."""

    share: float
    wait: float


def steps(_deployment: Deployment) -> tuple[Step, ...]:
    """The steps of a deployment. For now all traffic moves at once, whatever the policy; waits are not observed."""
    return (Step(share=1.0, wait=0),)


def checked(raw: dict[str, Any] | None, *, instances: int) -> Deployment:
    """What a request's ``DeploymentConfig`` says for a fleet of ``instances``. Raises ``ApiError``."""
    if not raw:
        return Deployment()
    if raw.get("RollingUpdatePolicy"):
        raise invalid("RollingUpdatePolicy is not emulated on a laptop; use BlueGreenUpdatePolicy.")
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
    return Deployment(
        kind=kind,
        share=_share(kind, routing, instances),
        wait=_seconds(routing, "WaitIntervalInSeconds", f"{path}.trafficRoutingConfiguration.waitIntervalInSeconds"),
        termination_wait=_seconds(policy, "TerminationWaitInSeconds", f"{path}.terminationWaitInSeconds"),
        alarms=_alarms(raw.get("AutoRollbackConfiguration") or {}),
    )


def _share(kind: str, routing: dict[str, Any], instances: int) -> float:
    field = {"CANARY": "CanarySize", "LINEAR": "LinearStepSize"}.get(kind)
    if field is None:
        return 1.0
    size = routing.get(field) or {}
    value, unit = size.get("Value"), size.get("Type")
    if unit not in ("CAPACITY_PERCENT", "INSTANCE_COUNT") or not isinstance(value, int) or value < 1:
        raise invalid(f"{field} needs a Type, CAPACITY_PERCENT or INSTANCE_COUNT, and a positive Value.")
    count = math.ceil(value * instances / 100) if unit == "CAPACITY_PERCENT" else value
    if count > instances / 2:  # one instance of one is all of it: such a fleet can only change at once
        raise invalid(
            f"{field} must be at least one instance and at most 50 percent of the variant's {instances} instance(s)."
        )
    return count / instances


def _seconds(policy: dict[str, Any], field: str, member: str) -> float:
    value = policy.get(field, 0)
    if not isinstance(value, int) or not 0 <= value <= LONGEST_WAIT:
        raise broken_constraint(value, member, f"Member must have value between 0 and {LONGEST_WAIT}")
    return value


def _alarms(rollback: dict[str, Any]) -> tuple[str, ...]:
    alarms = rollback.get("Alarms") or []
    if len(alarms) > MOST_ALARMS:
        raise invalid(f"AutoRollbackConfiguration takes {MOST_ALARMS} alarms at most.")
    names = tuple(str(each.get("AlarmName", "")) for each in alarms)
    if not all(names):
        raise invalid("Each alarm of AutoRollbackConfiguration needs an AlarmName.")
    return names
