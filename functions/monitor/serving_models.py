"""Which models may answer now, since when, and what error they promise: what an echo is checked against."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping


class ServingModel(Struct, frozen=True):
    """A model that may answer planners now.

    ``since`` is when it could answer first, in seconds since 1970. ``expected_error`` is its promise, in the target's
    unit, as the table has it: what a robot says of a promise counts for nothing.
    """

    since: float
    expected_error: float


class Serving(Struct, frozen=True):
    """The live model, the one on trial beside it, and every model whose echoes are believed (both included)."""

    live: str | None = None
    on_trial: str | None = None
    models: dict[str, ServingModel] = {}

    def promise(self, model: str | None) -> ServingModel | None:
        """The model's entry, or None for a name that may not answer."""
        return None if model is None else self.models.get(model)


def is_believable(serving: Serving, model: str | None, asked_at: float, tolerance_seconds: float) -> bool:
    """Whether ``model`` could have answered a planner at ``asked_at`` (seconds since 1970)."""
    entry = serving.promise(model)
    return entry is not None and asked_at >= entry.since - tolerance_seconds


def expected_errors(serving: Serving) -> Mapping[str, float]:
    """The promised error of each believable model, in the target's unit."""
    return {name: entry.expected_error for name, entry in serving.models.items()}
