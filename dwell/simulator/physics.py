"""The robots' world: the distribution of interactions and of their durations.

Besides the schema this is the only module that names features: it simulates this domain only, and raises an error if
the schema describes another one. A duration is a routine part, which the features determine, plus a skilled part
(search and take) with a log-normal distribution: skewed to the right, and more variable if it is long or if the bin is
disordered. Mean and variance are known in closed form for every sample, and with them the error of the best possible
predictor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from dwell.console.errors import InvalidUsageError
from feature_schema import FEATURES, TARGET

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    type Floats = NDArray[np.float64]
    type Integers = NDArray[np.int64]

UNITS = {
    "duration": "ms",
    "fc_avg": "ms",
    **dict.fromkeys(("item_length", "item_width", "item_height"), "mm"),
    "item_quantity": "count",
    "item_weight": "g",
    **dict.fromkeys(("bin_location", "bin_width", "bin_height", "bin_depth"), "mm"),
    **dict.fromkeys(("bin_fullness", "bin_clutter"), "%"),
}
"""The fields that the schema must describe, with their units."""
BIN_LOCATIONS = (250, 650, 1_050, 1_450, 1_850)
"""mm above ground, by the level of the pod."""
BIN_HEIGHTS = (280, 240, 200, 170, 140)
"""mm, by the level of the pod: the tall bins are at the bottom."""
BIN_WIDTHS = (200, 260, 320, 400, 480)
"""mm, by the kind of pod."""
BIN_DEPTHS = (300, 350, 400, 450, 550)
"""mm, by the kind of pod."""
PLOTTED_LIMITS = {"item_length": 450, "item_width": 400, "item_height": 250, "item_quantity": 9, "item_weight": 2_500}
"""The largest items in the plots of the workshop's notebook, in each feature's unit."""
TWO_HANDS = 900
"""g: heavier items are lifted with both hands."""
FLOOR, LADDER = 400, 1_600
"""mm above ground: below, a person kneels; above, a person climbs a step."""
THIN = 40
"""mm: lower items are hard to grasp."""
TIGHT = 0.85
"""Share of a bin's side above which an item has to be turned and pulled."""
MAX_FIT = 0.98
"""Largest share of a side of an item in the side of its bin."""


class UnsupportedSchemaError(InvalidUsageError):
    """The schema describes another domain than robots at a pick station."""

    def __init__(self) -> None:
        super().__init__(
            f"the fleet simulates warehouse robots, but the schema of this checkout describes something else "
            f"({TARGET.name}); publish samples of your own with `dwell publish`"
        )


def require_robot_schema() -> None:
    """Raise ``UnsupportedSchemaError`` if the schema does not describe the simulated domain."""
    if {field.name: field.unit for field in (TARGET, *FEATURES)} != UNITS:
        raise UnsupportedSchemaError


@dataclass(frozen=True, slots=True)
class FulfilmentCentre:
    """A building. ``average`` (ms) is its recorded average; ``pace`` is a factor of its people's times."""

    fc_id: str
    average: int
    pace: float
    share: float
    """of the fleet's robots"""


@dataclass(frozen=True, slots=True)
class World:
    """The parameters that a drift may change. Times in ms, weights in g."""

    centres: tuple[FulfilmentCentre, ...] = (
        FulfilmentCentre("fc-1", 12_100, 0.80, 0.28),
        FulfilmentCentre("fc-2", 12_800, 0.90, 0.24),
        FulfilmentCentre("fc-3", 13_700, 1.00, 0.20),
        FulfilmentCentre("fc-4", 14_500, 1.12, 0.16),
        FulfilmentCentre("fc-5", 16_100, 1.30, 0.12),
    )
    item_volume: float = 0.9
    """median, in litres"""
    item_density: float = 480.0
    """median, in g per litre"""
    fullness: tuple[float, float] = (2.4, 1.8)
    """shape of the beta distribution of bins from empty to full"""
    clutter: tuple[float, float] = (1.8, 2.2)
    """shape of the beta distribution of bins from tidy to disordered"""
    search: float = 11_000.0
    """duration of the search in a deep, full and disordered bin"""
    tidying: float = 0.0
    """time before the search for each unit of clutter x fullness (each 0 to 1) above 0.2"""
    gripper_limit: float = 1_500.0
    """largest weight at which the gripper has full speed"""
    gripper_slowness: float = 1_500.0
    """time for each kilogram above the limit"""
    timeout: float = min(180_000.0, TARGET.maximum)
    """the robot leaves after that time"""


