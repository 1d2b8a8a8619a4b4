"""What the loop remembers. A record is one item of the table, under (``kind``, ``name``).

Errors are root mean squares in the target's unit; lower is better. Times are aware, and stored as ISO 8601 in UTC.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from rounds.operator_requests import with_error_message

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

NAME_STAMP_FORMAT = "%Y%m%dT%H%M%SZ"
"""How a round's name and a model's name write their time: sorts as text, and is allowed in a SageMaker name."""


def format_iso(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and a ``Z``: fixed width, so that text sorts by time."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def format_name_stamp(moment: datetime) -> str:
    """The stamp in a name, e.g. ``20261123T063900Z``."""
    return moment.astimezone(UTC).strftime(NAME_STAMP_FORMAT)


Timestamp = Annotated[AwareDatetime, PlainSerializer(format_iso, return_type=str)]
Rmse = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
TrainedOn = Literal["all", "recent", "continued"]
"""All training rows alike, the recent ones alone, or the older ones first and then what is new in the recent ones."""
TriggerSource = Literal["alarm", "schedule", "manual"]
ENDPOINT_TRANSITIONS = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack"})
"""What SageMaker calls an endpoint that changes: it takes no other change until an event says that this is over."""


def _composed(name: object) -> object:
    return unicodedata.normalize("NFC", name) if isinstance(name, str) else name


Entrant = Annotated[
    str,
    BeforeValidator(_composed),  # the same name typed on two keyboards is one entrant
    Field(pattern=r"^[\p{L}\p{N}]([\p{L}\p{N} _.-]{0,38}[\p{L}\p{N}_.-])?$"),
    with_error_message(
        "1 to 40 letters, digits, spaces and _ . - in any script, a letter or digit first, no space last"
    ),
]
"""Whose hyperparameters a round plays with: 1 to 40 letters, digits, spaces and ``_ . -``, in any script.

Narrow enough to be a tag of a training job and harmless wherever it is shown; who shows it escapes it all the same.
"""


class RecordPart(BaseModel):
    """Something inside a record. Attributes that a newer version wrote are ignored."""

    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        protected_namespaces=(),
        # Stored names stay as they are; where the name in Python is another, the field's alias is the stored one.
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
    """An item. ``revision`` counts its changes, so that two writers never overwrite each other unseen."""

    kind: ClassVar[str]
    name: str
    revision: Count = 0


class Dataset(RecordPart):
    """A round's dataset: first what was listed, and when the job has read it, what was in it (in samples)."""

    manifest: str
    objects: Count
    stored_objects: Count | None = None
    """How many there were to choose from; more than ``objects`` if a job may not learn from all."""
    maximum_samples: Count | None = None
    """How many samples the job could use at most; ``thinned`` were left out for it."""
    bytes: Count
    cut_off: Timestamp
    """Objects that were stored later are not in it."""
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
    """One entry of a round. ``rmse`` is null if it failed, and ``error`` then says why."""

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
    """The model that was live, scored on the round's own test set."""

    model: str
    rmse: Rmse | None = None
    error: str | None = None


class Comparison(RecordPart):
    """The winner against the champion or the baseline, paired on the test set; the gain is in squared units."""

    against: Literal["champion", "baseline"]
    model: str | None = None
    mean_gain: Annotated[float, Field(allow_inf_nan=False)]
    standard_error: Rmse
    confidence: float
    significant: bool


class Round(Record):
    """A round: its cause, its one training job, and what came of it."""

    kind: ClassVar[str] = "round"
    cause: str
    trigger: TriggerSource
    event: str
    """The id of the event that started it."""
    alarm: str | None = None
    entrant: Entrant | None = None
    """Who entered it by hand, under which name; its candidates carry it."""
    started_at: Timestamp
    job: str
    status: Literal["started", "promoted", "kept", "failed"] = "started"
    reason: str | None = None
    recent_since: Timestamp | None = None
    champion: str | None = None
    """The model to beat: the one that answered, or was about to, when the round started."""
    dataset: Dataset | None = None
    candidates: tuple[Candidate, ...] = ()
    baseline_rmse: Rmse | None = None
    champion_rmse: Rmse | None = None
    comparison: Comparison | None = None
    winner: str | None = None
    promoted: str | None = None
    finished_at: Timestamp | None = None
    seconds: float | None = None
    """From the start of the round to the end of its job."""
    deployment: Literal["awaiting_approval", "rejected", "live", "rolled_back", "failed"] | None = None
    """What became of the model in ``submitted``: before a person, then behind the endpoint; null while a promoted one
    is on its way."""
    deployment_reason: str | None = None
    """Why it was rejected, rolled back or failed."""
    deployed_at: Timestamp | None = None

    @property
    def submitted(self) -> str | None:
        """The model that ``deployment`` is about; null if there is none.

        It is the promoted one, or else the winner, once an operator has had it deployed although the round kept what
        was live. It can be no other: archives of others are not kept.
        """
        if self.promoted is not None or self.deployment is None:
            return self.promoted
        return next((one.model for one in self.candidates if one.name == self.winner), None)


