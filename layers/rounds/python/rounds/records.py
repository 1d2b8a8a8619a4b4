"""The records of the training loop. A record is one item of the table, under the key (``kind``, ``name``).

Errors (``rmse``, ``expected_error``) are root mean squared errors in the target's unit; lower is better. Times are
aware, and stored as ISO 8601 in UTC. Stored attribute names never change: where the Python name is another, the
stored one is the field's alias.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from rounds.operator_requests import with_error_message
from rounds.timestamps import format_iso

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

Timestamp = Annotated[AwareDatetime, PlainSerializer(format_iso, return_type=str)]
Rmse = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
TrainedOn = Literal["all", "recent", "continued"]
"""``all`` training rows, only the ``recent`` ones, or ``continued``: the older rows first, then the recent ones."""
TriggerSource = Literal["alarm", "schedule", "manual"]
RoundStatus = Literal["started", "promoted", "kept", "failed"]
DecisionOutcome = Literal["start", "refuse"]
DeploymentStatus = Literal["awaiting_approval", "rejected", "live", "rolled_back", "failed"]
ModelStatus = Literal[
    "candidate", "awaiting_approval", "rejected", "deploying", "live", "retired", "rolled_back", "failed"
]
PauseState = Literal["paused", "resuming"]
ENDPOINT_TRANSITIONS = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack"})
"""The statuses in which SageMaker refuses a change of an endpoint, until an event announces the end of the transition:
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DescribeEndpoint.html
"""


def _normalize(name: object) -> object:
    return unicodedata.normalize("NFC", name) if isinstance(name, str) else name


Entrant = Annotated[
    str,
    BeforeValidator(_normalize),  # composed and decomposed accents give the same name
    Field(pattern=r"^[\p{L}\p{N}]([\p{L}\p{N} _.-]{0,38}[\p{L}\p{N}_.-])?$"),
    with_error_message(
        "1 to 40 letters, digits, spaces and _ . - in any script, a letter or digit first, no space last"
    ),
]
"""The name of a person who enters hyperparameters of their own: 1 to 40 letters, digits, spaces and ``_ . -``.

The pattern also fits the value of a tag of a training job. HTML views escape the name all the same.
"""


class RecordPart(BaseModel):
    """A part of a record. Attributes that a newer version wrote are ignored."""

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        protected_namespaces=(),
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with ``update`` applied, by the fields' names in Python.

        Raises ``AttributeError`` for an unknown name, which pydantic would ignore without an error.
        """
        unknown = set(update or ()) - set(type(self).model_fields)
        if unknown:
            raise AttributeError(f"{type(self).__name__} has no field {', '.join(sorted(unknown))}")
        return super().model_copy(update=update, deep=deep)


class Record(RecordPart):
    """An item of the table. ``revision`` counts its changes, so that concurrent writers detect each other."""

    kind: ClassVar[str]
    name: str
    revision: Count = 0


class Dataset(RecordPart):
    """A round's dataset. Counts of samples are null until the training job has read it."""

    manifest: str
    objects: Count
    stored_objects: Count | None = None
    """How many objects there were to select from; more than ``objects`` if not all fit into one job."""
    maximum_samples: Count | None = None
    """The most samples that the job could use; ``thinned`` were left out because of it."""
    bytes: Count
    cut_off: Timestamp
    """Objects stored later are not part of the dataset."""
    schema_hash: str
    samples: Count | None = None
    duplicates: Count | None = None
    thinned: Count | None = None
    train: Count | None = None
    recent_train: Count | None = None
    test: Count | None = None
    split_at: Timestamp | None = None
    oldest: Timestamp | None = None
    newest: Timestamp | None = None


class Candidate(RecordPart):
    """A model trained in a round. ``rmse`` is null if training failed; ``error`` then holds the reason."""

    name: str
    algorithm: str
    trained_on: TrainedOn
    model: str | None = None
    rmse: Rmse | None = None
    expected_error: Rmse | None = None
    seconds: float | None = None
    error: str | None = None
    hyperparameters: dict[str, Any] = Field(default_factory=dict)


class Champion(RecordPart):
    """The model that was live at the start of the round, scored on the round's own test set."""

    model: str
    rmse: Rmse | None = None
    error: str | None = None


class Comparison(RecordPart):
    """A paired comparison of the winner with the champion or the baseline on the test set; gains in squared units."""

    against: Literal["champion", "baseline"]
    model: str | None = None
    mean_gain: Annotated[float, Field(allow_inf_nan=False)]
    standard_error: Rmse
    confidence: float
    significant: bool


class Round(Record):
    """A round of retraining: its cause, its training job, and its result."""

    kind: ClassVar[str] = "round"
    cause: str
    trigger: TriggerSource
    event: str
    """The id of the event that started it."""
    alarm: str | None = None
    entrant: Entrant | None = None
    """The person who entered hyperparameters; the round's candidates carry the name."""
    started_at: Timestamp
    job: str
    status: RoundStatus = "started"
    reason: str | None = None
    recent_since: Timestamp | None = None
    champion: str | None = None
    """The model to beat: the endpoint's ``next_model`` when the round started."""
    dataset: Dataset | None = None
    candidates: tuple[Candidate, ...] = ()
    baseline_rmse: Rmse | None = None
    champion_rmse: Rmse | None = None
    comparison: Comparison | None = None
    winner: str | None = None
    promoted: str | None = None
    finished_at: Timestamp | None = None
    seconds: float | None = None
    """From the start of the round to the end of its training job."""
    deployment: DeploymentStatus | None = None
    """The deployment status of the ``submitted`` model; null while a promoted model is being deployed."""
    deployment_reason: str | None = None
    """Why it was rejected, rolled back or failed."""
    deployed_at: Timestamp | None = None

    @property
    def submitted(self) -> str | None:
        """The model that ``deployment`` is about; null if there is none.

        It is the promoted model, or the winner if the round kept the champion and an operator deployed the winner
        later. Other candidates cannot be deployed, because their archives are not kept.
        """
        if self.promoted is not None or self.deployment is None:
            return self.promoted
        return next((candidate.model for candidate in self.candidates if candidate.name == self.winner), None)

    @property
    def best_rmse(self) -> float | None:
        """The lowest test error of the round's candidates; null if all of them failed."""
        return min((candidate.rmse for candidate in self.candidates if candidate.rmse is not None), default=None)


