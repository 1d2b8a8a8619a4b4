"""Sums of error by minute, and the sliding windows that are judged from them.

Samples come in packs: those of one segment in one minute resemble each other, so their number overstates what they
prove. A window's variance is therefore estimated from the sums of its blocks; a block is a segment and a minute.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from msgspec import Struct

from monitor.capped_error import error_ratio

if TYPE_CHECKING:
    from collections.abc import Iterable

MINUTE_SECONDS = 60
DAY_MINUTES = 1_440
OPEN_MINUTES = 15
"""Minutes whose blocks are kept apart, since later objects may still add to them; buffers hold rows back for at most as
long as ``DeliveryBufferSeconds`` and ``TransformBufferSeconds`` together."""
MAX_SEGMENTS = 500
"""Segments that have blocks of their own in a minute; the rows of any more share one."""
OTHER_SEGMENTS = "*"


class Block(Struct, frozen=True):
    """Sums over the rows of one segment in one minute.

    ``rows`` is their number; ``weight`` counts each by the inverse of the share that was drawn. ``excess`` sums the
    capped excess of the model, ``baseline_excess`` that of BASELINE against the same promise, both weighted.
    """

    rows: int = 0
    weight: float = 0.0
    excess: float = 0.0
    baseline_excess: float = 0.0

    def plus(self, other: Block) -> Block:
        """The sums of both."""
        return Block(
            self.rows + other.rows,
            self.weight + other.weight,
            self.excess + other.excess,
            self.baseline_excess + other.baseline_excess,
        )


class Sums(Struct, frozen=True):
    """Sums over many blocks: what ``Block`` has, and the squares that their variance needs."""

    rows: int = 0
    weight: float = 0.0
    excess: float = 0.0
    baseline_excess: float = 0.0
    blocks: int = 0
    squared_excess: float = 0.0
    squared_gain: float = 0.0
    """Squares of (excess - baseline_excess) by block: the paired comparison with BASELINE."""

    def plus(self, other: Sums) -> Sums:
        """The sums of both."""
        return Sums(
            self.rows + other.rows,
            self.weight + other.weight,
            self.excess + other.excess,
            self.baseline_excess + other.baseline_excess,
            self.blocks + other.blocks,
            self.squared_excess + other.squared_excess,
            self.squared_gain + other.squared_gain,
        )

    @property
    def ratio(self) -> float:
        """Live error over promised error, both capped root mean squares; NaN without rows."""
        return error_ratio(self.excess / self.weight) if self.weight else math.nan

    def lower_ratio(self, z: float) -> float:
        """The ratio that is exceeded with ``z`` standard errors of confidence; NaN without rows."""
        if not self.weight:
            return math.nan
        return error_ratio(
            (self.excess - z * _standard_error(self.excess, self.squared_excess, self.blocks)) / self.weight
        )

    def lower_loss(self, z: float) -> float:
        """The model's mean capped square less BASELINE's, in promised squares, less ``z`` standard errors."""
        if not self.weight:
            return math.nan
        loss = self.excess - self.baseline_excess
        return (loss - z * _standard_error(loss, self.squared_gain, self.blocks)) / self.weight


def _standard_error(total: float, squares: float, blocks: int) -> float:
    """The standard error of a sum over blocks; infinite for a single block, which tells nothing of its variance."""
    if blocks < 2:
        return math.inf
    return math.sqrt(max(0.0, squares - total * total / blocks))


def sums_of(blocks: Iterable[Block]) -> Sums:
    """The sums over these blocks."""
    total = Sums()
    for block in blocks:
        gain = block.excess - block.baseline_excess
        total = total.plus(
            Sums(block.rows, block.weight, block.excess, block.baseline_excess, 1, block.excess**2, gain**2)
        )
    return total


class Series(Struct, frozen=True):
    """One model's error since its promise began, by minute since 1970.

    The blocks of the newest minutes are kept apart in ``open``; older minutes are summed in ``closed``, for a day.
    """

    model: str
    since: float
    expected_error: float
    open: dict[int, dict[str, Block]] = {}
    closed: dict[int, Sums] = {}

    @property
    def newest_minute(self) -> int | None:
        """The newest minute with rows, if there is one."""
        return max([*self.open, *self.closed], default=None)

    def window(self, end_minute: int, minutes: int) -> Sums:
        """The sums of the ``minutes`` minutes that end before ``end_minute``."""
        total = Sums()
        for minute in range(end_minute - minutes, end_minute):
            if minute in self.open:
                total = total.plus(sums_of(self.open[minute].values()))
            elif minute in self.closed:
                total = total.plus(self.closed[minute])
        return total


def add_blocks(series: Series, blocks: dict[tuple[int, str], Block]) -> Series:
    """Add blocks by (minute, segment); close the minutes that are over, and forget those older than a day.

    Rows of a minute that is closed already join it as blocks of their own.
    """
    opened = {minute: dict(segments) for minute, segments in series.open.items()}
    closed = dict(series.closed)
    for (minute, segment), block in blocks.items():
        if minute in closed:
            closed[minute] = closed[minute].plus(sums_of([block]))
            continue
        segments = opened.setdefault(minute, {})
        name = segment if segment in segments or len(segments) < MAX_SEGMENTS else OTHER_SEGMENTS
        segments[name] = segments.get(name, Block()).plus(block)
    newest = max([*opened, *closed], default=0)
    for minute in [minute for minute in opened if minute <= newest - OPEN_MINUTES]:
        closed[minute] = closed.get(minute, Sums()).plus(sums_of(opened.pop(minute).values()))
    kept = {minute: sums for minute, sums in closed.items() if minute > newest - DAY_MINUTES - OPEN_MINUTES}
    return Series(series.model, series.since, series.expected_error, opened, kept)
