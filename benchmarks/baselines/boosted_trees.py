"""What somebody would write who wants one model and no tournament: XGBoost with 100 trees of depth 6.

It reads the same objects as the training job, splits them by time the same way, learns from the older part and tells
the error on the newer. It looks for no copies of a sample, chooses no hyperparameter and writes no model.

``python -m benchmarks.baselines.boosted_trees CHANNEL_OF_SAMPLES CHANNEL_OF_DATASET`` prints JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xgboost

ROUNDS, DEPTH = 100, 6


def read(samples: Path, told: dict[str, Any]) -> pd.DataFrame:
    """All rows in order of time: target, features and ``recorded_at``."""
    schema = told["schema"]
    columns = [schema["target"]["name"], *(feature["name"] for feature in schema["features"]), "recorded_at"]
    tables = [pd.read_csv(path, header=None, names=schema["row"], usecols=columns) for path in samples.rglob("*.gz")]
    return pd.concat(tables).sort_values("recorded_at", kind="stable", ignore_index=True)


def run(samples: Path, dataset: Path) -> dict[str, float]:
    """Train and test; the answer has the rows of both parts and the error (root mean square, in the target's unit)."""
    told = json.loads((dataset / "dataset.json").read_text())
    table = read(samples, told)
    target, features = told["schema"]["target"]["name"], [one["name"] for one in told["schema"]["features"]]
    first_test = len(table) - round(len(table) * told["test_fraction"])
    train, test = table[:first_test], table[first_test:]
    booster = xgboost.train(
        {"max_depth": DEPTH, "tree_method": "hist"}, xgboost.DMatrix(train[features], train[target]), ROUNDS
    )
    missed = booster.predict(xgboost.DMatrix(test[features])) - test[target].to_numpy()
    return {"train": len(train), "test": len(test), "rmse": float(np.sqrt(np.mean(missed**2)))}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(Path(sys.argv[1]), Path(sys.argv[2]))) + "\n")
