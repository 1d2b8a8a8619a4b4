"""One field of the schema, a feature or the target, as plain data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Field:
    """A feature or the target. ``type`` is ``integer`` or ``number``; bounds are inclusive and in ``unit``."""

    name: str
    type: str
    unit: str
    minimum: float
    maximum: float
    meaning: str