class Decision(Record):
    """An answer to a cause: start or refuse, why, and the facts it rests on. Named ``<time>#<event id>``."""

    kind: ClassVar[str] = "decision"
    cause: str
    trigger: TriggerSource
    outcome: Literal["start", "refuse"]
    reason: str
    round: str
    """The round that was, or would have been, started."""
    decided_at: Timestamp
    facts: dict[str, Any]
    expires_at: int | None = None
    """Seconds since 1970; the table's time to live."""


class Model(Record):
    """A trained model. Only a round's winner has an ``archive``."""

    kind: ClassVar[str] = "model"
    round: str
    candidate: str
    entrant: Entrant | None = None
    algorithm: str
    trained_on: TrainedOn
    test_rmse: Rmse | None = None
    test_set: str
    """The round whose test set gave ``test_rmse``: its own, or the newest in which it stood as the champion."""
    expected_error: Rmse | None = None
    archive: str | None = None
    status: Literal[
        "candidate", "awaiting_approval", "rejected", "deploying", "live", "retired", "rolled_back", "failed"
    ] = "candidate"
    reason: str | None = None
    package: str | None = None
    """Its ARN in SageMaker's model registry; a winner has one."""
    promoted_by: Literal["round", "operator"] = "round"
    """Who last wanted it behind the endpoint."""
    created_at: Timestamp
    live_since: Timestamp | None = None
    retired_at: Timestamp | None = None


class Endpoint(Record):
    """The endpoint as last seen: ``model`` answers now, ``wanted`` shall answer next (null: nothing waits)."""

    kind: ClassVar[str] = "endpoint"
    serving_model: str | None = Field(default=None, alias="model")
    desired_model: str | None = Field(default=None, alias="wanted")
    deploying_model: str | None = Field(default=None, alias="deploying")
    """The model that SageMaker was asked to deploy, until it says what became of it."""
    deploying_since: Timestamp | None = None
    """When the endpoint had last changed before that; what it says of an earlier time is not about that model."""
    pause: Literal["paused", "resuming"] | None = None
    """Whether an operator took the endpoint down on purpose, and whether it is on its way back."""
    model_after_resume: str | None = Field(default=None, alias="resumes")
    """While it is paused: the model that answers again after that."""
    status: str = "Absent"
    reason: str | None = None
    updated_at: Timestamp

    @property
    def next_model(self) -> str | None:
        """The model that answers once all that is under way has ended well, a pause too; null if none does.

        It is the one to beat: whoever only looks at ``model`` overrides what was asked for a moment ago.
        """
        # Only the end of a change brings in who is wanted. Without one SageMaker has refused it (a quota, for
        # instance), and a model that never comes must not keep others out.
        changes = self.deploying_model is not None or self.status in ENDPOINT_TRANSITIONS
        under_way = (self.desired_model or self.deploying_model) if changes else None
        if self.pause == "paused":  # who is wanted meanwhile is noted in ``resumes``
            return self.model_after_resume or under_way or self.serving_model
        if self.pause == "resuming":  # who is wanted meanwhile comes after the one that resumes
            return under_way or self.model_after_resume or self.serving_model
        return under_way or self.serving_model


class InFlightRound(RecordPart):
    """A round in flight. ``cut_off`` fixes the dataset of every attempt at starting it."""

    round: str
    job: str
    event: str
    cut_off: Timestamp
    lease_until: Timestamp
    """Until then a missing job means that it is still being started."""


class RoundLock(Record):
    """There is one, and it admits one round at a time. Free when ``holder`` is null."""

    kind: ClassVar[str] = "lock"
    name: str = "round"
    holder: InFlightRound | None = Field(default=None, alias="flight")


class Turn(Record):
    """Who may bring the endpoint and its record together now; nobody if ``holder`` is null. Named by the endpoint."""

    kind: ClassVar[str] = "turn"
    holder: str | None = None
    """The request that is being answered; each of its attempts has the same id."""
    until: Timestamp | None = None
    """When its attempt is over, however it ends."""


class EventReceipt(Record):
    """When an event was first seen that carries no time of its own. Named by the event's id."""

    kind: ClassVar[str] = "event"
    received_at: Timestamp = Field(alias="at")
    expires_at: int
