"""Two events trigger a round at the same time, or one event is delivered twice: there is one round with one job."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retraining import dataset_manifest, source_archive
from retraining.start_round import handle_trigger
from rounds import Decision, Round, RoundLock
from tests.unit.interleaving import interleave
from tests.unit.retraining.factories import LEASE, MODEL_ERROR, NO_MODEL, cloud_with_samples, make_context

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from retraining.triggers import Trigger
    from tests.unit.fake_aws import Cloud

FIRST, SECOND = "first", "second"
ALL_REQUESTS = 1_000


@pytest.fixture(autouse=True, scope="module")
def cheap_requests() -> Iterator[None]:
    """Pack the job's source once, and list the samples of 2 days instead of 30.

    Each day is one request that neither function's writes affect, so more of them only repeat the same interleavings.
    """
    archive = source_archive.build_source_archive()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_archive, "build_source_archive", lambda: archive)
        patch.setattr(dataset_manifest, "MAX_AGE_DAYS", 2)
        yield


def run_interleaved(triggers: tuple[Trigger, Trigger], plan: Sequence[tuple[str, int]]) -> tuple[Cloud, bool]:
    """Make the requests of both functions in the planned order, then the first's and the second's remaining ones.

    Returns the cloud, and whether a function ended before it made all of its planned requests.
    """
    cloud = cloud_with_samples()
    context = make_context(cloud)
    ended_early = False
    with interleave(cloud) as turns:
        for name, trigger in zip((FIRST, SECOND), triggers, strict=True):
            turns.start(name, lambda trigger=trigger: handle_trigger(trigger, context, lease=LEASE))  # type: ignore[misc]
        for name, requests in plan:
            before = turns.working[name].requests
            turns.give(name, requests)
            ended_early |= turns.working[name].requests - before < requests
        for name in (FIRST, SECOND):
            turns.give(name, ALL_REQUESTS)
            assert turns.working[name].ended
    return cloud, ended_early


@cache
def count_requests() -> int:
    """The number of requests with which a trigger alone starts a round."""
    cloud = cloud_with_samples()
    with interleave(cloud) as turns:
        turns.start(FIRST, lambda: handle_trigger(MODEL_ERROR, make_context(cloud), lease=LEASE))
        while turns.give(FIRST):
            pass
    return turns.working[FIRST].requests


def read_outcome(cloud: Cloud) -> tuple[dict[str, Any], Counter[tuple[str, str]]]:
    """Every part of every round, and the number of decisions by outcome and reason."""
    store = make_context(cloud).store
    lock = store.get(RoundLock, "round")
    outcome = {
        "rounds": [(round_.name, round_.status) for round_ in store.newest(Round, limit=10)],
        "in flight": None if lock is None or lock.holder is None else lock.holder.round,
        "jobs": list(cloud.sagemaker.jobs),
        "datasets": sorted({v.key.split("/")[1] for v in cloud.s3.versions if v.key.startswith("datasets/")}),
    }
    decisions = store.newest(Decision, limit=10)
    return outcome, Counter((decision.outcome, decision.reason) for decision in decisions)


def check_one_round(triggers: tuple[Trigger, Trigger], plan: Sequence[tuple[str, int]]) -> bool:
    """Check that the plan ends in one round; returns whether a function ended before it made its planned requests."""
    is_same_event = triggers[0] == triggers[1]
    cloud, ended_early = run_interleaved(triggers, plan)
    outcome, decisions = read_outcome(cloud)
    ((name, status),) = outcome["rounds"]
    assert name in {trigger.round_name for trigger in triggers}
    assert (status, outcome["in flight"], outcome["jobs"]) == ("started", name, [f"dwell-{name}"])
    assert outcome["datasets"] == [name]
    reasons = {reason for verdict, reason in decisions if verdict == "refuse"}
    assert decisions.total() == (1 if is_same_event else 2)
    # The other round is in flight, or has just started when the rounds are read.
    assert reasons in ([set()] if is_same_event else [{"in_flight"}, {"cool_down"}])
    return ended_early


@pytest.mark.parametrize("triggers", [(MODEL_ERROR, NO_MODEL), (MODEL_ERROR, MODEL_ERROR)], ids=["two", "twice"])
def test_trigger_within_another_starts_one_round(triggers: tuple[Trigger, Trigger]) -> None:
    requests = count_requests()
    assert requests > 12
    for first in range(requests):
        for second in range(1, requests + 1):
            if check_one_round(triggers, [(FIRST, first), (SECOND, second)]):
                break  # the second has ended: more planned requests would be the same order


@given(
    twice=st.booleans(),
    plan=st.lists(st.tuples(st.sampled_from([FIRST, SECOND]), st.integers(1, 12)), max_size=10),
)
@settings(max_examples=150)
def test_any_order_of_requests_starts_one_round(*, twice: bool, plan: list[tuple[str, int]]) -> None:
    check_one_round((MODEL_ERROR, MODEL_ERROR if twice else NO_MODEL), plan)
