"""The state of the leaderboard: every model in its rank, the last rounds and decisions, and the endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from leaderboard.live_error_metrics import get_live_errors
from leaderboard.query import MAX_LIMIT
from leaderboard.ranking import rank_models
from rounds import Decision, Endpoint, Model, Round

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from mypy_boto3_cloudwatch import CloudWatchClient

    from leaderboard.live_error_metrics import LiveError
    from leaderboard.ranking import RankedModel
    from rounds import Store


@dataclass(frozen=True, slots=True)
class LeaderboardContext:
    """The table's store, the CloudWatch client, and which service, endpoint and alarms to show."""

    store: Store
    cloudwatch: CloudWatchClient
    service: str
    endpoint: str
    alarms: Sequence[str]
    clock: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class LeaderboardState:
    """``rounds`` are the last hundred, whatever the limit was; models and decisions are limited."""

    endpoint: Endpoint | None
    models: Sequence[RankedModel]
    errors: Mapping[str, LiveError]
    """By model; only of models that are or were live."""
    rounds: Sequence[Round]
    decisions: Sequence[Decision]


def load_leaderboard_state(context: LeaderboardContext, *, limit: int) -> LeaderboardState:
    """Read the records and live errors, and rank the models. Errors of AWS pass through as ``ClientError``.

    The last rounds contain their models, so the cost does not grow with history.
    """
    rounds = context.store.newest(Round, limit=MAX_LIMIT)
    endpoint = context.store.get(Endpoint, context.endpoint)
    live_model = None if endpoint is None else endpoint.serving_model
    ranked_rounds = list(rounds)
    if live_model is not None and not any(round_.submitted == live_model for round_ in rounds):
        # The champion is older than all those rounds.
        model = context.store.get(Model, live_model)
        origin = None if model is None else context.store.get(Round, model.round)
        ranked_rounds += [] if origin is None else [origin]
    pending_models = (
        () if endpoint is None else (endpoint.desired_model, endpoint.deploying_model, endpoint.model_after_resume)
    )
    models = rank_models(ranked_rounds, live_model=live_model, pending_models=pending_models)[:limit]
    live_since = {model.model: model.live_since for model in models if model.live_since is not None}
    return LeaderboardState(
        endpoint=endpoint,
        models=models,
        errors=get_live_errors(context.cloudwatch, live_since, service=context.service, now=context.clock()),
        rounds=rounds,
        decisions=context.store.newest(Decision, limit=limit),
    )
