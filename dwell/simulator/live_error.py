"""Live error as the robots observe it, and the error that the best possible predictor would have had."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from feature_schema import TARGET

if TYPE_CHECKING:
    from dwell.simulator.robots import Interactions


@dataclass(slots=True)
class ErrorTally:
    """Sums over predicted samples; squares in ms^2.

    ``promised`` sums the squares of the models' expected errors, ``variance`` the variance of the samples' durations,
    which no predictor can avoid.
    """

    samples: int = 0
    squared_error: float = 0.0
    promised: float = 0.0
    variance: float = 0.0

    @property
    def error(self) -> float | None:
        """Live error (RMSE, ms)."""
        return self._to_rmse(self.squared_error)

    @property
    def promise(self) -> float | None:
        """The error that the models expected (RMSE, ms)."""
        return self._to_rmse(self.promised)

    @property
    def noise_floor(self) -> float | None:
        """The expected error of the best possible predictor on the same samples (RMSE, ms)."""
        return self._to_rmse(self.variance)

    def _to_rmse(self, total: float) -> float | None:
        return math.sqrt(total / self.samples) if self.samples else None

    def __add__(self, other: ErrorTally) -> ErrorTally:
        return ErrorTally(
            self.samples + other.samples,
            self.squared_error + other.squared_error,
            self.promised + other.promised,
            self.variance + other.variance,
        )


@dataclass(slots=True)
class SecondStats:
    """Counts and errors of one second of the clock. ``at`` is Unix time."""

    at: int
    published: int = 0
    unpredicted: int = 0
    fallback: ErrorTally = field(default_factory=ErrorTally)
    by_model: dict[str, ErrorTally] = field(default_factory=lambda: defaultdict(ErrorTally))

    @property
    def model(self) -> ErrorTally:
        """The errors of all models together."""
        return sum(self.by_model.values(), ErrorTally())


class LiveError:
    """Sums errors by second and, over the whole run, by world and model."""

    def __init__(self) -> None:
        self.seconds: dict[int, SecondStats] = {}
        self.by_world: dict[tuple[str, str], ErrorTally] = defaultdict(ErrorTally)
        """Keys: the world's label and the model's name."""
        self.fallback = 0
        self.unpredicted = 0

    def second(self, timestamp: float) -> SecondStats:
        """The second that contains ``timestamp`` (Unix time)."""
        return self.seconds.setdefault(int(timestamp), SecondStats(int(timestamp)))

    def record(
        self, timestamp: float, interactions: Interactions, position: int, prediction: dict[str, Any] | None
    ) -> None:
        """Add the interaction at ``position``, which happened at ``timestamp``, with the prediction that it had."""
        second = self.second(timestamp)
        if prediction is None:
            second.unpredicted += 1
            self.unpredicted += 1
            return
        tally = ErrorTally(
            1,
            float((prediction[TARGET.name] - interactions.durations[position]) ** 2),
            (prediction.get("expected_error") or 0.0) ** 2,
            float(interactions.variance[position]),
        )
        if prediction["source"] == "fallback":
            second.fallback += tally
            self.fallback += 1
        else:
            model = prediction.get("model") or "unnamed"
            second.by_model[model] += tally
            self.by_world[interactions.label, model] += tally
