"""Models, endpoint configs and endpoints: what was asked for, and how the API and its events tell it."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local_aws.sagemaker import channels
from local_aws.sagemaker.errors import broken_constraint, invalid
from local_aws.sagemaker.fleet import Fleet, Variant
from local_aws.sagemaker.model_server import Container
from local_aws.sagemaker.training_request import require_image

if TYPE_CHECKING:
    from collections.abc import Sequence

_chance = random.SystemRandom()

EVENT_STATUS = {
    "Creating": "CREATING",
    "Updating": "UPDATING",
    "RollingBack": "ROLLING_BACK",
    "InService": "IN_SERVICE",
    "Deleting": "DELETING",
    "Failed": "FAILED",
}
"""How events spell the API's statuses."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model: where its archive is, and what its container gets."""

    name: str
    request: dict[str, Any]
    container: Container
    created: float

    def description(self) -> dict[str, Any]:
        """The answer of DescribeModel."""
        echoed = ("ModelName", "PrimaryContainer", "Containers", "ExecutionRoleArn", "EnableNetworkIsolation")
        told = {member: self.request[member] for member in echoed if member in self.request}
        return {"EnableNetworkIsolation": False} | told | self.summary()

    def summary(self) -> dict[str, Any]:
        """One entry of ListModels."""
        return {"ModelName": self.name, "ModelArn": self.container.model_arn, "CreationTime": self.created}


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """Which models an endpoint serves, and with how much of its traffic."""

    name: str
    arn: str
    request: dict[str, Any]
    variants: tuple[Variant, ...]
    created: float

    def description(self) -> dict[str, Any]:
        """The answer of DescribeEndpointConfig."""
        echoed = ("ProductionVariants", "DataCaptureConfig", "KmsKeyId")
        return {member: self.request[member] for member in echoed if self.request.get(member)} | self.summary()

    def summary(self) -> dict[str, Any]:
        """One entry of ListEndpointConfigs."""
        return {"EndpointConfigName": self.name, "EndpointConfigArn": self.arn, "CreationTime": self.created}


@dataclass(slots=True)
class Endpoint:
    """An endpoint: ``fleet`` answers; ``pending`` is the fleet that comes up, and has ``pending_share`` (0-1)."""

    name: str
    arn: str
    config: str
    status: str = "Creating"
    failure_reason: str | None = None
    fleet: Fleet | None = None
    pending: Fleet | None = None
    deployment: dict[str, Any] | None = None
    created: float = field(default_factory=time.time)
    modified: float = field(default_factory=time.time)
    pending_since: float = 0.0
    pending_share: float = 0.0
    pending_instances: int = 0
    """How many instances of the pending fleet take traffic."""
    stage: tuple[str, str, float] | None = None
    """Where a deployment is: status, message, since when."""

    def fleet_for_a_request(self) -> Fleet | None:
        """Who answers the next request: the pending fleet as often as its share says."""
        pending = self.pending
        if pending is not None and self.pending_share > 0 and _chance.random() < self.pending_share:
            return pending
        return self.fleet

    def switch(self) -> None:
        """The pending fleet has taken over."""
        if self.pending is not None:
            self.fleet, self.config = self.pending, self.pending.config
        self.pending, self.pending_share, self.stage = None, 0.0, None

    def enter(self, status: str, *, failure_reason: str | None = None) -> None:
        """Move to a status of the API."""
        self.status, self.failure_reason, self.modified = status, failure_reason, time.time()

    def description(self) -> dict[str, Any]:
        """The answer of DescribeEndpoint."""
        answer = self.summary() | {
            "EndpointConfigName": self.config,
            "FailureReason": self.failure_reason,
            "LastDeploymentConfig": self.deployment,
            "ProductionVariants": _told(self.fleet.variants) if self.fleet else None,
            "PendingDeploymentSummary": self._pending() if self.pending and self.fleet else None,
        }
        return {member: value for member, value in answer.items() if value is not None}

    def summary(self) -> dict[str, Any]:
        """One entry of ListEndpoints."""
        return {
            "EndpointName": self.name,
            "EndpointArn": self.arn,
            "EndpointStatus": self.status,
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
        }

    def event(self, tags: dict[str, str]) -> dict[str, Any]:
        """The detail of a state change's event: statuses in capitals, times in milliseconds."""
        fleet = self.fleet or self.pending
        detail: dict[str, Any] = {
            "EndpointName": self.name,
            "EndpointArn": self.arn,
            "EndpointConfigName": self.config,
            "ProductionVariants": _told(fleet.variants) if fleet else [],
            "EndpointStatus": EVENT_STATUS[self.status],
            "CreationTime": int(self.created * 1000),
            "LastModifiedTime": int(self.modified * 1000),
            "Tags": tags,
        }
        if self.failure_reason:
            detail["FailureReason"] = self.failure_reason
        return detail

    def deployment_event(self, tags: dict[str, str]) -> dict[str, Any]:
        """The detail of a deployment's event, which also tells what is coming."""
        pending = self._pending() if self.pending else {}
        if pending:
            pending["StartTime"] = int(self.pending_since * 1000)
            for variant in pending["ProductionVariants"]:
                for status in variant.get("VariantStatus", []):
                    status["StartTime"] = int(status["StartTime"] * 1000)
        return self.event(tags) | ({"PendingDeploymentSummary": pending} if pending else {})

    def _pending(self) -> dict[str, Any]:
        variants = _told(self.pending.variants) if self.pending else []
        for variant in variants:
            variant["CurrentInstanceCount"] = min(self.pending_instances, variant["DesiredInstanceCount"])
            if self.stage is not None:
                status, message, since = self.stage
                variant["VariantStatus"] = [{"Status": status, "StatusMessage": message, "StartTime": since}]
        return {
            "EndpointConfigName": self.pending.config if self.pending else self.config,
            "ProductionVariants": variants,
            "StartTime": self.pending_since,
        }


