"""XGBoost: gradient boosted trees on histograms."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import xgboost

from . import holdout
from .threads import count_threads

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from .algorithms import Hyperparameters

FILE = "xgboost.ubj"
MAX_ROWS_FOR_DEPTH = 200_000
"""More rows do not change which depth is best, and take longer."""
NEGLIGIBLE_HOLDOUT = 0.05
"""Below this fraction of the rows, the holdout is not trained on afterwards: a second training takes as long again."""


class XGBoostModel:
    """A trained booster."""

    def __init__(self, booster: xgboost.Booster) -> None:
        self.booster = booster

    @property
    def objective(self) -> str:
        """XGBoost's name of the loss, which also determines how the trees' sum becomes a prediction."""
        return str(json.loads(self.booster.save_config())["learner"]["objective"]["name"])

    def predict(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """See ``algorithms.Model``."""
        return np.asarray(self.booster.inplace_predict(features), dtype=np.float64)

    def save(self, folder: Path) -> None:
        """See ``algorithms.Model``. XGBoost's binary JSON is small, stable between versions, and contains no code."""
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
) -> tuple[XGBoostModel, Hyperparameters]:
    """Select depth and number of rounds on the holdout, then train on all rows.

    The depth is selected with the newest ``MAX_ROWS_FOR_DEPTH`` rows before the holdout, the rounds with all of them,
    because more rows support more rounds. If the holdout is a negligible part of the rows, the model that was trained
    without it is the result.

    A target that is always positive is usually right-skewed, with effects that multiply. The gamma objective models
    that and still predicts the mean, which minimises squared error; a logarithm would predict the median.
    """
    first_held_out = holdout.find_split_index(len(target))
    objective = "reg:gamma" if target.min() > 0 else "reg:squarederror"
    parameters = _build_parameters(objective, len(target), eta=eta, min_child_weight=min_child_weight)

    # Quantile cuts are computed once, from all rows. They do not depend on the target, so the holdout stays unseen.
    all_rows = xgboost.QuantileDMatrix(features, target)

    def select(first: int, depths: tuple[int, ...]) -> tuple[int, int, xgboost.Booster]:
        """Select depth and rounds with the rows from ``first`` on."""
        train = xgboost.QuantileDMatrix(features[first:first_held_out], target[first:first_held_out], ref=all_rows)
        held_out = xgboost.QuantileDMatrix(features[first_held_out:], target[first_held_out:], ref=train)
        return _fit_with_early_stopping(
            parameters,
            train,
            held_out,
            depths=depths,
            max_rounds=num_round,
            early_stopping_rounds=early_stopping_rounds,
        )

    first = max(0, first_held_out - MAX_ROWS_FOR_DEPTH)
    depth, rounds, booster = select(first, max_depth)
    if first > 0:
        depth, rounds, booster = select(0, (depth,))
    if len(target) - first_held_out < NEGLIGIBLE_HOLDOUT * len(target):
        booster = booster[:rounds]
    else:
        booster = xgboost.train({**parameters, "max_depth": depth}, all_rows, rounds)
    return XGBoostModel(booster), {"max_depth": depth, "num_round": rounds}


def continue_fit(
    start: XGBoostModel,
    features: NDArray[np.float64],
    target: NDArray[np.float64],
    *,
    num_round: int,
    max_depth: tuple[int, ...],
    eta: float,
    early_stopping_rounds: int,
    min_child_weight: float,
) -> tuple[XGBoostModel, Hyperparameters]:
    """The trees of ``start``, followed by trees that learn its residuals on these rows.

    Depth and number of the new trees are selected on the holdout; ``num_round`` in the result counts the new trees.
    What changed is usually simpler than the whole relation, so a few thousand rows suffice. The start of a drift is
    known only to within a period of an alarm, so the older half of the rows may predate it: that half is left out if
    the error on the holdout is lower without it.
    """
    first_held_out = holdout.find_split_index(len(target))
    parameters = _build_parameters(start.objective, len(target), eta=eta, min_child_weight=min_child_weight)
    # Not a QuantileDMatrix: the trees of ``start`` predict wrongly from rows that were cut at other quantiles.
    held_out = xgboost.DMatrix(features[first_held_out:], target[first_held_out:])
    trials = []
    for first in (0, first_held_out // 2):
        first_used = max(first, first_held_out - MAX_ROWS_FOR_DEPTH)
        train = xgboost.DMatrix(features[first_used:first_held_out], target[first_used:first_held_out])
        depth, rounds, booster = _fit_with_early_stopping(
            parameters,
            train,
            held_out,
            depths=max_depth,
            max_rounds=num_round,
            early_stopping_rounds=early_stopping_rounds,
            start=start.booster,
        )
        trials.append((booster.best_score, first, depth, rounds))
    _, first, depth, rounds = min(trials)
    all_rows = xgboost.DMatrix(features[first:], target[first:])
    booster = xgboost.train({**parameters, "max_depth": depth}, all_rows, rounds, xgb_model=start.booster)
    return XGBoostModel(booster), {"max_depth": depth, "num_round": rounds}


def _fit_with_early_stopping(
    parameters: dict[str, object],
    train: xgboost.DMatrix,
    held_out: xgboost.DMatrix,
    *,
    depths: tuple[int, ...],
    max_rounds: int,
    early_stopping_rounds: int,
    start: xgboost.Booster | None = None,
) -> tuple[int, int, xgboost.Booster]:
    """The depth, the rounds after those of ``start``, and the booster with the lowest error on ``held_out``."""
    start_rounds = 0 if start is None else start.num_boosted_rounds()
    trials = []
    for depth in depths:
        booster = xgboost.train(
            {**parameters, "max_depth": depth},
            train,
            max_rounds,
            evals=[(held_out, "newest")],
            early_stopping_rounds=early_stopping_rounds,
            verbose_eval=False,
            xgb_model=start,
        )
        trials.append((booster.best_score, depth, booster.best_iteration + 1 - start_rounds, booster))
    _, depth, rounds, booster = min(trials, key=lambda trial: trial[:3])
    return depth, rounds, booster


def _build_parameters(objective: str, rows: int, *, eta: float, min_child_weight: float) -> dict[str, object]:
    return {
        "objective": objective,
        "eval_metric": "rmse",
        "tree_method": "hist",
        "eta": eta,
        "min_child_weight": min_child_weight,
        "nthread": count_threads(rows),
        "seed": 0,
    }


def load(folder: Path) -> XGBoostModel:
    """Read what ``save`` wrote."""
    return XGBoostModel(xgboost.Booster(model_file=folder / FILE))
