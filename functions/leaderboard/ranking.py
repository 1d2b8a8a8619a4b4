"""The ranking of models: a pure function of rounds.

Errors of different test sets do not compare: after a drift the same model has a larger error, and an older, easier test
set would put outdated models first. So the models scored on the newest test set come first, lowest error first; the
champion is among them, because every round scores it again. Then come those whose newest test set is the one before,
and so on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from rounds import Candidate, Dataset, Round

Status = Literal["candidate", "awaiting_approval", "rejected", "deploying", "live", "retired", "rolled_back", "failed"]


@dataclass(frozen=True, slots=True)
class RankedModel:
    """A model with its error on the newest test set that it was scored on, which is that of the round ``test_set``.

    Errors are root mean squared errors in the target's unit.
    """

    model: str
    candidate: str
    entrant: str | None
    """The person who entered its hyperparameters; null if the loop chose them."""
    algorithm: str
    trained_on: str
    round: str
    dataset: Dataset | None
    test_set: str
    test_rmse: float | None
    baseline_rmse: float | None
    """The baseline's error on the same test set."""
    expected_error: float | None
    status: Status
    error: str | None
    live_since: datetime | None
    rank: int | None = None
    """Counted from 1; null for a model without a test error."""

    @property
    def is_live(self) -> bool:
        """Whether the model serves now."""
        return self.status == "live"


def rank_models(
    rounds: Sequence[Round], *, live_model: str | None, pending_models: Collection[str | None] = ()
) -> list[RankedModel]:
    """Rank the models of the rounds (in any order), best first.

    ``live_model`` serves now; ``pending_models`` are being deployed, or wait for their deployment.
    """
    finished = sorted((round_ for round_ in rounds if round_.status in {"promoted", "kept"}), key=_get_name)
    models: dict[str, RankedModel] = {}
    for round_ in finished:
        for candidate in round_.candidates:
            if candidate.model is not None:
                models[candidate.model] = _build_model(candidate, candidate.model, round_, live_model, pending_models)
        if round_.champion in models and round_.champion_rmse is not None:
            models[round_.champion] = replace(
                models[round_.champion],
                test_set=round_.name,
                test_rmse=round_.champion_rmse,
                baseline_rmse=round_.baseline_rmse,
            )
    ordered = sorted(models.values(), key=_by_error)
    ordered.sort(key=_get_test_set, reverse=True)  # a stable sort: within a test set the errors stay in order
    rank = 0
    ranked = []
    for model in ordered:
        if model.test_rmse is not None:
            rank += 1
        ranked.append(replace(model, rank=None if model.test_rmse is None else rank))
    return ranked


def _get_name(round_: Round) -> str:
    return round_.name


def _by_error(model: RankedModel) -> tuple[bool, float, str]:
    return model.test_rmse is None, model.test_rmse or 0.0, model.model


def _get_test_set(model: RankedModel) -> str:
    return model.test_set


def _build_model(
    candidate: Candidate, model: str, round_: Round, live_model: str | None, pending_models: Collection[str | None]
) -> RankedModel:
    is_submitted = round_.submitted == model
    is_live = model == live_model
    return RankedModel(
        model=model,
        candidate=candidate.name,
        entrant=round_.entrant,
        algorithm=candidate.algorithm,
        trained_on=candidate.trained_on,
        round=round_.name,
        dataset=round_.dataset,
        test_set=round_.name,
        test_rmse=candidate.rmse,
        baseline_rmse=round_.baseline_rmse,
        expected_error=candidate.expected_error,
        status=_get_status(
            round_, candidate, is_submitted=is_submitted, is_live=is_live, is_pending=model in pending_models
        ),
        error=round_.deployment_reason if is_submitted and not is_live else candidate.error,
        live_since=round_.deployed_at if is_submitted and round_.deployment == "live" else None,
    )


def _get_status(round_: Round, candidate: Candidate, *, is_submitted: bool, is_live: bool, is_pending: bool) -> Status:
    if is_live:
        return "live"
    if candidate.rmse is None:
        return "failed"
    if not is_submitted:
        return "candidate"
    if round_.deployment is None:
        # A winner that waited for the endpoint is a candidate again once an operator requests another model.
        return "deploying" if is_pending else "candidate"
    return "retired" if round_.deployment == "live" else round_.deployment