@dataclass(frozen=True, slots=True)
class DurationDistribution:
    """The distribution of each interaction's duration, in arrays of one length.

    ``routine`` (ms) plus a log-normal of mean ``skilled`` (ms) and logarithmic deviation ``spread``, rounded to whole
    milliseconds and cut off at ``timeout`` (ms).
    """

    routine: Floats
    skilled: Floats
    spread: Floats
    timeout: float

    def durations(self, rng: Generator) -> Integers:
        """Draw a duration (ms) for each interaction."""
        deviations = rng.standard_normal(self.skilled.shape)
        skilled = self.skilled * np.exp(self.spread * deviations - self.spread**2 / 2)
        durations: Floats = np.clip(np.rint(self.routine + skilled), TARGET.minimum, self.timeout)
        return durations.astype(np.int64)

    def moments(self) -> tuple[Floats, Floats]:
        """Mean (ms) and variance (ms^2) of each published duration.

        The cut-off is exact: partial moments of the log-normal (the routine part keeps the lower bound far away).
        Rounding adds 1/12 ms^2 (Sheppard's correction), as the density is smooth on the scale of a millisecond.
        """
        limit = self.timeout - self.routine
        score = np.log(limit / self.skilled) / self.spread + self.spread / 2
        beyond = ndtr(-score)
        mean = self.skilled * ndtr(score - self.spread) + limit * beyond
        square = self.skilled**2 * np.exp(self.spread**2) * ndtr(score - 2 * self.spread) + limit**2 * beyond
        return self.routine + mean, square - mean**2 + 1 / 12


def draw(world: World, rng: Generator, centres: Integers) -> Integers:
    """Draw an interaction for each of the n entries of ``centres``, which are indexes into ``world.centres``.

    Returns the features, (n, 12), columns in the schema's order.
    """
    count = len(centres)
    level = rng.choice(5, size=count, p=(0.14, 0.22, 0.28, 0.22, 0.14))
    pod = rng.choice(5, size=count, p=(0.25, 0.25, 0.2, 0.15, 0.15))
    bins = np.stack([np.take(BIN_WIDTHS, pod), np.take(BIN_HEIGHTS, level), np.take(BIN_DEPTHS, pod)], axis=1)

    sides = _draw_fitting_items(world, rng, bins)
    volume = sides.prod(axis=1) / 1e6
    weight = volume * world.item_density * np.exp(0.6 * rng.standard_normal(count))
    bin_volume = bins.prod(axis=1) / 1e6
    quantity = np.minimum(rng.geometric(0.55, size=count), np.maximum(1, np.floor(0.6 * bin_volume / volume)))
    fullness = np.maximum(100 * rng.beta(*world.fullness, size=count), 100 * quantity * volume / bin_volume)
    clutter = 100 * rng.beta(*world.clutter, size=count)

    columns = {
        "fc_avg": np.array([centre.average for centre in world.centres])[centres],
        "item_length": sides[:, 0],
        "item_width": sides[:, 1],
        "item_height": sides[:, 2],
        "item_quantity": quantity,
        "item_weight": weight,
        "bin_location": np.take(BIN_LOCATIONS, level),
        "bin_width": bins[:, 0],
        "bin_height": bins[:, 1],
        "bin_depth": bins[:, 2],
        "bin_fullness": np.minimum(fullness, 100),
        "bin_clutter": clutter,
    }
    integers = {name: np.rint(column).astype(np.int64) for name, column in columns.items()}
    for name, limit in PLOTTED_LIMITS.items():
        integers[name] = np.clip(integers[name], 1, limit)
    return np.stack([integers[feature.name] for feature in FEATURES], axis=1)


