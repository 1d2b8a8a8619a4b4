"""How things stand: every model in its place, the last rounds and decisions, and the endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leaderboard.live_error import live_errors
from leaderboard.query import MAX_LIMIT
from leaderboard.ranking import rank
from rounds import Decision, Endpoint, Model, Round

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from mypy_boto3_cloudwatch import CloudWatchClient

    from leaderboard.live_error import LiveError
    from leaderboard.ranking import Entry
    from rounds import Store


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The table, the metrics, whose they are, which alarms watch over them, and what time it is."""

    store: Store
    cloudwatch: CloudWatchClient
    service: str
    endpoint: str
    alarms: Sequence[str]
    clock: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Standing:
    """``rounds`` are the last hundred, whatever was asked for; models and decisions are as many as were asked for."""

    endpoint: Endpoint | None
    models: Sequence[Entry]
    errors: Mapping[str, LiveError]
    """By model; only of models that are or were live."""
    rounds: Sequence[Round]
    decisions: Sequence[Decision]


def standing(around: Surroundings, *, limit: int) -> Standing:
    """Read what there is and rank it."""
    # The last rounds tell everything about their models, so the cost does not grow with history.
    rounds = around.store.newest(Round, limit=MAX_LIMIT)
    endpoint = around.store.get(Endpoint, around.endpoint)
    live = None if endpoint is None else endpoint.serving_model
    known = list(rounds)
    if live is not None and not any(one.submitted == live for one in rounds):
        # A champion that has outlived all those rounds.
        model = around.store.get(Model, live)
        origin = None if model is None else around.store.get(Round, model.round)
        known += [] if origin is None else [origin]
    coming = () if endpoint is None else (endpoint.desired_model, endpoint.deploying_model, endpoint.model_after_resume)
    ranking = rank(known, live=live, coming=coming)[:limit]
    live_since = {one.model: one.live_since for one in ranking if one.live_since is not None}
    return Standing(
        endpoint=endpoint,
        models=ranking,
        errors=live_errors(around.cloudwatch, live_since, service=around.service, now=around.clock()),
        rounds=rounds,
        decisions=around.store.newest(Decision, limit=limit),
    )
