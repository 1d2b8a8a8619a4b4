"""The records of models, endpoint configs and endpoints, and their descriptions in the API and in events."""

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

_random = random.SystemRandom()

EVENT_STATUS = {
    "Creating": "CREATING",
    "Updating": "UPDATING",
    "RollingBack": "ROLLING_BACK",
    "InService": "IN_SERVICE",
    "Deleting": "DELETING",
    "Failed": "FAILED",
}
"""The API's statuses in the spelling of events."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model: the request that created it, and its container."""

    name: str
    request: dict[str, Any]
    container: Container
    created: float

    def description(self) -> dict[str, Any]:
        """The response of DescribeModel."""
        echoed = ("ModelName", "PrimaryContainer", "Containers", "ExecutionRoleArn", "EnableNetworkIsolation")
        members = {member: self.request[member] for member in echoed if member in self.request}
        return {"EnableNetworkIsolation": False} | members | self.summary()

    def summary(self) -> dict[str, Any]:
        """An element of ListModels."""
        return {"ModelName": self.name, "ModelArn": self.container.model_arn, "CreationTime": self.created}


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """The models of an endpoint, and their shares of its traffic."""

    name: str
    arn: str
    request: dict[str, Any]
    variants: tuple[Variant, ...]
    created: float

    def description(self) -> dict[str, Any]:
        """The response of DescribeEndpointConfig."""
        echoed = ("ProductionVariants", "DataCaptureConfig", "KmsKeyId")
        return {member: self.request[member] for member in echoed if self.request.get(member)} | self.summary()

    def summary(self) -> dict[str, Any]:
        """An element of ListEndpointConfigs."""
        return {"EndpointConfigName": self.name, "EndpointConfigArn": self.arn, "CreationTime": self.created}


@dataclass(slots=True)
class Endpoint:
    """An endpoint: ``fleet`` serves; in a deployment, ``pending`` serves ``pending_share`` (0-1) of the requests."""

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
    """The number of the pending fleet's instances with traffic."""
    stage: tuple[str, str, float] | None = None
    """The stage of a deployment: status, message, start in epoch seconds."""

    def choose_fleet(self) -> Fleet | None:
        """The fleet for the next request: the pending one with the probability of its share."""
        pending = self.pending
        if pending is not None and self.pending_share > 0 and _random.random() < self.pending_share:
            return pending
        return self.fleet

    def promote_pending(self) -> None:
        """Replace the fleet by the pending one."""
        if self.pending is not None:
            self.fleet, self.config = self.pending, self.pending.config
        self.pending, self.pending_share, self.stage = None, 0.0, None

    def enter(self, status: str, *, failure_reason: str | None = None) -> None:
        """Set the API's status."""
        self.status, self.failure_reason, self.modified = status, failure_reason, time.time()

    def description(self) -> dict[str, Any]:
        """The response of DescribeEndpoint."""
        members = self.summary() | {
            "EndpointConfigName": self.config,
            "FailureReason": self.failure_reason,
            "LastDeploymentConfig": self.deployment,
            "ProductionVariants": _describe_variants(self.fleet.variants) if self.fleet else None,
            "PendingDeploymentSummary": self._pending() if self.pending and self.fleet else None,
        }
        return {member: value for member, value in members.items() if value is not None}

    def summary(self) -> dict[str, Any]:
        """An element of ListEndpoints."""
        return {
            "EndpointName": self.name,
            "EndpointArn": self.arn,
            "EndpointStatus": self.status,
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
        }

    def event(self, tags: dict[str, str]) -> dict[str, Any]:
        """The detail of the event of a state change: statuses in capitals, times in milliseconds."""
        fleet = self.fleet or self.pending
        detail: dict[str, Any] = {
            "EndpointName": self.name,
            "EndpointArn": self.arn,
            "EndpointConfigName": self.config,
            "ProductionVariants": _describe_variants(fleet.variants) if fleet else [],
            "EndpointStatus": EVENT_STATUS[self.status],
            "CreationTime": int(self.created * 1000),
            "LastModifiedTime": int(self.modified * 1000),
            "Tags": tags,
        }
        if self.failure_reason:
            detail["FailureReason"] = self.failure_reason
        return detail

    def deployment_event(self, tags: dict[str, str]) -> dict[str, Any]:
        """The detail of a deployment's event, which includes the pending fleet."""
        pending = self._pending() if self.pending else {}
        if pending:
            pending["StartTime"] = int(self.pending_since * 1000)
            for variant in pending["ProductionVariants"]:
                for status in variant.get("VariantStatus", []):
                    status["StartTime"] = int(status["StartTime"] * 1000)
        return self.event(tags) | ({"PendingDeploymentSummary": pending} if pending else {})

    def _pending(self) -> dict[str, Any]:
        variants = _describe_variants(self.pending.variants) if self.pending else []
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


def _describe_variants(variants: Sequence[Variant]) -> list[dict[str, Any]]:
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


def parse_container(request: dict[str, Any], *, role_arn: str, model_arn: str) -> Container:
    """Parse the container of a CreateModel request. Raises ``ApiError``."""
    containers = request.get("Containers") or []
    if len(containers) > 1:
        raise invalid("Models with several containers are not emulated.")
    raw = request.get("PrimaryContainer") or (containers[0] if containers else None)
    if not isinstance(raw, dict):
        raise broken_constraint(None, "primaryContainer", "Member must not be null")
    require_image(raw.get("Image"))
    variables = raw.get("Environment") or {}
    if not all(isinstance(name, str) and isinstance(value, str) for name, value in variables.items()):
        raise invalid("Environment must map strings to strings.")
    return Container(
        archive=channels.parse_location(raw.get("ModelDataUrl"), "primaryContainer.modelDataUrl"),
        environment=dict(variables),
        role_arn=role_arn,
        model_arn=model_arn,
        isolated=bool(request.get("EnableNetworkIsolation")),
    )


def parse_variant(raw: dict[str, Any]) -> Variant:
    """Parse an element of ``ProductionVariants``. Raises ``ApiError``."""
    name, model = raw.get("VariantName"), raw.get("ModelName")
    if not isinstance(name, str) or not isinstance(model, str):
        raise invalid("Each of ProductionVariants needs a VariantName and a ModelName.")
    if raw.get("ServerlessConfig"):
        raise invalid(f"Variant {name}: ServerlessConfig is not emulated.")
    if not raw.get("InstanceType"):
        raise invalid(f"Variant {name} needs an InstanceType.")
    count, weight = raw.get("InitialInstanceCount", 1), raw.get("InitialVariantWeight", 1.0)
    if not isinstance(count, int) or count < 1:
        raise broken_constraint(count, "initialInstanceCount", "Member must have value greater than or equal to 1")
    if not isinstance(weight, int | float) or weight < 0:
        raise broken_constraint(weight, "initialVariantWeight", "Member must have value greater than or equal to 0")
    return Variant(name, model, str(raw["InstanceType"]), count, float(weight))
