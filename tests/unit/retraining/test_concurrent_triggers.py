"""Two events ask for a round at the same time, or one event comes twice: there is one round, with one job."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retraining import source_archive
from retraining.start_round import handle_trigger
from rounds import Decision, Round, RoundLock
from tests.unit.interleaving import interleave
from tests.unit.retraining.factories import LEASE, MODEL_ERROR, NO_MODEL, cloud_with_samples, make_context

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from retraining.triggers import Trigger
    from tests.unit.fake_aws import Cloud

FIRST, SECOND = "first", "second"


@pytest.fixture(autouse=True, scope="module")
def packed() -> Iterator[None]:
    """The job's source archive, packed once."""
    archive = source_archive.build_source_archive()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_archive, "build_source_archive", lambda: archive)
        yield


def play(triggers: tuple[Trigger, Trigger], plan: Sequence[tuple[str, int]]) -> Cloud:
    """Who makes how many requests, in order; then the first all that are left, and the second."""
    cloud = cloud_with_samples()
    world = make_context(cloud)
    with interleave(cloud) as turns:
        for name, trigger in zip((FIRST, SECOND), triggers, strict=True):
            turns.start(name, lambda trigger=trigger: handle_trigger(trigger, world, lease=LEASE))  # type: ignore[misc]
        for name, requests in [*plan, (FIRST, 1_000), (SECOND, 1_000)]:
            turns.give(name, requests)
    return cloud


@cache
def requests_of_one() -> int:
    """How many requests a trigger takes that starts a round."""
    cloud = cloud_with_samples()
    with interleave(cloud) as turns:
        turns.start(FIRST, lambda: handle_trigger(MODEL_ERROR, make_context(cloud), lease=LEASE))
        while turns.give(FIRST):
            pass
    return turns.working[FIRST].requests


def told(cloud: Cloud) -> tuple[dict[str, Any], Counter[tuple[str, str]]]:
    """Everything that a round is, and how often each decision was taken."""
    store = make_context(cloud).store
    lock = store.get(RoundLock, "round")
    outcome = {
        "rounds": [(one.name, one.status) for one in store.newest(Round, limit=10)],
        "in flight": None if lock is None or lock.holder is None else lock.holder.round,
        "jobs": list(cloud.sagemaker.jobs),
        "datasets": sorted({one.key.split("/")[1] for one in cloud.s3.versions if one.key.startswith("datasets/")}),
    }
    return outcome, Counter((one.outcome, one.reason) for one in store.newest(Decision, limit=10))


def check(triggers: tuple[Trigger, Trigger], plan: Sequence[tuple[str, int]]) -> None:
    same = triggers[0] == triggers[1]
    outcome, decisions = told(play(triggers, plan))
    ((name, status),) = outcome["rounds"]
    assert name in {trigger.round_name for trigger in triggers}
    assert (status, outcome["in flight"], outcome["jobs"]) == ("started", name, [f"dwell-{name}"])
    assert outcome["datasets"] == [name]
    reasons = {reason for verdict, reason in decisions if verdict == "refuse"}
    assert decisions.total() == (1 if same else 2)
    # The other is in flight, or by the time that rounds are looked at, has just begun.
    assert reasons in ([set()] if same else [{"in_flight"}, {"cool_down"}])


@pytest.mark.parametrize("triggers", [(MODEL_ERROR, NO_MODEL), (MODEL_ERROR, MODEL_ERROR)], ids=["two", "twice"])
def test_one_in_the_middle_of_the_other_is_one_round(triggers: tuple[Trigger, Trigger]) -> None:
    requests = requests_of_one()
    assert requests > 12
    for first in range(requests):
        for second in range(1, requests + 1, 2):
            check(triggers, [(FIRST, first), (SECOND, second)])


@given(
    twice=st.booleans(),
    plan=st.lists(st.tuples(st.sampled_from([FIRST, SECOND]), st.integers(1, 12)), max_size=10),
)
@settings(max_examples=150)
def test_any_order_of_requests_is_one_round(*, twice: bool, plan: list[tuple[str, int]]) -> None:
    check((MODEL_ERROR, MODEL_ERROR if twice else NO_MODEL), plan)
