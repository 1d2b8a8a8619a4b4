"""What SageMaker's model registry is told about a winner: a pure function."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promotion.job_results import Tournament
    from rounds import Round


def properties(round_: Round, tournament: Tournament, model: str) -> dict[str, str]:
    """The winner's metadata as short plain texts; errors in the target's unit."""
    winner = tournament.candidate(tournament.winner)
    values = {
        "model": model,
        "round": round_.name,
        "cause": round_.cause,
        "candidate": None if winner is None else winner.name,
        "algorithm": None if winner is None else winner.algorithm,
        "trained_on": None if winner is None else winner.trained_on,
        "test_rmse": None if winner is None else winner.rmse,
        "expected_error": None if winner is None else winner.expected_error,
        "baseline_rmse": tournament.baseline_rmse,
        "champion": round_.champion,
        "champion_rmse": None if tournament.champion is None else tournament.champion.rmse,
        "dataset_manifest": None if round_.dataset is None else round_.dataset.manifest,
        "dataset_train": tournament.dataset.train,
        "dataset_test": tournament.dataset.test,
        "schema_hash": tournament.schema_hash,
    }
    return {name: str(value) for name, value in values.items() if value is not None}