def _told(variants: Sequence[Variant]) -> list[dict[str, Any]]:
    return [
        {
            "VariantName": variant.name,
            "CurrentWeight": variant.weight,
            "DesiredWeight": variant.weight,
            "CurrentInstanceCount": variant.instances,
            "DesiredInstanceCount": variant.instances,
        }
        for variant in variants
    ]


def container(request: dict[str, Any], *, role_arn: str, model_arn: str) -> Container:
    """The container of a CreateModel request. Raises ``ApiError``."""
    several = request.get("Containers") or []
    if len(several) > 1:
        raise invalid("A laptop serves models of one container.")
    raw = request.get("PrimaryContainer") or (several[0] if several else None)
    if not isinstance(raw, dict):
        raise broken_constraint(None, "primaryContainer", "Member must not be null")
    require_image(raw.get("Image"))
    variables = raw.get("Environment") or {}
    if not all(isinstance(name, str) and isinstance(value, str) for name, value in variables.items()):
        raise invalid("Environment must map strings to strings.")
    return Container(
        archive=channels.location(raw.get("ModelDataUrl"), "primaryContainer.modelDataUrl"),
        environment=dict(variables),
        role_arn=role_arn,
        model_arn=model_arn,
        isolated=bool(request.get("EnableNetworkIsolation")),
    )


def variant(raw: dict[str, Any]) -> Variant:
    """One of ``ProductionVariants``. Raises ``ApiError``."""
    name, model = raw.get("VariantName"), raw.get("ModelName")
    if not isinstance(name, str) or not isinstance(model, str):
        raise invalid("Each of ProductionVariants needs a VariantName and a ModelName.")
    if raw.get("ServerlessConfig"):
        raise invalid(f"Variant {name}: ServerlessConfig is not emulated on a laptop.")
    if not raw.get("InstanceType"):
        raise invalid(f"Variant {name} needs an InstanceType.")
    count, weight = raw.get("InitialInstanceCount", 1), raw.get("InitialVariantWeight", 1.0)
    if not isinstance(count, int) or count < 1:
        raise broken_constraint(count, "initialInstanceCount", "Member must have value greater than or equal to 1")
    if not isinstance(weight, int | float) or weight < 0:
        raise broken_constraint(weight, "initialVariantWeight", "Member must have value greater than or equal to 0")
    return Variant(name, model, str(raw["InstanceType"]), count, float(weight))
