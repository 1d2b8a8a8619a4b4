"""What ``decide`` may ask for. Each action is a plain value; ``apply`` carries it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rounds import Record


@dataclass(frozen=True, slots=True)
class Create:
    """Write a record that was not there."""

    record: Record


@dataclass(frozen=True, slots=True)
class Update:
    """Change attributes of a record, unless it has changed since it was observed."""

    kind: type[Record]
    name: str
    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CountMetric:
    """Count one occurrence. At least once for what it counts; twice only if an attempt fails right after it."""

    metric: str


@dataclass(frozen=True, slots=True)
class RegisterModel:
    """Add a winner to the model registry and record its package; repeating it finds the same package."""

    model: str
    archive: str
    description: str
    approval_status: str
    properties: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ProvideModel:
    """Create a model and its endpoint configuration in SageMaker, both called ``configuration``, unless they exist."""

    model: str
    archive: str
    configuration: str


@dataclass(frozen=True, slots=True)
class RetargetAlarms:
    """Let the rollback alarms watch ``model``, with ``error_ratio`` as the threshold of its live error."""

    model: str
    configuration: str
    error_ratio: float


@dataclass(frozen=True, slots=True)
class CreateEndpoint:
    """Create the endpoint."""

    configuration: str


@dataclass(frozen=True, slots=True)
class UpdateEndpoint:
    """Move the endpoint to another configuration; any of ``alarms`` rolls that back."""

    configuration: str
    alarms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeleteEndpoint:
    """Delete the endpoint, if it exists."""


type Action = (
    Create
    | Update
    | CountMetric
    | RegisterModel
    | ProvideModel
    | RetargetAlarms
    | CreateEndpoint
    | UpdateEndpoint
    | DeleteEndpoint
)
