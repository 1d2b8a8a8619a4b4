"""XGBoost: boosted trees on histograms."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import xgboost

from . import holdout
from .threads import thread_count

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from .algorithms import Hyperparameters

FILE = "xgboost.ubj"
ROWS_TO_CHOOSE_DEPTH = 200_000
"""More rows do not change which depth is best, only how long it takes to find out."""
NEGLIGIBLE = 0.05
"""A share of the rows, the newest, that has judged and need not be learnt from: learning anew takes as long again."""


class BoostedTrees:
    """A model of shape: sum of trees."""

    def __init__(self, booster: xgboost.Booster) -> None:
        self.booster = booster

    @property
    def objective(self) -> str:
        """XGBoost's name of what was minimised; it also says how a sum of trees becomes an answer."""
        return str(json.loads(self.booster.save_config())["learner"]["objective"]["name"])

    def predict(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """See ``candidates.Model``."""
        return np.asarray(self.booster.inplace_predict(features), dtype=np.float64)

    def save(self, folder: Path) -> None:
        """See ``candidates.Model``. XGBoost's own format, binary JSON: small, stable between versions, no code."""
        self.booster.save_model(folder / FILE)


def fit(
    features: NDArray[np.float64],
    target: NDArray[np.float64],
    *,
    num_round: int,
    max_depth: tuple[int, ...],
    eta: float,
    early_stopping_rounds: int,
    min_child_weight: float,
) -> tuple[BoostedTrees, Hyperparameters]:
    """Choose depth and rounds on the newest part of the rows, then learn from all of them.

    The depth is chosen with at most ``ROWS_TO_CHOOSE_DEPTH`` of the older rows, the newest; the rounds with all, as
    more rows bear more of them. Of so many rows that the newest part is negligible, the model with those rounds is
    the answer.

    What is always positive is mostly skewed to the right, and what makes it large multiplies. The gamma objective says
    just that and still predicts the mean, which is what squared error asks for; a logarithm would predict the median.
    """
    older = holdout.newest(len(target))
    objective = "reg:gamma" if target.min() > 0 else "reg:squarederror"
    parameters = _parameters(objective, len(target), eta=eta, min_child_weight=min_child_weight)

    # The quantile cuts of all rows are made once. They know no target, so the newest part stays unseen.
    everything = xgboost.QuantileDMatrix(features, target)

    def chosen(first: int, depths: tuple[int, ...]) -> tuple[int, int, xgboost.Booster]:
        """What learns best from row ``first`` on."""
        learn = xgboost.QuantileDMatrix(features[first:older], target[first:older], ref=everything)
        judge = xgboost.QuantileDMatrix(features[older:], target[older:], ref=learn)
        return _stopped_early(parameters, learn, judge, depths=depths, most=num_round, patience=early_stopping_rounds)

    first = max(0, older - ROWS_TO_CHOOSE_DEPTH)
    depth, rounds, booster = chosen(first, max_depth)
    if first > 0:
        depth, rounds, booster = chosen(0, (depth,))
    if len(target) - older < NEGLIGIBLE * len(target):
        booster = booster[:rounds]
    else:
        booster = xgboost.train({**parameters, "max_depth": depth}, everything, rounds)
    return BoostedTrees(booster), {"max_depth": depth, "num_round": rounds}


def continue_fit(
    start: BoostedTrees,
    features: NDArray[np.float64],
    target: NDArray[np.float64],
    *,
    num_round: int,
    max_depth: tuple[int, ...],
    eta: float,
    early_stopping_rounds: int,
    min_child_weight: float,
) -> tuple[BoostedTrees, Hyperparameters]:
    """The trees of ``start``, and after them trees that learn from these rows what it misses on them.

    Depth and rounds of the latter are chosen on the newest part of the rows; ``num_round`` in the answer counts them.
    What changed is mostly simpler than the world itself, so that some thousand rows teach it. When it changed is known
    to within a period of an alarm, so the older half of the rows may still tell of the old world: it is left out if
    that does better.
    """
    older = holdout.newest(len(target))
    parameters = _parameters(start.objective, len(target), eta=eta, min_child_weight=min_child_weight)
    # Quantile cuts of these rows alone would answer wrong for trees that were cut elsewhere: no QuantileDMatrix here.
    judge = xgboost.DMatrix(features[older:], target[older:])
    tried = []
    for first in (0, older // 2):
        begin = max(first, older - ROWS_TO_CHOOSE_DEPTH)
        learn = xgboost.DMatrix(features[begin:older], target[begin:older])
        depth, rounds, booster = _stopped_early(
            parameters, learn, judge,
            depths=max_depth, most=num_round, patience=early_stopping_rounds, start=start.booster,
        )  # fmt: skip
        tried.append((booster.best_score, first, depth, rounds))
    _, first, depth, rounds = min(tried)
    everything = xgboost.DMatrix(features[first:], target[first:])
    booster = xgboost.train({**parameters, "max_depth": depth}, everything, rounds, xgb_model=start.booster)
    return BoostedTrees(booster), {"max_depth": depth, "num_round": rounds}


def _stopped_early(
    parameters: dict[str, object],
    learn: xgboost.DMatrix,
    judge: xgboost.DMatrix,
    *,
    depths: tuple[int, ...],
    most: int,
    patience: int,
    start: xgboost.Booster | None = None,
) -> tuple[int, int, xgboost.Booster]:
    """Depth, rounds after those of ``start``, and model with the lowest error on ``judge``; at most ``most`` rounds."""
    learnt = 0 if start is None else start.num_boosted_rounds()
    tried = []
    for depth in depths:
        booster = xgboost.train(
            {**parameters, "max_depth": depth},
            learn,
            most,
            evals=[(judge, "newest")],
            early_stopping_rounds=patience,
            verbose_eval=False,
            xgb_model=start,
        )
        tried.append((booster.best_score, depth, booster.best_iteration + 1 - learnt, booster))
    _, depth, rounds, booster = min(tried, key=lambda one: one[:3])
    return depth, rounds, booster


def _parameters(objective: str, rows: int, *, eta: float, min_child_weight: float) -> dict[str, object]:
    return {
        "objective": objective,
        "eval_metric": "rmse",
        "tree_method": "hist",
        "eta": eta,
        "min_child_weight": min_child_weight,
        "nthread": thread_count(rows),
        "seed": 0,
    }


def load(folder: Path) -> BoostedTrees:
    """Read back what ``save`` wrote."""
    return BoostedTrees(xgboost.Booster(model_file=folder / FILE))
