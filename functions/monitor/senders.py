"""One sender's weight is bounded, and senders far from all others are left out.

A robot can mislead in two ways: with many samples, and with extreme ones. The first is met by a bound on the weight
that a sender may have within some minutes, a multiple of the median sender's. The second is met by leaving out senders
whose mean error is far from the median sender's, but at most one in twenty of them: when more senders move, the world
has moved, and that is drift.

Rows that came without a sender share one name (``feature_schema.limits.UNKNOWN_SENDER``), so that together they are
bounded like one sender.
"""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING

from msgspec import Struct

from monitor.stored_rows import hash_fraction

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_WEIGHT_MULTIPLE = 2.0
"""A sender counts at most as much as this many median senders."""
MIN_WEIGHT = 1.0
"""So much of every sender counts in any case."""
WEIGHT_DECAY_MINUTES = 5.0
ERROR_DECAY_MINUTES = 60.0
MAX_LEFT_OUT_SHARE = 0.05
FAR_EXCESS = 4.0
"""How far a sender's mean excess must be from the median to be far: with squared errors capped at 25 times the
promised square, a robot that reports seconds instead of milliseconds is at 24; one of a fleet that drifts is at the
median."""
FAR_SPREADS = 8.0
"""...and how many robust standard deviations of all senders' means."""
MIN_ERROR_WEIGHT = 5.0
"""Samples that a sender must have before it can be left out."""
MAX_TRACKED = 2_000
"""Senders that are followed, chosen by the hash of their names; in a larger fleet one sender weighs nothing."""
_FORGOTTEN_WEIGHT = 1e-3


class Sender(Struct, frozen=True):
    """Exponentially decayed sums of one sender at ``seen_at`` (minutes since 1970).

    ``weight`` decays within minutes and bounds what counts; ``error_weight`` and ``excess`` decay within hours and tell
    how far off its samples are. They see all its samples, also those that did not count.
    """

    seen_at: float
    weight: float = 0.0
    error_weight: float = 0.0
    excess: float = 0.0

    @property
    def mean_excess(self) -> float:
        """The mean of its capped excesses."""
        return self.excess / self.error_weight if self.error_weight else 0.0


class Senders(Struct, frozen=True):
    """The followed senders by name; ``share`` of all names is followed."""

    by_name: dict[str, Sender] = {}
    share: float = 1.0

    def is_tracked(self, name: str) -> bool:
        """Whether this sender is followed."""
        return hash_fraction(name) < self.share


def decay(sender: Sender, now: float) -> Sender:
    """The sender's sums as of ``now`` (minutes since 1970). An earlier time than the sender's own changes nothing."""
    elapsed = now - sender.seen_at
    if elapsed <= 0:
        return sender
    weight, error = math.exp(-elapsed / WEIGHT_DECAY_MINUTES), math.exp(-elapsed / ERROR_DECAY_MINUTES)
    return Sender(now, sender.weight * weight, sender.error_weight * error, sender.excess * error)


def allowed_weight(counts: Mapping[str, float], senders: Senders, now: float) -> dict[str, float]:
    """How much of each sender's weight in a batch counts.

    ``counts`` is the weight of each sender's rows in the batch. A single sender is not bounded.
    """
    before = {name: decay(sender, now).weight for name, sender in senders.by_name.items()}
    totals = dict(before)
    for name, count in counts.items():
        totals[name] = totals.get(name, 0.0) + count
    if len(totals) < 2:
        return dict(counts)
    limit = max(MIN_WEIGHT, MAX_WEIGHT_MULTIPLE * median(totals.values()))
    return {name: min(count, max(0.0, limit - before.get(name, 0.0))) for name, count in counts.items()}


def left_out(senders: Senders) -> dict[str, float]:
    """The senders far from all others, at most ``MAX_LEFT_OUT_SHARE`` of them, with their error ratio to the promise.

    The farthest come first. If more are far than may be left out, none is: then it is the world that moved.
    """
    means = {name: sender.mean_excess for name, sender in senders.by_name.items() if _is_judged(sender)}
    if not means:
        return {}
    middle = median(means.values())
    spread = 1.4826 * median(abs(mean - middle) for mean in means.values())
    distance = max(FAR_EXCESS, FAR_SPREADS * spread)
    far = {name: mean for name, mean in means.items() if mean - middle > distance}
    if len(far) > MAX_LEFT_OUT_SHARE * len(means):
        return {}
    ordered = sorted(far, key=lambda name: (-far[name], name))
    return {name: math.sqrt(1 + far[name]) for name in ordered}


def _is_judged(sender: Sender) -> bool:
    return sender.error_weight >= MIN_ERROR_WEIGHT


def observe(
    senders: Senders, counted: Mapping[str, float], errors: Mapping[str, tuple[int, float]], now: float
) -> Senders:
    """Add a batch: the weight that counted, and (rows, sum of excesses) of all rows, by sender."""
    by_name = dict(senders.by_name)
    for name in {*counted, *errors}:
        if not senders.is_tracked(name):
            continue
        sender = decay(by_name.get(name, Sender(now)), now)
        count, excess = errors.get(name, (0, 0.0))
        by_name[name] = Sender(
            sender.seen_at,
            sender.weight + counted.get(name, 0.0),
            sender.error_weight + count,
            sender.excess + excess,
        )
    return _bounded(Senders(by_name, senders.share), now)


def _bounded(senders: Senders, now: float) -> Senders:
    by_name, share = senders.by_name, senders.share
    if len(by_name) > MAX_TRACKED:
        by_name = {name: sender for name, sender in by_name.items() if not _is_forgotten(sender, now)}
    while len(by_name) > MAX_TRACKED:
        share /= 2
        by_name = {name: sender for name, sender in by_name.items() if hash_fraction(name) < share}
    return Senders(by_name, share)


def _is_forgotten(sender: Sender, now: float) -> bool:
    return decay(sender, now).error_weight < _FORGOTTEN_WEIGHT


def sums_by_sender(rows: Iterable[tuple[str, float]]) -> dict[str, tuple[int, float]]:
    """(rows, sum of excesses) by sender, from (sender, excess) of each row.

    Rows count alike here, whatever they stand for: how sure a mean is depends on their number.
    """
    sums: dict[str, tuple[int, float]] = {}
    for name, excess in rows:
        count, total = sums.get(name, (0, 0.0))
        sums[name] = (count + 1, total + excess)
    return sums
