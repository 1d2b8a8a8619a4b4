"""Thousands of robots: interactions drawn from the world, and the samples that report them.

Interaction number n of a seed is the same however the calls divide the sequence: it depends on the seed, on n and on
the world alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from dwell.messaging.line import Kind, Line
from dwell.simulator import physics
from feature_schema import FEATURES, TARGET, VERSION
from feature_schema.limits import format_time

if TYPE_CHECKING:
    from datetime import datetime

    from dwell.simulator.physics import Floats, Integers, World

_BLOCK = 256
"""Interactions are drawn in blocks of this many, each from a generator of its own."""

_NAMES = tuple(feature.name for feature in FEATURES)


@dataclass(frozen=True, slots=True)
class Interactions:
    """Interactions in arrays of one length n: what is known before, what will happen, and how well it can be known.

    ``numbers`` count from 0 over the life of the robots; ``features`` is (n, 12) in the schema's order; ``durations``,
    ``expected`` (ms) and ``variance`` (ms^2) are the outcome and the moments of its law. ``label`` names the world.
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
        """The interactions from position ``start`` to before ``stop``."""
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
        """What the planner asks with: the features of each interaction by name."""
        return [dict(zip(_NAMES, row, strict=True)) for row in self.features.tolist()]


def joined(parts: list[Interactions]) -> Interactions:
    """Interactions of one world after one another. ``parts`` has at least one."""
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
        physics.require_robots()
        self.seed = seed
        self.world = world or physics.World()
        self.label = label
        self._robots = robots
        self.taken = 0
        """How many interactions there have been."""
        self._block: tuple[int, Interactions] | None = None

    def move_to(self, world: World, label: str) -> None:
        """From the next interaction on, ``world`` holds."""
        self.world, self.label, self._block = world, label, None

    def take(self, count: int) -> Interactions:
        """The next ``count`` interactions, at least one."""
        if count < 1:
            raise ValueError("at least one interaction must be taken")
        parts = []
        end = self.taken + count
        while self.taken < end:
            number, offset = divmod(self.taken, _BLOCK)
            stop = min(_BLOCK, offset + end - self.taken)
            parts.append(self._drawn(number).part(offset, stop))
            self.taken += stop - offset
        return joined(parts)

    def _drawn(self, number: int) -> Interactions:
        if self._block is None or self._block[0] != number:
            rng = np.random.default_rng([self.seed, number])
            robots = rng.integers(self._robots, size=_BLOCK)
            homes = np.cumsum([centre.share for centre in self.world.centres])
            centres = np.searchsorted(homes[:-1], (robots + 0.5) / self._robots * homes[-1], side="right")
            features = physics.draw(self.world, rng, centres)
            law = physics.law(self.world, features)
            expected, variance = law.moments()
            first = number * _BLOCK
            self._block = (
                number,
                Interactions(
                    label=self.label,
                    numbers=np.arange(first, first + _BLOCK),
                    robots=robots,
                    centres=centres,
                    features=features,
                    durations=law.durations(rng),
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
        apart: timedelta = timedelta(0),
    ) -> list[dict[str, Any]]:
        """The samples that report ``interactions``, JSON-ready; ``predictions`` are echoed as they were answered.

        ``recorded_at`` must be in UTC; it is the last one's, and each other is ``apart`` before the next.
        """
        last = len(interactions) - 1
        samples: list[dict[str, Any]] = [
            {
                "sample_id": f"s{self.seed}-{number:09d}",
                "robot_id": f"robot-{robot:05d}",
                "fc_id": self.world.centres[centre].fc_id,
                "recorded_at": format_time(recorded_at - (last - position) * apart),
                "schema_version": VERSION,
                TARGET.name: took,
                "features": features,
            }
            for position, (number, robot, centre, took, features) in enumerate(
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
    return Line(json.dumps(sample, separators=(",", ":")), Kind.SAMPLE, sample["sample_id"])


def row_line(sample: dict[str, Any]) -> Line:
    """A sample as the workshop's fulfilment centres publish it: target and features, nothing else."""
    return Line(",".join(map(str, (sample[TARGET.name], *sample["features"].values()))), Kind.ROW)


def noise_floor(world: World, *, samples: int = 50_000) -> float:
    """The error (RMSE, ms) of the best possible predictor in this world, over many interactions."""
    variance = Robots(0, world=world).take(samples).variance
    return float(np.sqrt(variance.mean()))
