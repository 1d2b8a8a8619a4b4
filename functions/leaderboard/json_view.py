"""The leaderboard as data that can be written as JSON. Its names are the API's: clients depend on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leaderboard.formatting import describe_decision, describe_round
from rounds import format_iso

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leaderboard.leaderboard_state import LeaderboardState
    from leaderboard.live_error_metrics import LiveError
    from leaderboard.ranking import RankedModel
    from rounds import Decision, Round


def build_leaderboard_json(state: LeaderboardState, *, limit: int) -> dict[str, Any]:
    """Return the endpoint, and at most ``limit`` models, rounds and decisions.

    Errors are in the target's unit; numbers that are not known are null.
    """
    endpoint = state.endpoint
    return {
        "endpoint": None
        if endpoint is None
        else {
            "name": endpoint.name,
            "model": endpoint.serving_model,
            "wanted": endpoint.desired_model,
            "status": endpoint.status,
            "pause": endpoint.pause,
            "resumes": endpoint.model_after_resume,
        },
        "leaderboard": [_build_model(model, state.errors) for model in state.models[:limit]],
        "rounds": [
            _build_record(round_, "round", describe_round(round_)) | {"submitted": round_.submitted}
            for round_ in state.rounds[:limit]
        ],
        "decisions": [
            _build_record(decision, "decision", describe_decision(decision)) for decision in state.decisions[:limit]
        ],
    }


def _build_model(model: RankedModel, errors: Mapping[str, LiveError]) -> dict[str, Any]:
    live_error = errors.get(model.model)
    return {
        "rank": model.rank,
        "model": model.model,
        "live": model.is_live,
        "status": model.status,
        "algorithm": model.algorithm,
        "candidate": model.candidate,
        "entrant": model.entrant,
        "trained_on": model.trained_on,
        "round": model.round,
        "dataset": None if model.dataset is None else model.dataset.model_dump(mode="json"),
        "test_set": model.test_set,
        "test_rmse": model.test_rmse,
        "baseline_rmse": model.baseline_rmse,
        "expected_error": model.expected_error,
        "live_error": None if live_error is None else live_error.rmse,
        "live_samples": 0 if live_error is None else live_error.samples,
        "live_since": None if model.live_since is None else format_iso(model.live_since),
        "error": model.error,
    }


def _build_record(record: Round | Decision, kind: str, sentence: str) -> dict[str, Any]:
    """Return a record with its name under ``kind`` and its reason as a sentence, without attributes of its storage."""
    attributes = record.model_dump(mode="json", exclude={"name", "revision", "expires_at"})
    return {kind: record.name, **attributes, "sentence": sentence}
