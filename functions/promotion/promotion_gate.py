"""Whether a round's winner goes live: a pure function.

A winner needs a significant gain over the champion on the same test set; without a champion, or if the champion could
not be scored, over the baseline. Whatever is missing, unclear or not a number keeps what is live.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import TypeAdapter, ValidationError

from feature_schema import ExpectedError

if TYPE_CHECKING:
    from promotion.job_results import Tournament, TournamentComparison

Reason = Literal[
    "beats_champion",
    "beats_baseline",
    "no_winner",
    "not_finite",
    "not_promisable",
    "not_compared",
    "not_better",
    "not_significant",
    "champion_changed",
    "schema_changed",
]

_PROMISE: TypeAdapter[float] = TypeAdapter(ExpectedError)


@dataclass(frozen=True, slots=True)
class PromotionDecision:
    """``promoted`` is the winner's model, or None if the live model stays; ``reason`` says why, either way."""

    promoted: str | None
    reason: Reason


def decide_promotion(
    tournament: Tournament, *, champion: str | None, will_answer: str | None, schema_hash: str
) -> PromotionDecision:
    """``champion`` was to be beaten when the round started; ``will_answer`` is the model that answers if this one does
    not (see ``Endpoint``); ``schema_hash`` is the functions' own schema.
    """
    winner = tournament.candidate(tournament.winner)
    if winner is None:
        return PromotionDecision(None, "no_winner")
    scored = tournament.champion is not None and tournament.champion.rmse is not None
    rival = tournament.champion.rmse if tournament.champion is not None and scored else tournament.baseline_rmse
    comparison = tournament.comparison
    problem: Reason | None = None
    if tournament.schema_hash != schema_hash:
        problem = "schema_changed"
    elif will_answer is not None and will_answer not in {champion, winner.model}:
        # Another model was deployed or requested meanwhile, and the winner was not compared with it. (The winner
        # itself: a repeated event.)
        problem = "champion_changed"
    elif comparison is None or not _compared(tournament, comparison, champion):
        problem = "not_compared"
    elif not _finite(winner.rmse, rival, comparison.mean_gain, comparison.standard_error):
        problem = "not_finite"
    elif not is_promisable(winner.expected_error):
        problem = "not_promisable"
    elif not _better(winner.rmse, rival, comparison):
        problem = "not_better"
    elif not comparison.significant:
        problem = "not_significant"
    if problem is not None:
        return PromotionDecision(None, problem)
    return PromotionDecision(winner.model, "beats_champion" if scored else "beats_baseline")


def is_promisable(expected_error: float | None) -> bool:
    """Whether predictions may carry this ``expected_error``, in the target's unit.

    The contract of a prediction decides. Inference treats a model that promises anything else (such as 0) as broken and
    answers with the baseline, for a reason that no alarm retrains for.
    """
    try:
        _PROMISE.validate_python(expected_error)
    except ValidationError:
        return False
    return True


def _compared(tournament: Tournament, comparison: TournamentComparison, champion: str | None) -> bool:
    """Whether the winner was compared with the rival that it has to beat."""
    rival = tournament.champion
    if champion is not None and (rival is None or rival.model != champion):
        return False
    return comparison.against == ("champion" if rival is not None and rival.rmse is not None else "baseline")


def _finite(rmse: float | None, rival: float | None, gain: float, standard_error: float) -> bool:
    errors = all(error is not None and math.isfinite(error) and error >= 0 for error in (rmse, rival))
    return errors and math.isfinite(gain) and math.isfinite(standard_error)


def _better(rmse: float | None, rival: float | None, comparison: TournamentComparison) -> bool:
    return rmse is not None and rival is not None and rmse < rival and comparison.mean_gain > 0
