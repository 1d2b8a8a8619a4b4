"""The decision: which fact refuses a round, and what an operator may override."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retraining.decision import DecisionInputs, Policy, Verdict, backoff, decide

NOW = datetime(2026, 11, 23, 6, 39, tzinfo=UTC)
POLICY = Policy(minimum_samples=1_000, cool_down=timedelta(minutes=30), rounds_per_day=12)
INPUTS = DecisionInputs(
    now=NOW,
    in_flight=None,
    last_round_at=NOW - timedelta(minutes=30),
    new_samples=1_000,
    samples_since=NOW,
    rounds_today=11,
)
"""Just enough of everything."""

Kind = Literal["alarm", "schedule", "manual"]
kinds = st.sampled_from(["alarm", "schedule", "manual"])
any_inputs = st.builds(
    DecisionInputs,
    now=st.just(NOW),
    in_flight=st.one_of(st.none(), st.just("20261123T063000Z-no-model")),
    last_round_at=st.one_of(st.none(), st.integers(0, 7_200).map(lambda seconds: NOW - timedelta(seconds=seconds))),
    new_samples=st.integers(0, 2_000),
    samples_since=st.just(NOW),
    rounds_today=st.integers(0, 20),
    is_deploying=st.booleans(),
    is_paused=st.booleans(),
    rollbacks=st.integers(0, 9),
    evaluation_window=st.integers(0, 3_600).map(lambda seconds: timedelta(seconds=seconds)),
)


@pytest.mark.parametrize("kind", ["alarm", "schedule"])
@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        (INPUTS, None),
        (replace(INPUTS, last_round_at=None, rounds_today=0), None),
        (replace(INPUTS, in_flight="20261123T063000Z-no-model"), "in_flight"),
        (replace(INPUTS, last_round_at=NOW - timedelta(minutes=30) + timedelta(milliseconds=1)), "cool_down"),
        (replace(INPUTS, rounds_today=12), "daily_budget"),
        (replace(INPUTS, new_samples=999), "too_few_samples"),
        (replace(INPUTS, evaluation_window=timedelta(minutes=15)), None),
        (
            replace(INPUTS, evaluation_window=timedelta(minutes=16)),
            "cool_down",
        ),  # it may include the previous model
        (replace(INPUTS, is_paused=True), "paused"),
        (replace(INPUTS, is_deploying=True), "deploying"),
        (replace(INPUTS, rollbacks=1), "backing_off"),
        (replace(INPUTS, rollbacks=1, last_round_at=NOW - timedelta(hours=1)), None),
        (replace(INPUTS, rollbacks=3, last_round_at=NOW - timedelta(hours=3, minutes=59)), "backing_off"),
        (replace(INPUTS, rollbacks=3, last_round_at=NOW - timedelta(hours=4)), None),
        (replace(INPUTS, rollbacks=99, last_round_at=NOW - timedelta(hours=24)), None),
        # the first fact that stands against the round is the reason
        (replace(INPUTS, in_flight="r", last_round_at=NOW, rounds_today=99, new_samples=0), "in_flight"),
        (replace(INPUTS, is_paused=True, is_deploying=True, last_round_at=NOW, new_samples=0), "paused"),
        (replace(INPUTS, last_round_at=NOW, rounds_today=99, new_samples=0), "cool_down"),
        (replace(INPUTS, rounds_today=99, new_samples=0), "daily_budget"),
    ],
)
def test_decision_table(kind: Kind, inputs: DecisionInputs, reason: str | None) -> None:
    verdict = decide(kind, inputs, POLICY)
    assert (verdict.outcome, verdict.reason) == (("start", kind) if reason is None else ("refuse", reason))


def test_budget_of_zero_disables_automatic_rounds() -> None:
    none = replace(POLICY, rounds_per_day=0)
    assert decide("alarm", replace(INPUTS, rounds_today=0), none) == Verdict("refuse", "daily_budget")
    assert decide("manual", replace(INPUTS, rounds_today=0), none) == Verdict("start", "manual")


@given(kinds, any_inputs)
def test_round_in_flight_always_refuses(kind: Kind, inputs: DecisionInputs) -> None:
    if inputs.in_flight is not None:
        assert decide(kind, inputs, POLICY) == Verdict("refuse", "in_flight")


@given(any_inputs)
def test_operator_is_refused_only_by_round_in_flight(inputs: DecisionInputs) -> None:
    verdict = decide("manual", inputs, POLICY)
    assert (verdict.outcome == "refuse") == (inputs.in_flight is not None)


@given(st.sampled_from(["alarm", "schedule"]), any_inputs)
def test_automatic_start_meets_every_limit(kind: Kind, inputs: DecisionInputs) -> None:
    if decide(kind, inputs, POLICY).outcome == "start":
        assert inputs.in_flight is None
        assert inputs.new_samples >= 1_000
        assert inputs.rounds_today < 12
        assert inputs.last_round_at is None or NOW - inputs.last_round_at >= timedelta(minutes=30)
        assert not inputs.is_deploying
        assert not inputs.is_paused


@given(st.integers(0, 10**6), st.integers(0, 40))
def test_rollback_doubles_backoff_up_to_a_day(seconds: int, rollbacks: int) -> None:
    cool_down = timedelta(seconds=seconds)
    rest, longer = backoff(cool_down, rollbacks), backoff(cool_down, rollbacks + 1)
    assert backoff(cool_down, 0) == cool_down
    assert cool_down <= rest <= longer <= max(cool_down, timedelta(hours=24))
    assert longer in {2 * rest, timedelta(hours=24), cool_down}


@given(kinds, any_inputs, st.integers(0, 1_000), st.integers(0, 7_200))
def test_more_samples_or_time_never_refuse_a_start(
    kind: Kind, inputs: DecisionInputs, samples: int, seconds: int
) -> None:
    better = replace(inputs, new_samples=inputs.new_samples + samples, now=inputs.now + timedelta(seconds=seconds))
    if decide(kind, inputs, POLICY).outcome == "start":
        assert decide(kind, better, POLICY).outcome == "start"