class Decision(Record):
    """Whether a trigger started a round or was refused, with the reason and its inputs. Named ``<time>#<event id>``."""

    kind: ClassVar[str] = "decision"
    cause: str
    trigger: TriggerSource
    outcome: DecisionOutcome
    reason: str
    round: str
    """The round that was, or would have been, started."""
    decided_at: Timestamp
    facts: dict[str, Any]
    expires_at: int | None = None
    """When DynamoDB may delete the item (time to live), in seconds since 1970:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html
    """


class Model(Record):
    """A trained model. Only the winner of a round has an ``archive``."""

    kind: ClassVar[str] = "model"
    round: str
    candidate: str
    entrant: Entrant | None = None
    algorithm: str
    trained_on: TrainedOn
    test_rmse: Rmse | None = None
    test_set: str
    """The round whose test set gave ``test_rmse``: the model's own, or the newest in which it was the champion."""
    expected_error: Rmse | None = None
    archive: str | None = None
    status: ModelStatus = "candidate"
    reason: str | None = None
    package: str | None = None
    """The ARN of its package in SageMaker's model registry; only a winner has one."""
    promoted_by: Literal["round", "operator"] = "round"
    """Which of the two requested its last deployment."""
    created_at: Timestamp
    live_since: Timestamp | None = None
    retired_at: Timestamp | None = None


class Endpoint(Record):
    """The last observed state of the endpoint. Named like the endpoint."""

    kind: ClassVar[str] = "endpoint"
    serving_model: str | None = Field(default=None, alias="model")
    """The model that answers now."""
    desired_model: str | None = Field(default=None, alias="wanted")
    """The model that is to answer next; null if none is waiting."""
    deploying_model: str | None = Field(default=None, alias="deploying")
    """The model whose deployment SageMaker has accepted, until its result is recorded."""
    deploying_since: Timestamp | None = None
    """When the endpoint had last changed before that deployment; earlier events are not about ``deploying_model``."""
    pause: PauseState | None = None
    """Set from an operator's pause request until the endpoint serves again."""
    model_after_resume: str | None = Field(default=None, alias="resumes")
    """The model to deploy when the endpoint resumes; null unless it is paused or resuming."""
    status: str = "Absent"
    reason: str | None = None
    updated_at: Timestamp

    @property
    def next_model(self) -> str | None:
        """The model that answers once every change in progress has succeeded, a pause included; null if none does.

        A challenger has to beat this model. Comparing with ``serving_model`` would override a request in progress.
        """
        # Only the end of a transition deploys ``desired_model``. Without one in progress SageMaker has refused it (for
        # example because of a quota), and a model that will not be deployed must not block others.
        is_changing = self.deploying_model is not None or self.status in ENDPOINT_TRANSITIONS
        in_progress = (self.desired_model or self.deploying_model) if is_changing else None
        if self.pause == "paused":  # a model requested during the pause is stored in ``model_after_resume``
            return self.model_after_resume or in_progress or self.serving_model
        if self.pause == "resuming":  # a model requested meanwhile follows the one that resumes
            return in_progress or self.model_after_resume or self.serving_model
        return in_progress or self.serving_model


class InFlightRound(RecordPart):
    """The round that holds the lock. ``cut_off`` fixes the dataset for every attempt at starting the round."""

    round: str
    job: str
    event: str
    cut_off: Timestamp
    lease_until: Timestamp
    """Until then, a missing training job means that the round is still being started."""


class RoundLock(Record):
    """The lock that admits one round at a time; free when ``holder`` is null."""

    kind: ClassVar[str] = "lock"
    ONLY_NAME: ClassVar[str] = "round"
    """The name of the one record of this kind."""
    name: str = ONLY_NAME
    holder: InFlightRound | None = Field(default=None, alias="flight")


class RequestOutcome(Record):
    """The outcome of an operator's request to promotion. Named by the request's id."""

    kind: ClassVar[str] = "request"
    action: Literal["promote", "pause", "resume"] | None = None
    """None for a request that makes no sense; ``error`` then says why."""
    outcome: Literal["done", "refused"]
    reason: str
    model: str | None = None
    error: str | None = None
    decided_at: Timestamp
    finished_at: Timestamp | None = None
    """When everything that was decided had been carried out; until then an attempt may still be repeated."""
    expires_at: int
    """Seconds since 1970; the table's time to live."""


class EventReceipt(Record):
    """When an event without a time of its own was first received. Named by the event's id."""

    kind: ClassVar[str] = "event"
    received_at: Timestamp = Field(alias="at")
    expires_at: int
    """When DynamoDB may delete the item, in seconds since 1970."""
