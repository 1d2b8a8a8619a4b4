"""What SageMaker, CloudWatch and the table say at one moment: plain frozen values, on which ``decide`` decides."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from promotion.job_results import Tournament
    from rounds import Endpoint, Model, RequestOutcome, Round, RoundLock


@dataclass(frozen=True, slots=True)
class EndpointState:
    """The endpoint as SageMaker describes it."""

    status: str
    configuration: str
    changed_at: datetime
    reason: str | None = None
    pending: str | None = None
    """The endpoint configuration that a change under way leads to."""

    @property
    def is_serving(self) -> bool:
        """Whether a model answers and no change is under way."""
        return self.status in {"InService", "UpdateRollbackFailed"}


@dataclass(frozen=True, slots=True)
class JobState:
    """A round's training job as SageMaker describes it, with its results if it has completed.

    ``failure`` says why there is no usable ``tournament``; both are None while the job runs.
    """

    has_ended: bool
    ended_at: datetime | None = None
    tournament: Tournament | None = None
    archive: str | None = None
    """S3 URI of the winner's model archive; a job without a winner leaves none."""
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class PackageState:
    """A package of the model registry; ``model`` is the name that promotion registered it with."""

    arn: str
    model: str | None
    approval_status: str | None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Everything that a decision rests on.

    A record that is missing here was not in the table: ``observe`` reads every record that ``decide`` may change.
    """

    observed_at: datetime
    endpoint: Endpoint | None = None
    """The endpoint's record."""
    state: EndpointState | None = None
    """The endpoint in SageMaker; None if there is none."""
    served_model: str | None = None
    """The model that ``state.configuration`` serves; None for a configuration that promotion did not create."""
    models: Mapping[str, Model] = field(default_factory=dict)
    rounds: Mapping[str, Round] = field(default_factory=dict)
    active_alarms: Mapping[str, str] = field(default_factory=dict)
    """Rollback alarms in ALARM, with CloudWatch's reason; read only if a deployment may have been rolled back."""
    lock: RoundLock | None = None
    ended_round: str | None = None
    """The round that ``job`` belongs to."""
    job: JobState | None = None
    packages: tuple[PackageState, ...] = ()
    request: RequestOutcome | None = None
    """What an earlier attempt recorded for the same operator's request."""
