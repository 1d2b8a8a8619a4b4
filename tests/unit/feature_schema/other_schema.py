"""Another domain: how much a melt gains, with measured features, negative bounds and a number as the baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

VERSION = 7


@dataclass(frozen=True, slots=True)
class Unit:
    symbol: str


class Features(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    temperature: Annotated[float, Unit("K"), Field(ge=-40.5, le=1e18, description="of the melt")]
    offset: Annotated[int, Unit("mm"), Field(ge=-500, le=-1, description="below the rim")]
    share: Annotated[float, Unit("1"), Field(ge=0, le=1, description="of scrap")]
    shift: Annotated[int, Unit("h"), Field(ge=-(2**62), le=2**62, description="against the plan")]


class Target(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    gain: Annotated[float, Unit("kg"), Field(ge=-1e6, le=1e6, description="what the melt gained")]


BASELINE: str | float = -2.5
