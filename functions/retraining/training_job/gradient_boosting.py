"""XGBoost: boosted trees on histograms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xgboost

import holdout
from parallelism import threads

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from candidates import Hyperparameters

FILE = "xgboost.ubj"


class BoostedTrees:
    """A model of shape: sum of trees."""

    def __init__(self, booster: xgboost.Booster) -> None:
        self._booster = booster

    def predict(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """See ``candidates.Model``."""
        return np.asarray(self._booster.inplace_predict(features), dtype=np.float64)

    def save(self, folder: Path) -> None:
        """See ``candidates.Model``. XGBoost's own format, binary JSON: small, stable between versions, no code."""
        self._booster.save_model(folder / FILE)


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

    What is always positive is mostly skewed to the right, and what makes it large multiplies. The gamma objective says
    just that and still predicts the mean, which is what squared error asks for; a logarithm would predict the median.
    """
    older = holdout.newest(len(target))
    parameters = {
        "objective": "reg:gamma" if target.min() > 0 else "reg:squarederror",
        "eval_metric": "rmse",
        "tree_method": "hist",
        "eta": eta,
        "min_child_weight": min_child_weight,
        "nthread": threads(len(target)),
        "seed": 0,
    }
    learn = xgboost.QuantileDMatrix(features[:older], target[:older])
    judge = xgboost.QuantileDMatrix(features[older:], target[older:], ref=learn)
    best = (np.inf, max_depth[0], 1)
    for depth in max_depth:
        booster = xgboost.train(
            {**parameters, "max_depth": depth},
            learn,
            num_round,
            evals=[(judge, "newest")],
            early_stopping_rounds=early_stopping_rounds,
            verbose_eval=False,
        )
        best = min(best, (booster.best_score, depth, booster.best_iteration + 1))
    _, depth, rounds = best
    booster = xgboost.train({**parameters, "max_depth": depth}, xgboost.QuantileDMatrix(features, target), rounds)
    return BoostedTrees(booster), {"max_depth": depth, "num_round": rounds}


def load(folder: Path) -> BoostedTrees:
    """Read back what ``save`` wrote."""
    return BoostedTrees(xgboost.Booster(model_file=folder / FILE))
