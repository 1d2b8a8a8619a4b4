"""Datasets with a known noise floor, made up from the schema's description alone: no feature is named."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from feature_schema import BASELINE, FEATURES, ROW_COLUMNS, TARGET, VERSION, describe

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from feature_schema.field import Field

OLDEST = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
INTERVAL = timedelta(milliseconds=250)
STAMP = "20261123T063900Z"
ROUND = f"{STAMP}-no-model"
TYPICAL = (TARGET.maximum - TARGET.minimum) / 43
"""What a made-up target mostly lies above its lower end: far from both, for it is skewed to the right."""


@dataclass(frozen=True, slots=True)
class SyntheticDataset:
    """``expected`` is the best possible prediction for each row; ``lines`` are rows as the validator writes them."""

    features: NDArray[np.float64]
    target: NDArray[np.float64]
    expected: NDArray[np.float64]
    lines: list[str]

    def noise_floor(self, start: int) -> float:
        """The error that no model can go below, on the rows from ``start`` on."""
        return float(((self.target - self.expected)[start:] ** 2).mean() ** 0.5)


def make_dataset(
    rows: int, *, seed: int = 1, drift_from: int | None = None, noise: float = 0.2, world: int = 7
) -> SyntheticDataset:
    """Right-skewed targets, multiplied together from the features, with interactions and noise.

    From row ``drift_from`` on, half of the effects are other ones. ``world`` is the seed of the effects.
    """
    random = np.random.default_rng(seed)
    effects = np.random.default_rng(world)
    unit: NDArray[np.float64] = random.beta(2, 3, size=(rows, len(FEATURES)))
    low, high = (np.array([getattr(field, end) for field in FEATURES]) for end in ("minimum", "maximum"))
    features = low + unit * (high - low)
    whole = np.array([field.type == "integer" for field in FEATURES])
    features[:, whole] = np.round(features[:, whole])

    logarithm = _effects(unit, effects)
    if drift_from is not None:
        logarithm[drift_from:] += 0.8 * _effects(unit, effects)[drift_from:]
    above: NDArray[np.float64] = TYPICAL * np.exp(logarithm)
    factors = np.exp(noise * random.normal(size=rows) - noise**2 / 2)
    lowest = min(TARGET.minimum, 0.0)
    expected, target = lowest + above, lowest + above * factors
    if TARGET.type == "integer":
        target = np.round(target)
    target = np.clip(target, TARGET.minimum, TARGET.maximum)

    lines = []
    for number in range(rows):
        moment = (OLDEST + number * INTERVAL).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        cells = [
            *map(as_number, (TARGET, *FEATURES), (target[number], *features[number])),
            f"s{seed}-{number}",
            f"r{number % 50}",
            "fc1",
            moment,
            *("", "", ""),
            *(VERSION, moment, ""),
        ]
        lines.append(",".join(map(str, cells)))
        assert lines[-1].count(",") == len(ROW_COLUMNS) - 1
    return SyntheticDataset(features, target, expected, lines)


def as_number(field: Field, value: float) -> int | float:
    """A value as a sample carries it: a whole number where the schema says so."""
    return int(value) if field.type == "integer" else float(value)


def _effects(unit: NDArray[np.float64], effects: np.random.Generator) -> NDArray[np.float64]:
    count = unit.shape[1]
    alone = unit @ effects.normal(0, 0.5, count)
    bent = np.square(unit - 0.4) @ effects.normal(0, 1.0, count)
    pairs = min(3, count // 2)
    left, right = effects.permutation(count)[: 2 * pairs].reshape(2, pairs)
    together = (unit[:, left] * unit[:, right]) @ effects.normal(0, 1.5, pairs)
    total: NDArray[np.float64] = alone + bent + together
    total -= total.mean()
    return total


def make_dataset_spec(**changes: Any) -> dict[str, Any]:
    """What ``dataset.json`` holds, without objects."""
    spec: dict[str, Any] = {
        "round": ROUND,
        "stamp": STAMP,
        "schema": describe(),
        "recent_since": None,
        "test_fraction": 0.25,
        "objects": [],
        "champion": None,
        "maximum_samples": 2_000_000,
    }
    return {**spec, **changes}


def recorded_at(row: int) -> str:
    """When a made-up row was recorded, as it stands in ``recent_since``."""
    return (OLDEST + row * INTERVAL).isoformat().replace("+00:00", "Z")


def write_channels(folder: Path, lines: list[str], *, rows_per_object: int = 1_000, **changes: Any) -> dict[str, str]:
    """Lay out the channels ``samples`` and ``dataset`` as SageMaker does; returns their ``SM_*`` variables."""
    samples, dataset = folder / "samples", folder / "dataset"
    dataset.mkdir(parents=True)
    objects = []
    for start in range(0, len(lines), rows_per_object):
        key = f"samples/date=2026-11-23/hour=06/delivery-{start:09d}.gz"
        content = gzip.compress("".join(f"{line}\n" for line in lines[start : start + rows_per_object]).encode(), 1)
        path = samples / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        objects.append({"key": key, "version": f"v{start}", "size": len(content)})
    (dataset / "dataset.json").write_text(json.dumps(make_dataset_spec(objects=objects, **changes)))
    return {"SM_CHANNEL_SAMPLES": str(samples), "SM_CHANNEL_DATASET": str(dataset)}


def predict_baseline(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """The answer without a model, for each row of features."""
    if isinstance(BASELINE, str):
        column: NDArray[np.float64] = rows[:, [field.name for field in FEATURES].index(BASELINE)]
        return np.clip(column, TARGET.minimum, TARGET.maximum)
    return np.full(len(rows), BASELINE)
