"""Live error as the robots see it, beside the error that the best possible predictor would have had."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from feature_schema import TARGET

if TYPE_CHECKING:
    from dwell.simulator.robots import Interactions


@dataclass(slots=True)
class Tally:
    """Sums over predicted samples; squares in ms^2. ``promised`` sums the squares of the models' expected errors,
    ``variance`` that of the samples' laws: what no predictor can avoid."""

    samples: int = 0
    squared_error: float = 0.0
    promised: float = 0.0
    variance: float = 0.0

    @property
    def error(self) -> float | None:
        """Live error (RMSE, ms)."""
        return self._root(self.squared_error)

    @property
    def promise(self) -> float | None:
        """What the models expected of themselves (RMSE, ms)."""
        return self._root(self.promised)

    @property
    def noise_floor(self) -> float | None:
        """The error that the best possible predictor is expected to have on these very samples (RMSE, ms)."""
        return self._root(self.variance)

    def _root(self, total: float) -> float | None:
        return math.sqrt(total / self.samples) if self.samples else None

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.samples + other.samples,
            self.squared_error + other.squared_error,
            self.promised + other.promised,
            self.variance + other.variance,
        )


@dataclass(slots=True)
class Second:
    """What happened within one second of the clock. ``at`` is Unix time."""

    at: int
    published: int = 0
    unpredicted: int = 0
    fallback: Tally = field(default_factory=Tally)
    by_model: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))

    @property
    def model(self) -> Tally:
        """All models of this second together."""
        return sum(self.by_model.values(), Tally())


class LiveError:
    """Adds up predictions and outcomes by second and, over the whole run, by world and model."""

    def __init__(self) -> None:
        self.seconds: dict[int, Second] = {}
        self.by_world: dict[tuple[str, str], Tally] = defaultdict(Tally)
        """Keys: the world's label and the model's name."""
        self.fallback = 0
        self.unpredicted = 0

    def second(self, at: float) -> Second:
        """The second that ``at`` (Unix time) is in."""
        return self.seconds.setdefault(int(at), Second(int(at)))

    def record(self, at: float, interactions: Interactions, position: int, prediction: dict[str, Any] | None) -> None:
        """The interaction at ``position`` has happened; ``prediction`` is what the planner was answered."""
        second = self.second(at)
        if prediction is None:
            second.unpredicted += 1
            self.unpredicted += 1
            return
        one = Tally(
            1,
            float((prediction[TARGET.name] - interactions.durations[position]) ** 2),
            (prediction.get("expected_error") or 0.0) ** 2,
            float(interactions.variance[position]),
        )
        if prediction["source"] == "fallback":
            second.fallback += one
            self.fallback += 1
        else:
            model = prediction.get("model") or "unnamed"
            second.by_model[model] += one
            self.by_world[interactions.label, model] += one
