"""Simulated robots: interactions drawn from the world, and the samples that report them.

Interaction number n depends only on the seed, on n and on the world, however the calls divide the sequence.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from dwell.messaging.line import Line, LineKind
from dwell.simulator import physics
from feature_schema import FEATURES, TARGET, VERSION
from feature_schema.limits import format_time

if TYPE_CHECKING:
    from datetime import datetime

    from dwell.simulator.physics import Floats, Integers, World

_BLOCK_SIZE = 256
"""Interactions are drawn in blocks, each from a random generator of its own."""

_NAMES = tuple(feature.name for feature in FEATURES)


@dataclass(frozen=True, slots=True)
class Interactions:
    """n interactions as arrays of length n: features, outcome, and the moments of the outcome's distribution.

    ``numbers`` count from 0 over the life of the robots; ``features`` is (n, 12) in the schema's order; ``durations``
    (ms) are the outcomes, ``expected`` (ms) and ``variance`` (ms^2) the moments. ``label`` names the world.
    """

    label: str
    numbers: Integers
    robots: Integers
    centres: Integers
    features: Integers
    durations: Integers
    expected: Floats
    variance: Floats

    def __len__(self) -> int:
        return len(self.numbers)

    def part(self, start: int, stop: int) -> Interactions:
        """The interactions at positions ``start`` to ``stop`` (exclusive)."""
        cut = slice(start, stop)
        return Interactions(
            self.label,
            self.numbers[cut],
            self.robots[cut],
            self.centres[cut],
            self.features[cut],
            self.durations[cut],
            self.expected[cut],
            self.variance[cut],
        )

    def instances(self) -> list[dict[str, int]]:
        """The features of each interaction by name, as in a prediction request."""
        return [dict(zip(_NAMES, row, strict=True)) for row in self.features.tolist()]


def concatenate(parts: list[Interactions]) -> Interactions:
    """Concatenate interactions of one world. ``parts`` must not be empty."""
    columns = ("numbers", "robots", "centres", "features", "durations", "expected", "variance")
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in columns}
    return Interactions(label=parts[0].label, **arrays)


class Robots:
    """The robots of one seed. They live in the fulfilment centres of their world, by the centres' shares.

    Raises ``AnotherSchemaError`` where the schema does not describe them.
    """

    def __init__(self, seed: int, *, robots: int = 5_000, world: World | None = None, label: str = "initial") -> None:
        if robots < 1 or seed < 0:
            raise ValueError("there must be at least one robot, and the seed must not be negative")
        physics.require_robot_schema()
        self.seed = seed
        self.world = world or physics.World()
        self.label = label
        self._robots = robots
        self.taken = 0
        """Number of interactions so far."""
        self._block: tuple[int, Interactions] | None = None

    def change_world(self, world: World, label: str) -> None:
        """Use ``world`` from the next interaction on."""
        self.world, self.label, self._block = world, label, None

    def take(self, count: int) -> Interactions:
        """The next ``count`` interactions (at least one)."""
        if count < 1:
            raise ValueError("at least one interaction must be taken")
        parts = []
        end = self.taken + count
        while self.taken < end:
            number, offset = divmod(self.taken, _BLOCK_SIZE)
            stop = min(_BLOCK_SIZE, offset + end - self.taken)
            parts.append(self._draw_block(number).part(offset, stop))
            self.taken += stop - offset
        return concatenate(parts)

    def _draw_block(self, number: int) -> Interactions:
        if self._block is None or self._block[0] != number:
            rng = np.random.default_rng([self.seed, number])
            robots = rng.integers(self._robots, size=_BLOCK_SIZE)
            boundaries = np.cumsum([centre.share for centre in self.world.centres])
            centres = np.searchsorted(boundaries[:-1], (robots + 0.5) / self._robots * boundaries[-1], side="right")
            features = physics.draw(self.world, rng, centres)
            distribution = physics.build_distribution(self.world, features)
            expected, variance = distribution.moments()
            first = number * _BLOCK_SIZE
            self._block = (
                number,
                Interactions(
                    label=self.label,
                    numbers=np.arange(first, first + _BLOCK_SIZE),
                    robots=robots,
                    centres=centres,
                    features=features,
                    durations=distribution.durations(rng),
                    expected=expected,
                    variance=variance,
                ),
            )
        return self._block[1]

    def samples(
        self,
        interactions: Interactions,
        recorded_at: datetime,
        predictions: list[dict[str, Any]] | None = None,
        *,
        interval: timedelta = timedelta(0),
    ) -> list[dict[str, Any]]:
        """The samples of ``interactions`` as JSON objects; ``predictions`` are echoed as they were returned.

        ``recorded_at`` (UTC) is the time of the last sample; the others precede it at distances of ``interval``.
        """
        last = len(interactions) - 1
        samples: list[dict[str, Any]] = [
            {
                "sample_id": f"s{self.seed}-{number:09d}",
                "robot_id": f"robot-{robot:05d}",
                "fc_id": self.world.centres[centre].fc_id,
                "recorded_at": format_time(recorded_at - (last - position) * interval),
                "schema_version": VERSION,
                TARGET.name: outcome,
                "features": features,
            }
            for position, (number, robot, centre, outcome, features) in enumerate(
                zip(
                    interactions.numbers.tolist(),
                    interactions.robots.tolist(),
                    interactions.centres.tolist(),
                    interactions.durations.tolist(),
                    interactions.instances(),
                    strict=True,
                )
            )
        ]
        for sample, prediction in zip(samples, predictions or [], strict=predictions is not None):
            sample["prediction"] = prediction
        return samples


def sample_line(sample: dict[str, Any]) -> Line:
    """A sample as a line of a message."""
    return Line(json.dumps(sample, separators=(",", ":")), LineKind.SAMPLE, sample["sample_id"])


def row_line(sample: dict[str, Any]) -> Line:
    """A sample as a row of the workshop's format: target and features."""
    return Line(",".join(map(str, (sample[TARGET.name], *sample["features"].values()))), LineKind.ROW)


def noise_floor(world: World, *, samples: int = 50_000) -> float:
    """The error (RMSE, ms) of the best possible predictor in a world, estimated from ``samples`` interactions."""
    variance = Robots(0, world=world).take(samples).variance
    return float(np.sqrt(variance.mean()))