def _draw_fitting_items(world: World, rng: Generator, bins: Integers) -> Floats:
    """Length >= width >= height of each item (mm, (n, 3)), shrunk if it would not fit into its bin."""
    count = len(bins)
    volume = world.item_volume * np.exp(0.9 * rng.standard_normal(count))
    shape = np.exp(0.35 * rng.standard_normal((count, 3)))
    sides = 100 * np.cbrt(volume / shape.prod(axis=1))[:, None] * shape
    sides = -np.sort(-sides, axis=1)
    fit = (sides / -np.sort(-bins, axis=1)).max(axis=1)
    fitting: Floats = sides * np.minimum(1, MAX_FIT / fit)[:, None]
    return fitting


def build_distribution(world: World, features: Integers) -> DurationDistribution:
    """The distribution of each interaction's duration; ``features`` as ``draw`` returns them, (n, 12).

    Raises ``ValueError`` for a fulfilment centre that is not in this world.
    """
    column = {feature.name: features[:, index].astype(np.float64) for index, feature in enumerate(FEATURES)}
    pace = _pace(world, column["fc_avg"])
    kilograms = column["item_weight"] / 1_000

    heavy = column["item_weight"] > TWO_HANDS
    reach = np.select(
        [column["bin_location"] < FLOOR, column["bin_location"] > LADDER],
        [2_600.0, 3_600.0 + 3_400.0 * heavy],
        default=600 * np.abs(column["bin_location"] - 1_050) / 400,
    )
    tight = 4_500.0 * (_fit(column) > TIGHT)
    slow_gripper = world.gripper_slowness * np.maximum(0, kilograms - world.gripper_limit / 1_000)

    fullness, clutter = column["bin_fullness"] / 100, column["bin_clutter"] / 100
    search = world.search * (clutter * fullness) ** 1.3 * (0.5 + column["bin_depth"] / 700)
    unpack = 5_500.0 * ((fullness > 0.6) & (clutter > 0.5))
    thin = 1_200.0 * (column["item_height"] < THIN)
    take = column["item_quantity"] ** 0.85 * (1_900 + 1_400 * heavy + thin)
    return DurationDistribution(
        routine=5_300 + world.tidying * np.maximum(0, clutter * fullness - 0.2) + slow_gripper + pace * (reach + tight),
        skilled=pace * (search + unpack + take),
        spread=0.18 + 0.08 * clutter,
        timeout=world.timeout,
    )


def _pace(world: World, averages: Floats) -> Floats:
    """The pace of the fulfilment centre of each average: the average is the only feature that identifies a centre."""
    matches = averages[:, None] == np.array([centre.average for centre in world.centres])
    if not matches.any(axis=1).all():
        raise ValueError("an interaction belongs to a fulfilment centre that is not in this world")
    pace: Floats = np.array([centre.pace for centre in world.centres])[matches.argmax(axis=1)]
    return pace


def _fit(column: dict[str, Floats]) -> Floats:
    """The largest share of a bin's side that the item takes in its best orientation, 0 to about 1."""
    item = np.sort(np.stack([column["item_length"], column["item_width"], column["item_height"]]), axis=0)
    space = np.sort(np.stack([column["bin_width"], column["bin_height"], column["bin_depth"]]), axis=0)
    fit: Floats = (item / space).max(axis=0)
    return fit


def noise_floor(world: World, features: Integers) -> float:
    """The error (RMSE, ms) of the best possible predictor, the conditional mean, on these interactions."""
    _, variance = build_distribution(world, features).moments()
    return float(np.sqrt(variance.mean()))
