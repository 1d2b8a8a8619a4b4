"""Residuals of a model on the robots' physics, in units of its promise, as moments by centre and scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import xgboost

from dwell.simulator.physics import World, build_distribution, draw
from monitor.capped_error import MAX_ERROR_MULTIPLE, capped_rms

if TYPE_CHECKING:
    from numpy.typing import NDArray

    type Floats = NDArray[np.float64]

TRAINING_ROWS, RESIDUAL_ROWS = 40_000, 150_000
STOP_SHARE, STOP_MILLISECONDS = 1 / 2_000, 600_000
"""A tail that a good model cannot know: one robot in so many stands until it is fetched."""
SCALES: Floats = np.exp(np.linspace(np.log(0.3), np.log(5.0), 160))


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean and variance of the capped excess by centre, (5, scales): errors are ``SCALES`` times those promised for."""

    means: Floats
    variances: Floats
    standard_deviation: float
    """Of the error ratio of one sample: its standard error over n samples is this over sqrt(n)."""


def robot_residuals(*, seed: int = 7) -> tuple[NDArray[np.int64], Floats, Floats]:
    """(centre, predicted, duration) of samples that the model did not learn from, in ms."""
    rng = np.random.default_rng(seed)
    world = World()
    shares = [centre.share for centre in world.centres]
    centres = rng.choice(len(shares), size=TRAINING_ROWS + RESIDUAL_ROWS, p=shares)
    features = draw(world, rng, centres)
    durations = build_distribution(world, features).durations(rng).astype(np.float64)
    parameters = {"max_depth": 6, "eta": 0.06, "min_child_weight": 10}
    known = xgboost.DMatrix(features[:TRAINING_ROWS], durations[:TRAINING_ROWS])
    model = xgboost.train(parameters, known, num_boost_round=300)
    predicted = np.asarray(model.predict(xgboost.DMatrix(features[TRAINING_ROWS:])), dtype=np.float64)
    return centres[TRAINING_ROWS:], predicted, durations[TRAINING_ROWS:]


def moments(centres: NDArray[np.int64], errors: Floats) -> Moments:
    """The moments of these errors (ms) against the promise that they support."""
    promise = capped_rms(errors.tolist())
    squares = (errors / promise) ** 2
    means, variances = np.empty((5, len(SCALES))), np.empty((5, len(SCALES)))
    for centre in range(5):
        own = squares[centres == centre]
        for index, scale in enumerate(SCALES):
            excess = np.minimum(own * scale**2, MAX_ERROR_MULTIPLE**2) - 1
            means[centre, index], variances[centre, index] = excess.mean(), excess.var()
    return Moments(means, variances, float((np.minimum(squares, MAX_ERROR_MULTIPLE**2)).std() / 2))


def with_stops(predicted: Floats, durations: Floats, *, seed: int = 8) -> Floats:
    """Errors (ms) when some robots stand for ten minutes."""
    stops = np.random.default_rng(seed).random(len(durations)) < STOP_SHARE
    errors: Floats = predicted - np.where(stops, STOP_MILLISECONDS, durations)
    return errors
