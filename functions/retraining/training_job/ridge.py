"""Linear regression with a ridge penalty, on standardised features, their logarithms and pairwise products."""

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
MAX_NUMBERS_IN_MEMORY = 6_500_000
"""Terms computed at a time (50 MB) for a dataset of any size; 20,000 rows of twelve features."""
MAX_FEATURES_WITH_PRODUCTS = 40
"""Up to so many features, pairwise products are terms too: 3,321 terms, and normal equations of 90 MB. Their size grows
with the fourth power of the features; a hundred features would exceed the memory of a training instance."""
MAX_ROWS = 400_000
"""Of more rows, every second or third is used: the weights of some hundred terms have converged long before."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The transformation of features into a linear model's terms.

    ``lowest`` and ``highest`` have shape (features,), ``centre`` and ``scale`` shape (2 features,). The names of the
    fields are stored in the archive.
    """

    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]
    centre: NDArray[np.float64]
    scale: NDArray[np.float64]

    def transform(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Terms of shape (rows, terms), the constant first.

        Features are clipped to the training range; products of out-of-range values extrapolate wildly.
        """
        standardised = (_append_logarithms(features, self.lowest, self.highest) - self.centre) / self.scale
        linear = np.hstack([np.ones((len(features), 1)), standardised])
        if features.shape[1] > MAX_FEATURES_WITH_PRODUCTS:
            return linear
        left, right = np.triu_indices(standardised.shape[1])
        return np.hstack([linear, standardised[:, left] * standardised[:, right]])

    def count_terms(self) -> int:
        """The number of terms of a row."""
        return len(self.transform(self.lowest[None, :])[0])


def _append_logarithms(
    features: NDArray[np.float64], lowest: NDArray[np.float64], highest: NDArray[np.float64]
) -> NDArray[np.float64]:
    clipped = np.clip(features, lowest, highest)
    return np.hstack([clipped, np.log1p(clipped - np.minimum(lowest, 0))])


def _fit_terms(features: NDArray[np.float64]) -> Terms:
    lowest, highest = features.min(axis=0), features.max(axis=0)
    base = _append_logarithms(features, lowest, highest)
    scale = base.std(axis=0)
    # A constant feature becomes zero.
    return Terms(lowest, highest, base.mean(axis=0), np.where(scale > 0, scale, 1.0))


@dataclass(frozen=True, slots=True)
class RidgeRegression:
    """``weights`` of shape (terms,).

    If ``is_logarithmic``, the terms predict the target's logarithm, and ``factor`` corrects the mean of the
    back-transformed predictions. Predictions are clipped to the range of the training targets.
    """

    terms: Terms
    weights: NDArray[np.float64]
    is_logarithmic: bool
    factor: float
    min_target: float
    max_target: float

    def predict(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """See ``algorithms.Model``."""
        chunks = [
            self._predict_chunk(self.terms.transform(rows)) for rows in _split_into_chunks(features, len(self.weights))
        ]
        return np.concatenate(chunks) if chunks else np.empty(0)

    def _predict_chunk(self, terms: NDArray[np.float64]) -> NDArray[np.float64]:
        predicted = self.factor * _back_transform(terms @ self.weights, self.is_logarithmic, self.max_target)
        return np.clip(predicted, self.min_target, self.max_target)

    def save(self, folder: Path) -> None:
        """See ``algorithms.Model``."""
        terms = {field.name: getattr(self.terms, field.name) for field in fields(Terms)}
        scalars = np.array([self.is_logarithmic, self.factor, self.min_target, self.max_target], dtype=np.float64)
        np.savez(folder / FILE, weights=self.weights, scalars=scalars, **terms)


def _split_into_chunks(rows: NDArray[np.float64], terms: int) -> Iterator[NDArray[np.float64]]:
    """Rows (first axis) in chunks that fit into memory with so many terms each."""
    chunk_rows = max(1, MAX_NUMBERS_IN_MEMORY // terms)
    for start in range(0, len(rows), chunk_rows):
        yield rows[start : start + chunk_rows]


def _back_transform(linear: NDArray[np.float64], is_logarithmic: bool, max_target: float) -> NDArray[np.float64]:
    return np.exp(np.minimum(linear, np.log(max_target))) if is_logarithmic else linear


def _build_normal_equations(
    terms: Terms, features: NDArray[np.float64], transformed: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both sides of the normal equations, (terms, terms) and (terms,), summed over chunks of rows to bound memory."""
    left: NDArray[np.float64] | float = 0.0
    right: NDArray[np.float64] | float = 0.0
    count = terms.count_terms()
    for rows, values in zip(_split_into_chunks(features, count), _split_into_chunks(transformed, count), strict=True):
        row_terms = terms.transform(rows)
        left = left + row_terms.T @ row_terms
        right = right + row_terms.T @ values
    return np.asarray(left), np.asarray(right)


def _solve(equations: tuple[NDArray[np.float64], NDArray[np.float64]], alpha: float) -> NDArray[np.float64]:
    penalty = np.full(len(equations[1]), alpha)
    penalty[0] = 0.0  # the constant
    return np.linalg.solve(equations[0] + np.diag(penalty), equations[1])


def _compute_correction_factor(predicted: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    """The factor of back-transformed predictions that minimises their squared error."""
    return float(predicted @ target / (predicted @ predicted))


def fit(
    features: NDArray[np.float64], target: NDArray[np.float64], *, alpha: tuple[float, ...]
) -> tuple[RidgeRegression, Hyperparameters]:
    """Select the penalty on the holdout, then train on all rows, or on an even sample of very many.

    Effects on a positive target multiply, so the model is linear in its logarithm. The mean of a skewed target exceeds
    the back-transformed mean of its logarithm; ``factor`` corrects that.
    """
    step = 1 + len(target) // MAX_ROWS
    features, target = features[::step], target[::step]
    first_held_out = holdout.find_split_index(len(target))
    min_target, max_target = float(target.min()), float(target.max())
    is_logarithmic = min_target > 0
    transformed = np.log(target) if is_logarithmic else target
    terms = _fit_terms(features)
    train = _build_normal_equations(terms, features[:first_held_out], transformed[:first_held_out])
    held_out = _build_normal_equations(terms, features[first_held_out:], transformed[first_held_out:])

    held_out_target = target[first_held_out:]
    weights_by_penalty = np.array([_solve(train, penalty) for penalty in alpha])
    chunks = _split_into_chunks(features[first_held_out:], terms.count_terms())
    linear = np.concatenate([terms.transform(rows) @ weights_by_penalty.T for rows in chunks])
    best = (np.inf, alpha[0])
    for index, penalty in enumerate(alpha):
        predicted = _back_transform(linear[:, index], is_logarithmic, max_target)
        factor = _compute_correction_factor(predicted, held_out_target) if is_logarithmic else 1.0
        best = min(best, (holdout.compute_rmse(factor * predicted, held_out_target), penalty))

    weights = _solve((train[0] + held_out[0], train[1] + held_out[1]), best[1])
    uncorrected = RidgeRegression(terms, weights, is_logarithmic, 1.0, min_target, max_target)
    factor = _compute_correction_factor(uncorrected.predict(features), target) if is_logarithmic else 1.0
    model = RidgeRegression(terms, weights, is_logarithmic, factor, min_target, max_target)
    return model, {"alpha": best[1]}


def load(folder: Path) -> RidgeRegression:
    """Read what ``save`` wrote."""
    with np.load(folder / FILE, allow_pickle=False) as stored:
        is_logarithmic, factor, min_target, max_target = (float(value) for value in stored["scalars"])
        terms = Terms(**{field.name: stored[field.name] for field in fields(Terms)})
        return RidgeRegression(terms, stored["weights"], bool(is_logarithmic), factor, min_target, max_target)
