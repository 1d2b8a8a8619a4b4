"""Linear regression with a ridge penalty, on standardised features, their logarithms and the products of two."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from . import holdout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from .algorithms import Hyperparameters

FILE = "ridge.npz"
NUMBERS_AT_ONCE = 6_500_000
"""Terms that are in memory at a time (50 MB), whatever the dataset's size: 20,000 rows of twelve features."""
WIDEST_PRODUCTS = 40
"""Features up to which their products are terms too: 3,321 terms, and normal equations of 90 MB. They grow with the
fourth power of the features; a hundred features would take more than a training instance has."""
ROWS_TO_LEARN = 400_000
"""Of many more, every second or third is used: weights for some hundred terms have settled long before."""


@dataclass(frozen=True, slots=True)
class Terms:
    """From features to a linear model's terms. Arrays of shape (features,), the last two (2 features,)."""

    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]
    centre: NDArray[np.float64]
    scale: NDArray[np.float64]

    def of(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Terms of shape (rows, terms), the constant first.

        A feature beyond what was seen in training counts as the nearest that was seen: products and powers of far-off
        numbers would leave the earth.
        """
        standardised = (_with_logarithms(features, self.lowest, self.highest) - self.centre) / self.scale
        alone = np.hstack([np.ones((len(features), 1)), standardised])
        if features.shape[1] > WIDEST_PRODUCTS:
            return alone
        left, right = np.triu_indices(standardised.shape[1])
        return np.hstack([alone, standardised[:, left] * standardised[:, right]])

    def width(self) -> int:
        """How many terms a row has."""
        return len(self.of(self.lowest[None, :])[0])


def _with_logarithms(
    features: NDArray[np.float64], lowest: NDArray[np.float64], highest: NDArray[np.float64]
) -> NDArray[np.float64]:
    seen = np.clip(features, lowest, highest)
    return np.hstack([seen, np.log1p(seen - np.minimum(lowest, 0))])


def _terms(features: NDArray[np.float64]) -> Terms:
    lowest, highest = features.min(axis=0), features.max(axis=0)
    base = _with_logarithms(features, lowest, highest)
    scale = base.std(axis=0)
    # A constant feature tells nothing; it becomes zero.
    return Terms(lowest, highest, base.mean(axis=0), np.where(scale > 0, scale, 1.0))


@dataclass(frozen=True, slots=True)
class RidgeRegression:
    """``weights`` of shape (terms,). ``logarithmic``: they tell the target's logarithm, and ``factor`` brings its mean.

    ``least`` and ``most`` are the smallest and largest target seen; no answer goes beyond.
    """

    terms: Terms
    weights: NDArray[np.float64]
    logarithmic: bool
    factor: float
    least: float
    most: float

    def predict(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """See ``candidates.Model``."""
        answers = [self._clipped(self.terms.of(rows) @ self.weights) for rows in _chunks(features, len(self.weights))]
        return np.concatenate(answers) if answers else np.empty(0)

    def _clipped(self, linear: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.clip(self.factor * _unlinked(linear, self.logarithmic, self.most), self.least, self.most)

    def save(self, folder: Path) -> None:
        """See ``candidates.Model``."""
        terms = {field.name: getattr(self.terms, field.name) for field in fields(Terms)}
        scalars = np.array([self.logarithmic, self.factor, self.least, self.most], dtype=np.float64)
        np.savez(folder / FILE, weights=self.weights, scalars=scalars, **terms)


def _chunks(rows: NDArray[np.float64], terms: int) -> Iterator[NDArray[np.float64]]:
    """Rows (first axis) in parts that fit into memory when each has so many terms."""
    at_once = max(1, NUMBERS_AT_ONCE // terms)
    for start in range(0, len(rows), at_once):
        yield rows[start : start + at_once]


def _unlinked(linear: NDArray[np.float64], logarithmic: bool, most: float) -> NDArray[np.float64]:
    return np.exp(np.minimum(linear, np.log(most))) if logarithmic else linear


def _moments(
    terms: Terms, features: NDArray[np.float64], linked: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The normal equations' two sides, (terms, terms) and (terms,), summed so that no table of all terms is needed."""
    left: NDArray[np.float64] | float = 0.0
    right: NDArray[np.float64] | float = 0.0
    width = terms.width()
    for rows, values in zip(_chunks(features, width), _chunks(linked, width), strict=True):
        of_rows = terms.of(rows)
        left = left + of_rows.T @ of_rows
        right = right + of_rows.T @ values
    return np.asarray(left), np.asarray(right)


def _solve(moments: tuple[NDArray[np.float64], NDArray[np.float64]], alpha: float) -> NDArray[np.float64]:
    penalty = np.full(len(moments[1]), alpha)
    penalty[0] = 0.0  # the constant
    return np.linalg.solve(moments[0] + np.diag(penalty), moments[1])


def _mean_factor(predicted: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    """What the back-transformed predictions are multiplied with for the least squared error."""
    return float(predicted @ target / (predicted @ predicted))


def fit(
    features: NDArray[np.float64], target: NDArray[np.float64], *, alpha: tuple[float, ...]
) -> tuple[RidgeRegression, Hyperparameters]:
    """Choose the penalty on the newest part of the rows, then learn from all of them, evenly thinned if they are many.

    Effects on a positive target multiply, so the model is linear in its logarithm; ``factor`` then makes up for the
    mean of a skewed target being above the logarithm's.
    """
    step = 1 + len(target) // ROWS_TO_LEARN
    features, target = features[::step], target[::step]
    older = holdout.newest(len(target))
    least, most = float(target.min()), float(target.max())
    logarithmic = least > 0
    linked = np.log(target) if logarithmic else target
    terms = _terms(features)
    old, new = _moments(terms, features[:older], linked[:older]), _moments(terms, features[older:], linked[older:])

    newest_target = target[older:]
    tried = np.array([_solve(old, one) for one in alpha])
    linear = np.concatenate([terms.of(rows) @ tried.T for rows in _chunks(features[older:], terms.width())])
    best = (np.inf, alpha[0])
    for position, one in enumerate(alpha):
        predicted = _unlinked(linear[:, position], logarithmic, most)
        factor = _mean_factor(predicted, newest_target) if logarithmic else 1.0
        best = min(best, (holdout.rmse(factor * predicted, newest_target), one))

    weights = _solve((old[0] + new[0], old[1] + new[1]), best[1])
    plain = RidgeRegression(terms, weights, logarithmic, 1.0, least, most)
    factor = _mean_factor(plain.predict(features), target) if logarithmic else 1.0
    return RidgeRegression(terms, weights, logarithmic, factor, least, most), {"alpha": best[1]}


def load(folder: Path) -> RidgeRegression:
    """Read back what ``save`` wrote."""
    with np.load(folder / FILE, allow_pickle=False) as stored:
        logarithmic, factor, least, most = (float(value) for value in stored["scalars"])
        terms = Terms(**{field.name: stored[field.name] for field in fields(Terms)})
        return RidgeRegression(terms, stored["weights"], bool(logarithmic), factor, least, most)
