"""A schema of nothing in particular: names, bounds and widths as awkward as a schema may have them.

The target has the name that everybody gives it, and is never positive; the baseline is a feature that goes beyond the
target's bounds; another feature has the name of a partition of stored samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

VERSION = 12


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of a number on the wire, as a short symbol."""

    symbol: str


class Features(BaseModel):
    """Two numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    lastYear: Annotated[float, Unit("kWh"), Field(ge=-1e6, le=1e-6, description="what it was last year's day")]  # noqa: N815
    hour: Annotated[int, Unit("h"), Field(ge=0, le=23, description="the hour of the day")]


class Target(BaseModel):
    """What is predicted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    target: Annotated[float, Unit("kWh"), Field(ge=-150, le=-0.25, description="what is drawn, told as a loss")]


BASELINE: str | float = "lastYear"
"""A feature, though its range is another."""
