"""Whether a cause starts a round: a pure function of facts.

A refusal names the first fact that stands against the round. An operator's word overrides what protects from a loop
that runs away (cool-down, budget, too few new samples); nothing overrides one round at a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime

Reason = Literal[
    "alarm",
    "schedule",
    "manual",
    "in_flight",
    "paused",
    "deploying",
    "cool_down",
    "backing_off",
    "daily_budget",
    "too_few_samples",
    "no_stored_samples",
    "already_played",
]

LONGEST_BACK_OFF = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Policy:
    """``rounds_per_day`` is counted over the last 24 hours; 0 switches automatic rounds off."""

    minimum_samples: int
    cool_down: timedelta
    rounds_per_day: int


@dataclass(frozen=True, slots=True)
class DecisionInputs:
    """What is known when a cause asks for a round."""

    now: datetime
    in_flight: str | None
    """Another round that has not ended yet."""
    last_round_at: datetime | None
    """When the last round finished, however it ended, its deployment included; if it never did, when it started."""
    new_samples: int
    """Accepted since the breach began, or since the last dataset was cut off."""
    rounds_today: int
    """Rounds started in the last 24 hours."""
    deploying: bool = False
    """Whether a model is being deployed, or taken back, at this moment."""
    paused: bool = False
    """Whether an operator has taken the endpoint down."""
    rollbacks: int = 0
    """How many of the last deployments in a row were taken back."""
    judged: timedelta = timedelta()
    """How much time the alarm behind the cause judges at once, if it has not just changed."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``reason`` is what triggered a start, or the code of a refusal."""

    outcome: Literal["start", "refuse"]
    reason: Reason


def backoff(cool_down: timedelta, rollbacks: int) -> timedelta:
    """How long to rest after so many rollbacks in a row: the cool-down, doubled for each, and a day at most.

    What made a good score and a bad model may still be there, and every attempt shows planners bad predictions for a
    while. An error that persists is retrained all the same, only less often.
    """
    doubled: timedelta = cool_down * 2 ** min(rollbacks, 20)
    return max(cool_down, min(doubled, LONGEST_BACK_OFF))


def decide(trigger: Literal["alarm", "schedule", "manual"], facts: DecisionInputs, limits: Policy) -> Verdict:
    """Start or refuse, and why."""
    if facts.in_flight is not None:
        return Verdict("refuse", "in_flight")
    if trigger == "manual":
        return Verdict("start", trigger)
    rested = None if facts.last_round_at is None else facts.now - facts.last_round_at
    against: tuple[tuple[Reason, bool], ...] = (
        ("paused", facts.paused),
        ("deploying", facts.deploying),
        # An alarm that a look finds may still speak of the time before the last switch: the period in which that was
        # is half old, so it takes twice what it judges until it knows better.
        ("cool_down", rested is not None and rested < max(limits.cool_down, 2 * facts.judged)),
        ("backing_off", rested is not None and rested < backoff(limits.cool_down, facts.rollbacks)),
        ("daily_budget", facts.rounds_today >= limits.rounds_per_day),
        ("too_few_samples", facts.new_samples < limits.minimum_samples),
    )
    for reason, stands in against:
        if stands:
            return Verdict("refuse", reason)
    return Verdict("start", trigger)
