"""The reference: boosted trees that were tuned by hand for the robots' first world, with all the time they want.

Small steps, finer cuts, and as many rounds as the newest 50,000 rows of the training part bear: of the depths 5 to 8,
steps from 0.03 to 0.2 and shares of features that were tried on the workshop's amount of samples, the best. Nobody
would retrain with it every day.

``python -m benchmarks.baselines.reference_model CHANNEL_OF_SAMPLES CHANNEL_OF_DATASET`` prints JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import xgboost

from benchmarks.baselines.boosted_trees import read

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
ROUNDS, PATIENCE = 2_000, 30
JUDGES = 50_000


def run(samples: Path, dataset: Path) -> dict[str, float]:
    """Train and test; the answer has the rounds and the error (root mean square, in the target's unit)."""
    told = json.loads((dataset / "dataset.json").read_text())
    table = read(samples, told)
    target = table.pop(told["schema"]["target"]["name"]).to_numpy()
    features = table.drop(columns="recorded_at").to_numpy(np.float32)
    first_test = len(target) - round(len(target) * told["test_fraction"])
    older = first_test - min(JUDGES, first_test // 6)
    learn = xgboost.QuantileDMatrix(features[:older], target[:older], max_bin=BINS)
    judge = xgboost.QuantileDMatrix(features[older:first_test], target[older:first_test], ref=learn, max_bin=BINS)
    booster = xgboost.train(
        SETTINGS, learn, ROUNDS, evals=[(judge, "newest")], early_stopping_rounds=PATIENCE, verbose_eval=False
    )
    rounds = booster.best_iteration + 1
    missed = booster.inplace_predict(features[first_test:], iteration_range=(0, rounds)) - target[first_test:]
    return {"rounds": rounds, "rmse": float(np.sqrt(np.mean(missed**2)))}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(Path(sys.argv[1]), Path(sys.argv[2]))) + "\n")
