"""Whether a trigger starts a round: a pure function.

A refusal names the first condition that is not met. An operator's request overrides the limits that guard against
runaway retraining (cool-down, backoff, daily budget, too few new samples); nothing overrides one round at a time.
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

MAX_BACKOFF = timedelta(hours=24)
MAX_DOUBLINGS = 20
"""Bounds the power of two; 20 doublings of any cool-down above 0.1 s exceed the longest backoff."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The limits of automatic rounds.

    ``minimum_samples`` is how many new samples a round needs, ``cool_down`` the time after the last round, and
    ``rounds_per_day`` the budget of any 24 hours; 0 switches automatic rounds off.
    """

    minimum_samples: int
    cool_down: timedelta
    rounds_per_day: int


@dataclass(frozen=True, slots=True)
class DecisionInputs:
    """What is known when a trigger asks for a round."""

    now: datetime
    in_flight: str | None
    """The name of another round that has not ended."""
    last_round_at: datetime | None
    """When the last round finished, with or without a promotion, including its deployment; its start if it has not
    finished."""
    new_samples: int
    """Samples accepted since ``samples_since``."""
    samples_since: datetime
    """Where the drift began or, if it is later, the cut-off of the last dataset."""
    rounds_today: int
    """Automatic rounds started in the last 24 hours."""
    is_deploying: bool = False
    """Whether the endpoint is changing its model, forward or back."""
    is_paused: bool = False
    """Whether an operator has paused the endpoint."""
    rollbacks: int = 0
    """How many of the latest deployments in a row were rolled back or failed."""
    evaluation_window: timedelta = timedelta()
    """The time span that the alarm evaluates, if the schedule found it; 0 for an alarm that just changed."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``reason`` is the kind of the trigger for a start, or the code of a refusal."""

    outcome: Literal["start", "refuse"]
    reason: Reason


def backoff(cool_down: timedelta, rollbacks: int) -> timedelta:
    """The minimum time since the last round: the cool-down, doubled for each rollback in a row, up to 24 hours.

    The cause of a good test score and a bad live model may persist, and each attempt exposes planners to bad
    predictions for a while. Retraining goes on, but less often. A cool-down above 24 hours is not shortened.
    """
    doubled: timedelta = cool_down * 2 ** min(rollbacks, MAX_DOUBLINGS)
    return max(cool_down, min(doubled, MAX_BACKOFF))


def decide(kind: Literal["alarm", "schedule", "manual"], inputs: DecisionInputs, policy: Policy) -> Verdict:
    """Whether a trigger of this kind starts a round, and why or why not."""
    if inputs.in_flight is not None:
        return Verdict("refuse", "in_flight")
    if kind == "manual":
        return Verdict("start", kind)
    since_last_round = None if inputs.last_round_at is None else inputs.now - inputs.last_round_at

    def is_within(minimum: timedelta) -> bool:
        return since_last_round is not None and since_last_round < minimum

    refusals: tuple[tuple[Reason, bool], ...] = (
        ("paused", inputs.is_paused),
        ("deploying", inputs.is_deploying),
        # After a deployment an active alarm may still include data of the previous model, so wait two evaluation
        # windows.
        ("cool_down", is_within(max(policy.cool_down, 2 * inputs.evaluation_window))),
        ("backing_off", is_within(backoff(policy.cool_down, inputs.rollbacks))),
        ("daily_budget", inputs.rounds_today >= policy.rounds_per_day),
        ("too_few_samples", inputs.new_samples < policy.minimum_samples),
    )
    for reason, applies in refusals:
        if applies:
            return Verdict("refuse", reason)
    return Verdict("start", kind)
