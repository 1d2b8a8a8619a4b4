"""The schema: the only module that names the features and the target.

To predict something else, change this file and nothing else: the validator, the order of a row, the HTTP API, the
training job, the tests and the notebooks read it. The features and their meaning are those of the workshop "Real World
ML lifecycle with Amazon SageMaker" (AIM368, re:Invent 2019). Bounds are wide enough for any working sensor and narrow
enough to reject a broken one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

VERSION = 1
"""Increase it when a feature is added, removed, renamed or changes its unit. Samples of other versions are rejected."""


@dataclass(frozen=True, slots=True)
class Unit:
    """The physical unit of a number on the wire, as a short symbol."""

    symbol: str


class Features(BaseModel):
    """The features of a human-robot interaction, known before it happens, in the order of a row."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    fc_avg: Annotated[
        int, Unit("ms"), Field(ge=1_000, le=120_000, description="average duration in this fulfilment centre")
    ]
    item_length: Annotated[int, Unit("mm"), Field(ge=0, le=2_000, description="length of the item")]
    item_width: Annotated[int, Unit("mm"), Field(ge=0, le=2_000, description="width of the item")]
    item_height: Annotated[int, Unit("mm"), Field(ge=0, le=2_000, description="height of the item")]
    item_quantity: Annotated[int, Unit("count"), Field(ge=1, le=100, description="how many items are taken")]
    item_weight: Annotated[int, Unit("g"), Field(ge=0, le=50_000, description="weight of one item")]
    bin_location: Annotated[int, Unit("mm"), Field(ge=0, le=5_000, description="height of the bin above ground")]
    bin_width: Annotated[int, Unit("mm"), Field(ge=1, le=2_000, description="width of the bin")]
    bin_height: Annotated[int, Unit("mm"), Field(ge=1, le=2_000, description="height of the bin")]
    bin_depth: Annotated[int, Unit("mm"), Field(ge=1, le=2_000, description="depth of the bin")]
    bin_fullness: Annotated[int, Unit("%"), Field(ge=0, le=100, description="how full the bin is")]
    bin_clutter: Annotated[int, Unit("%"), Field(ge=0, le=100, description="how disordered the bin is")]


class Target(BaseModel):
    """The target: how long the robot stood at the pick station."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    duration: Annotated[
        int, Unit("ms"), Field(ge=1, le=600_000, description="how long the human-robot interaction took")
    ]


BASELINE: str | float = "fc_avg"
"""The prediction without a model: a feature's name, or a number in the target's unit. Every model must beat it."""
