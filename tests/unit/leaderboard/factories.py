"""Rounds for tests of the leaderboard."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rounds import Round
from tests.unit.fake_aws import NOW

FIRST = "20261123T051100Z-no-model"
SECOND = "20261123T063900Z-model-error"
OLD = "xgboost-20261123T051100Z"
NEW = "xgboost-recent-20261123T063900Z"


def make_round(name: str, errors: dict[str, float | None], **changes: Any) -> Round:
    """A finished round with these test errors by candidate; None for a candidate whose training failed."""
    attributes = {
        "name": name,
        "cause": name[17:],
        "trigger": "alarm",
        "event": "e",
        "started_at": NOW - timedelta(hours=1),
        "job": f"dwell-{name}",
        "status": "kept",
        "dataset": {
            "manifest": "m",
            "objects": 1,
            "bytes": 1,
            "cut_off": NOW,
            "schema_hash": "h",
            "train": 60,
            "test": 20,
        },
        "baseline_rmse": 5_000.0,
        "candidates": [
            {
                "name": candidate,
                "algorithm": candidate.removesuffix("-recent"),
                "trained_on": "recent" if candidate.endswith("-recent") else "all",
                "model": f"{candidate}-{name[:16]}",
                "rmse": error,
                "expected_error": error,
                "error": None if error is not None else "Boom",
            }
            for candidate, error in errors.items()
        ],
    }
    return Round.model_validate({**attributes, **changes})


TWO_ROUNDS = [
    make_round(
        FIRST,
        {"linear": 2_500.0, "xgboost": 1_830.0, "k-nearest-neighbours": 2_100.0},
        status="promoted",
        promoted=OLD,
        deployment="live",
        deployed_at=NOW - timedelta(hours=2),
    ),
    make_round(
        SECOND,
        {"xgboost-recent": 1_900.0, "xgboost": 2_300.0, "linear": None},
        status="promoted",
        champion=OLD,
        champion_rmse=4_100.0,
        promoted=NEW,
        deployment="live",
        deployed_at=NOW - timedelta(minutes=20),
    ),
]
"""Two rounds with a drift between them."""
