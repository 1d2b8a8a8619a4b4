"""Actions collected in order, with the records and the endpoint as they will be once these are carried out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from promotion.actions import Create, CreateEndpoint, DeleteEndpoint, Update, UpdateEndpoint
from promotion.observation import EndpointState
from rounds import Endpoint, Model, Round, RoundLock

if TYPE_CHECKING:
    from promotion.actions import Action
    from promotion.observation import Observation
    from promotion.settings import Settings
    from rounds import Record


class Plan:
    """Starts from an observation; later decisions of the same event see what earlier ones planned."""

    def __init__(self, observation: Observation, settings: Settings) -> None:
        self.observation = observation
        self.settings = settings
        self.actions: list[Action] = []
        self.state = observation.state
        self.is_settled = False
        """Whether SageMaker is done with what was asked of the endpoint, so that it accepts the next change."""
        self._records: dict[tuple[type[Record], str], Record] = {
            (type(record), record.name): record
            for record in (
                observation.endpoint,
                observation.lock,
                observation.request,
                *observation.models.values(),
                *observation.rounds.values(),
            )
            if record is not None
        }
        if observation.endpoint is None:
            self.create(Endpoint(name=settings.endpoint, updated_at=observation.observed_at))

    def get[R: Record](self, kind: type[R], name: str) -> R | None:
        """A record as it will be, or None if there is none."""
        record = self._records.get((kind, name))
        return record if isinstance(record, kind) else None

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint's record."""
        record = self.get(Endpoint, self.settings.endpoint)
        if record is None:
            raise LookupError(f"the endpoint's record {self.settings.endpoint} is neither observed nor created")
        return record

    def model(self, name: str | None) -> Model | None:
        """The record of a model."""
        return None if name is None else self.get(Model, name)

    def round(self, name: str) -> Round | None:
        """The record of a round."""
        return self.get(Round, name)

    @property
    def lock(self) -> RoundLock | None:
        """The lock that admits one round at a time."""
        return self.get(RoundLock, "round")

    def create(self, record: Record, *, position: int | None = None) -> None:
        """Plan a new record, after all other actions or at a position among them."""
        self._records[type(record), record.name] = record
        self.actions.insert(len(self.actions) if position is None else position, Create(record))

    def update(self, kind: type[Record], name: str, **changes: Any) -> None:
        """Plan changes of a record; nothing is planned where there is no record or no change."""
        record = self._records.get((kind, name))
        if record is None:
            return
        changed = record.model_copy(update=changes)
        if changed != record:
            self._records[kind, name] = changed
            self.actions.append(Update(kind, name, changes))

    def update_endpoint(self, **changes: Any) -> None:
        """Plan changes of the endpoint's record."""
        self.update(Endpoint, self.settings.endpoint, **changes)

    def do(self, action: Action) -> None:
        """Plan an action outside the table; a change of the endpoint is under way from then on."""
        self.actions.append(action)
        match action:
            case CreateEndpoint(configuration):
                changed_at = self.observation.observed_at
                self.state = EndpointState("Creating", configuration, changed_at, pending=configuration)
            case UpdateEndpoint(configuration) if self.state is not None:
                self.state = replace(self.state, status="Updating", pending=configuration)
            case DeleteEndpoint() if self.state is not None:
                self.state = replace(self.state, status="Deleting", pending=None)
            case _:
                return
        self.is_settled = False
