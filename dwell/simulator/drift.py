"""The kinds of drift: changes of the simulated world, and their strength.

The strengths were measured with a gradient-boosted model trained on 30,000 samples before the drift: its live error
relative to its promise (the alarm's threshold is 1.25), and the new noise floor relative to the old one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dwell.console.errors import InvalidUsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dwell.simulator.physics import World

DEFAULT_DRIFT = "new-gripper"
"""The drift of ``dwell run``."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A change of the world. ``apply`` accepts a world that has drifted before."""

    name: str
    meaning: str
    strength: str
    apply: Callable[[World], World]


class UnknownDriftError(InvalidUsageError):
    """There is no drift of that name. The message lists all names."""


def _new_gripper(world: World) -> World:
    return replace(world, gripper_limit=450.0, gripper_slowness=6_000.0)


def _clutter_policy(world: World) -> World:
    return replace(world, fullness=(2.8, 1.7), clutter=(2.0, 2.1), tidying=world.tidying + 16_000.0)


def _slow_fc(world: World) -> World:
    largest, *others = world.centres
    return replace(world, centres=(replace(largest, pace=1.7 * largest.pace), *others))


def _new_catalogue(world: World) -> World:
    return replace(world, item_volume=2.5 * world.item_volume, item_density=1.2 * world.item_density)


DRIFTS: dict[str, Drift] = {
    drift.name: drift
    for drift in (
        Drift(
            "new-gripper",
            "A new gripper is slow with items above 450 g: 6 s more for each kilogram. "
            "The durations change, the items do not.",
            "error x 2.1, noise floor x 1.0",
            _new_gripper,
        ),
        Drift(
            "clutter-policy",
            "Bins are fuller and less sorted, and disorder has to be tidied before the search: up to 13 s. "
            "The durations and the bins change.",
            "error x 1.9, noise floor x 1.1",
            _clutter_policy,
        ),
        Drift(
            "slow-fc",
            "The people of the largest fulfilment centre need 1.7 times as long. Its recorded average stays.",
            "error x 1.85, noise floor x 1.15",
            _slow_fc,
        ),
        Drift(
            "new-catalogue",
            "Items are 2.5 times as large and a fifth denser. Durations for the same items stay: an older model "
            "remains valid nearly everywhere, and no alarm should go off.",
            "error x 1.1, noise floor x 1.05",
            _new_catalogue,
        ),
    )
}
"""The kinds of drift, by name."""


def get_drift(name: str) -> Drift:
    """Return the drift of that name. Raises ``UnknownDriftError``."""
    try:
        return DRIFTS[name]
    except KeyError:
        raise UnknownDriftError(f"there is no drift {name!r}; there are {', '.join(DRIFTS)}") from None
