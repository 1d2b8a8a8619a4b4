"""Another schema: how long people live, by country and year (Gapminder). It stands in for the robots' own in a test.

Unlike theirs it has numbers that are no whole numbers, numbers below zero, numbers above a thousand million, another
width, and a baseline that is a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

VERSION = 3
"""Not the robots' version either."""


@dataclass(frozen=True, slots=True)
class Unit:
    """The unit of a number on the wire, as a short symbol."""

    symbol: str


class Features(BaseModel):
    """What is known of a country in a year, in the order of a row."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    year: Annotated[int, Unit("year"), Field(ge=1900, le=2100, description="the year that is looked at")]
    population: Annotated[int, Unit("count"), Field(ge=1, le=20_000_000_000, description="how many people live there")]
    gdp_per_person: Annotated[float, Unit("$"), Field(ge=0, le=1e6, description="yearly income per person")]
    latitude: Annotated[float, Unit("deg"), Field(ge=-90, le=90, description="of its middle, north is positive")]
    longitude: Annotated[float, Unit("deg"), Field(ge=-180, le=180, description="of its middle, east is positive")]


class Target(BaseModel):
    """What is predicted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    life_expectancy: Annotated[
        float, Unit("years"), Field(ge=0, le=120, description="how long a person born there then lives on average")
    ]


BASELINE: str | float = 56.5
"""The answer without a model: the mean of the years up to 1987."""
