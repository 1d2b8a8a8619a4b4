"""The reference: boosted trees tuned by hand for the simulated robots, without a limit on time.

It has a small learning rate, fine histograms, and as many rounds as the newest 50,000 rows of the training part allow
before overfitting. Depths from 5 to 8, learning rates from 0.03 to 0.2 and shares of features were tried on the
workshop's number of samples; these are the best. It is too slow for daily retraining.

``python -m benchmarks.baselines.reference_model CHANNEL_OF_SAMPLES CHANNEL_OF_DATASET`` prints JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import xgboost

from benchmarks.baselines.boosted_trees import read_table

BINS = 512
SETTINGS = {
    "objective": "reg:gamma",
    "eval_metric": "rmse",
    "tree_method": "hist",
    "max_depth": 6,
    "eta": 0.03,
    "min_child_weight": 10,
    "max_bin": BINS,
    "seed": 0,
}
MAX_ROUNDS, EARLY_STOPPING_ROUNDS = 2_000, 30
MAX_VALIDATION_ROWS = 50_000


def train_and_test(samples: Path, dataset: Path) -> dict[str, float]:
    """Train and test; return the number of boosting rounds and the RMSE in the target's unit."""
    spec = json.loads((dataset / "dataset.json").read_text())
    table = read_table(samples, spec)
    target = table.pop(spec["schema"]["target"]["name"]).to_numpy()
    features = table.drop(columns="recorded_at").to_numpy(np.float32)
    first_test = len(target) - round(len(target) * spec["test_fraction"])
    first_validation = first_test - min(MAX_VALIDATION_ROWS, first_test // 6)
    train = xgboost.QuantileDMatrix(features[:first_validation], target[:first_validation], max_bin=BINS)
    validation = xgboost.QuantileDMatrix(
        features[first_validation:first_test], target[first_validation:first_test], ref=train, max_bin=BINS
    )
    booster = xgboost.train(
        SETTINGS,
        train,
        MAX_ROUNDS,
        evals=[(validation, "newest")],
        early_stopping_rounds=EARLY_STOPPING_ROUNDS,
        verbose_eval=False,
    )
    rounds = booster.best_iteration + 1
    residuals = booster.inplace_predict(features[first_test:], iteration_range=(0, rounds)) - target[first_test:]
    return {"rounds": rounds, "rmse": float(np.sqrt(np.mean(residuals**2)))}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(train_and_test(Path(sys.argv[1]), Path(sys.argv[2]))) + "\n")
