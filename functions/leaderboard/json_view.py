"""The leaderboard as JSON-ready data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leaderboard import formatting
from rounds import format_iso

if TYPE_CHECKING:
    from collections.abc import Mapping

    from leaderboard.leaderboard_state import Standing
    from leaderboard.live_error import LiveError
    from leaderboard.ranking import Entry
    from rounds import Decision, Round


def board(now: Standing, *, limit: int) -> dict[str, Any]:
    """Everything at most ``limit`` long. Errors are in the target's unit; absent numbers are null."""
    endpoint = now.endpoint
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
        "leaderboard": [_model(one, now.errors) for one in now.models[:limit]],
        "rounds": [
            _named(one, "round", formatting.ended(one)) | {"submitted": one.submitted} for one in now.rounds[:limit]
        ],
        "decisions": [_named(one, "decision", formatting.decided(one)) for one in now.decisions[:limit]],
    }


def _model(one: Entry, errors: Mapping[str, LiveError]) -> dict[str, Any]:
    error = errors.get(one.model)
    return {
        "rank": one.rank,
        "model": one.model,
        "live": one.live,
        "status": one.status,
        "algorithm": one.algorithm,
        "candidate": one.candidate,
        "entrant": one.entrant,
        "trained_on": one.trained_on,
        "round": one.round,
        "dataset": None if one.dataset is None else one.dataset.model_dump(mode="json"),
        "test_set": one.test_set,
        "test_rmse": one.test_rmse,
        "baseline_rmse": one.baseline_rmse,
        "expected_error": one.expected_error,
        "live_error": None if error is None else error.rmse,
        "live_samples": 0 if error is None else error.samples,
        "live_since": None if one.live_since is None else format_iso(one.live_since),
        "error": one.error,
    }


def _named(record: Round | Decision, kind: str, sentence: str) -> dict[str, Any]:
    """A record under the name of what it is, with its reason as the page words it; how it is stored is nobody's
    business.
    """
    plain = record.model_dump(mode="json", exclude={"name", "revision", "expires_at"})
    return {kind: record.name, **plain, "sentence": sentence}
