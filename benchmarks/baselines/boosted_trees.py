"""One model without a tournament: XGBoost with 100 trees of depth 6.

It reads the same objects as the training job, splits them by time in the same way, trains on the older part and reports
the error on the newer. It does not remove duplicates, tune hyperparameters or write a model.

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


def read_table(samples: Path, spec: dict[str, Any]) -> pd.DataFrame:
    """Return all rows by time, with the columns target, features and ``recorded_at``."""
    schema = spec["schema"]
    columns = [schema["target"]["name"], *(feature["name"] for feature in schema["features"]), "recorded_at"]
    tables = [pd.read_csv(path, header=None, names=schema["row"], usecols=columns) for path in samples.rglob("*.gz")]
    return pd.concat(tables).sort_values("recorded_at", kind="stable", ignore_index=True)


def train_and_test(samples: Path, dataset: Path) -> dict[str, float]:
    """Train and test; return the numbers of rows and the RMSE in the target's unit."""
    spec = json.loads((dataset / "dataset.json").read_text())
    table = read_table(samples, spec)
    target, features = spec["schema"]["target"]["name"], [feature["name"] for feature in spec["schema"]["features"]]
    first_test = len(table) - round(len(table) * spec["test_fraction"])
    train, test = table[:first_test], table[first_test:]
    booster = xgboost.train(
        {"max_depth": DEPTH, "tree_method": "hist"}, xgboost.DMatrix(train[features], train[target]), ROUNDS
    )
    residuals = booster.predict(xgboost.DMatrix(test[features])) - test[target].to_numpy()
    return {"train": len(train), "test": len(test), "rmse": float(np.sqrt(np.mean(residuals**2)))}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(train_and_test(Path(sys.argv[1]), Path(sys.argv[2]))) + "\n")
