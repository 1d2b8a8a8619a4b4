"""Whether a cause starts a round: a pure function of facts.

A refusal names the first fact that stands against the round. An operator's word overrides what protects from a loop
that runs away (cool-down, budget, too few new samples); nothing overrides one round at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime, timedelta

Reason = Literal[
    "alarm", "schedule", "manual", "in_flight", "cool_down", "daily_budget", "too_few_samples", "no_stored_samples"
]


@dataclass(frozen=True, slots=True)
class Limits:
    """``rounds_per_day`` is counted over the last 24 hours; 0 switches automatic rounds off."""

    minimum_samples: int
    cool_down: timedelta
    rounds_per_day: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known when a cause asks for a round."""

    now: datetime
    in_flight: str | None
    """Another round that has not ended yet."""
    last_round_at: datetime | None
    """When the last round finished, however it ended; when it started, if it never finished."""
    new_samples: int
    """Accepted since the breach began, or since the last dataset was cut off."""
    rounds_today: int
    """Rounds started in the last 24 hours."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``reason`` is what triggered a start, or the code of a refusal."""

    outcome: Literal["start", "refuse"]
    reason: Reason


def decide(trigger: Literal["alarm", "schedule", "manual"], facts: Facts, limits: Limits) -> Verdict:
    """Start or refuse, and why."""
    if facts.in_flight is not None:
        return Verdict("refuse", "in_flight")
    if trigger == "manual":
        return Verdict("start", trigger)
    if facts.last_round_at is not None and facts.now < facts.last_round_at + limits.cool_down:
        return Verdict("refuse", "cool_down")
    if facts.rounds_today >= limits.rounds_per_day:
        return Verdict("refuse", "daily_budget")
    if facts.new_samples < limits.minimum_samples:
        return Verdict("refuse", "too_few_samples")
    return Verdict("start", trigger)
