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
LIMITS = Policy(minimum_samples=1_000, cool_down=timedelta(minutes=30), rounds_per_day=12)
FACTS = DecisionInputs(
    now=NOW, in_flight=None, last_round_at=NOW - timedelta(minutes=30), new_samples=1_000, rounds_today=11
)
"""Just enough of everything."""

Trigger = Literal["alarm", "schedule", "manual"]
triggers = st.sampled_from(["alarm", "schedule", "manual"])
facts = st.builds(
    DecisionInputs,
    now=st.just(NOW),
    in_flight=st.one_of(st.none(), st.just("20261123T063000Z-no-model")),
    last_round_at=st.one_of(st.none(), st.integers(0, 7_200).map(lambda seconds: NOW - timedelta(seconds=seconds))),
    new_samples=st.integers(0, 2_000),
    rounds_today=st.integers(0, 20),
    deploying=st.booleans(),
    paused=st.booleans(),
    rollbacks=st.integers(0, 9),
    judged=st.integers(0, 3_600).map(lambda seconds: timedelta(seconds=seconds)),
)


@pytest.mark.parametrize("trigger", ["alarm", "schedule"])
@pytest.mark.parametrize(
    ("given_facts", "reason"),
    [
        (FACTS, None),
        (replace(FACTS, last_round_at=None, rounds_today=0), None),
        (replace(FACTS, in_flight="20261123T063000Z-no-model"), "in_flight"),
        (replace(FACTS, last_round_at=NOW - timedelta(minutes=30) + timedelta(milliseconds=1)), "cool_down"),
        (replace(FACTS, rounds_today=12), "daily_budget"),
        (replace(FACTS, new_samples=999), "too_few_samples"),
        (replace(FACTS, judged=timedelta(minutes=15)), None),
        (replace(FACTS, judged=timedelta(minutes=16)), "cool_down"),  # the alarm may speak of the time before
        (replace(FACTS, paused=True), "paused"),
        (replace(FACTS, deploying=True), "deploying"),
        (replace(FACTS, rollbacks=1), "backing_off"),
        (replace(FACTS, rollbacks=1, last_round_at=NOW - timedelta(hours=1)), None),
        (replace(FACTS, rollbacks=3, last_round_at=NOW - timedelta(hours=3, minutes=59)), "backing_off"),
        (replace(FACTS, rollbacks=3, last_round_at=NOW - timedelta(hours=4)), None),
        (replace(FACTS, rollbacks=99, last_round_at=NOW - timedelta(hours=24)), None),
        # the first fact that stands against the round is the reason
        (replace(FACTS, in_flight="r", last_round_at=NOW, rounds_today=99, new_samples=0), "in_flight"),
        (replace(FACTS, paused=True, deploying=True, last_round_at=NOW, new_samples=0), "paused"),
        (replace(FACTS, last_round_at=NOW, rounds_today=99, new_samples=0), "cool_down"),
        (replace(FACTS, rounds_today=99, new_samples=0), "daily_budget"),
    ],
)
def test_the_table_of_decisions(trigger: Trigger, given_facts: DecisionInputs, reason: str | None) -> None:
    verdict = decide(trigger, given_facts, LIMITS)
    assert (verdict.outcome, verdict.reason) == (("start", trigger) if reason is None else ("refuse", reason))


def test_a_budget_of_zero_switches_automatic_rounds_off() -> None:
    none = replace(LIMITS, rounds_per_day=0)
    assert decide("alarm", replace(FACTS, rounds_today=0), none) == Verdict("refuse", "daily_budget")
    assert decide("manual", replace(FACTS, rounds_today=0), none) == Verdict("start", "manual")


@given(triggers, facts)
def test_never_two_rounds_at_once(trigger: Trigger, given_facts: DecisionInputs) -> None:
    if given_facts.in_flight is not None:
        assert decide(trigger, given_facts, LIMITS) == Verdict("refuse", "in_flight")


@given(facts)
def test_an_operator_is_only_held_up_by_a_round_in_flight(given_facts: DecisionInputs) -> None:
    verdict = decide("manual", given_facts, LIMITS)
    assert (verdict.outcome == "refuse") == (given_facts.in_flight is not None)


@given(st.sampled_from(["alarm", "schedule"]), facts)
def test_an_automatic_round_keeps_every_limit(trigger: Trigger, given_facts: DecisionInputs) -> None:
    if decide(trigger, given_facts, LIMITS).outcome == "start":
        assert given_facts.in_flight is None
        assert given_facts.new_samples >= 1_000
        assert given_facts.rounds_today < 12
        assert given_facts.last_round_at is None or NOW - given_facts.last_round_at >= timedelta(minutes=30)
        assert not given_facts.deploying
        assert not given_facts.paused


@given(st.integers(0, 10**6), st.integers(0, 40))
def test_each_rollback_in_a_row_doubles_the_rest_up_to_a_day(seconds: int, rollbacks: int) -> None:
    cool_down = timedelta(seconds=seconds)
    rest, longer = backoff(cool_down, rollbacks), backoff(cool_down, rollbacks + 1)
    assert backoff(cool_down, 0) == cool_down
    assert cool_down <= rest <= longer <= max(cool_down, timedelta(hours=24))
    assert longer in {2 * rest, timedelta(hours=24), cool_down}


@given(triggers, facts, st.integers(0, 1_000), st.integers(0, 7_200))
def test_more_samples_or_more_time_never_turn_a_start_into_a_refusal(
    trigger: Trigger, given_facts: DecisionInputs, samples: int, seconds: int
) -> None:
    better = replace(
        given_facts, new_samples=given_facts.new_samples + samples, now=given_facts.now + timedelta(seconds=seconds)
    )
    if decide(trigger, given_facts, LIMITS).outcome == "start":
        assert decide(trigger, better, LIMITS).outcome == "start"
