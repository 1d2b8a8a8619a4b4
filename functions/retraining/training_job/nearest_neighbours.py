"""K nearest neighbours: the weighted mean of the most similar rows that were seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from . import holdout
from .threads import thread_count

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from .algorithms import Hyperparameters

FILE = "neighbours.npz"
TOLERANCE = 0.5
"""A neighbour may be this much (a share) further away than the one it stands for: four times faster, as good a mean."""
LEAF_SIZE = 32
"""Points that the tree does not divide further; with twelve features half as many take twice as long to search."""
ROWS_TO_ORDER = 1_000
BINS = 16
LEAST_STRETCH = 0.05


class NearestNeighbours:
    """``points`` (neighbours, features) are divided by ``unit`` (features,), ``values`` (neighbours,) their targets."""

    def __init__(
        self, points: NDArray[np.float32], values: NDArray[np.float64], unit: NDArray[np.float64], k: int
    ) -> None:
        self._points, self._values, self._unit, self._k = points, values, unit, k
        self._tree = cKDTree(points, leafsize=LEAF_SIZE)

    def predict(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """See ``candidates.Model``."""
        asked = features / self._unit
        # Asked in the order of a tree of their own, similar rows follow each other, and find the same points in the
        # processor's cache: nearly twice as fast, and the same answers.
        order = cKDTree(asked, leafsize=LEAF_SIZE).indices if len(asked) >= ROWS_TO_ORDER else np.arange(len(asked))
        distance, index = (np.empty((len(asked), self._k), dtype) for dtype in (np.float64, np.intp))
        distance[order], index[order] = self._tree.query(
            asked[order], k=np.arange(1, self._k + 1), eps=TOLERANCE, workers=thread_count(len(asked))
        )
        # Near ones count more, but none counts alone: an exact match is one noisy observation too.
        furthest = distance.max(axis=1, keepdims=True)
        weight = 1.0 - 0.95 * (distance / np.where(furthest > 0, furthest, 1.0)) ** 2
        return np.asarray((weight * self._values[index]).sum(axis=1) / weight.sum(axis=1), dtype=np.float64)

    def save(self, folder: Path) -> None:
        """See ``candidates.Model``. The tree is built again when it is loaded: 20 ms for 50,000 neighbours."""
        k = np.array(self._k, dtype=np.int64)
        np.savez(folder / FILE, points=self._points, values=self._values, unit=self._unit, k=k)


def _explained(feature: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    """The share of the target's spread that a feature alone explains, 0 to 1: the correlation ratio over bins.

    Unlike a correlation it sees a feature whose middle is best.
    """
    edges = np.unique(np.quantile(feature, np.linspace(0, 1, BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, feature, side="left")
    count = np.bincount(bins, minlength=BINS)
    mean = np.bincount(bins, weights=target, minlength=BINS) / np.maximum(count, 1)
    spread = float(target.var())
    between = float((count * (mean - target.mean()) ** 2).sum() / len(target))
    return (between / spread) ** 0.5 if spread > 0 else 0.0


def fit(
    features: NDArray[np.float64], target: NDArray[np.float64], *, k: int, sample_size: int
) -> tuple[NearestNeighbours, Hyperparameters]:
    """Keep the newest ``sample_size`` rows as neighbours, on axes stretched by what each feature explains.

    Standardised axes alone let a feature that says nothing push the similar apart.
    """
    holdout.newest(len(target))
    points, values = features[-sample_size:], target[-sample_size:]
    spread = points.std(axis=0)
    said = np.log(values) if values.min() > 0 else values
    stretch = np.array([max(LEAST_STRETCH, _explained(column, said)) for column in points.T])
    unit = np.where(spread > 0, spread, 1.0) / stretch
    k = min(k, len(values))
    return NearestNeighbours((points / unit).astype(np.float32), values, unit, k), {"k": k, "sample_size": len(values)}


def load(folder: Path) -> NearestNeighbours:
    """Read back what ``save`` wrote."""
    with np.load(folder / FILE, allow_pickle=False) as stored:
        return NearestNeighbours(stored["points"], stored["values"], stored["unit"], int(stored["k"]))
