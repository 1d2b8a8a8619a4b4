"""The queue gives one event at a time; what can still happen at once are two attempts at the same event.

Lambda and SQS deliver at least once: an attempt may run twice side by side, or die anywhere and be repeated while the
events behind it wait. However the requests of two attempts mix, a deployment ends as if the event had been handled
once, and table and endpoint agree. A deployment takes longer than an attempt (30 s), so that SageMaker ends it between
two events here.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promotion.events import EndpointChanged, JobEnded, OperatorRequest, Reconcile
from promotion.reconcile import reconcile
from tests.unit.fake_aws import ENDPOINT
from tests.unit.interleaving import interleave
from tests.unit.promotion.factories import (
    CHAMPION,
    JOB,
    OLD,
    WINNER,
    add_kept_winner,
    get_endpoint,
    get_model,
    handle_endpoint_change,
    make_cloud,
    make_context,
    snapshot,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from promotion.events import Event
    from tests.unit.fake_aws import Cloud

type Plan = Sequence[tuple[Literal["first", "second"], int]]
"""Which attempt makes how many requests, in order. The second starts at its first request; what is left after the plan
is done by the first and then by the second."""
type Operator = Literal["promote", "pause"]

ONCE: Plan = ()
FAILED = "it did not pass the ping health check"
MAX_REQUESTS = 500
"""More than any attempt makes."""
MAX_EVENTS = 20
"""More than any scene needs: a scene that goes on has no end."""


class Scene:
    """A job has ended. ``stale``: a failed endpoint is in the way.

    ``operator``: a third model or a pause is requested, before (``operator_first``) or after the job's end.
    """

    def __init__(
        self,
        *,
        champion: bool,
        fail: bool,
        stale: bool = False,
        operator: Operator | None = None,
        operator_first: bool = False,
    ) -> None:
        self.cloud: Cloud = make_cloud(champion=champion)
        self.fail = fail
        self.queue: list[Event] = [JobEnded(JOB)]
        self.attempts = 0
        if stale:
            self.cloud.sagemaker.endpoint = {
                "EndpointName": ENDPOINT,
                "EndpointConfigName": OLD,
                "EndpointStatus": "Failed",
                "FailureReason": "long ago",
                "LastModifiedTime": self.cloud.time - timedelta(minutes=5),
            }
            handle_endpoint_change(make_context(self.cloud))
            self.queue.append(EndpointChanged())
        self.third = add_kept_winner(self.cloud) if operator else None
        if operator:
            model = self.third if operator == "promote" else None
            request = OperatorRequest(source="dwell.operator", id="1", action=operator, model=model)
            self.queue.insert(0 if operator_first else 1, request)

    def play(self, plans: Sequence[Plan] = (), *, die: bool = False) -> Scene:
        """Handle the queue's events in order, each by the next plan. With ``die`` the first attempt never goes on."""
        remaining = list(plans)
        for _ in range(MAX_EVENTS):
            if not self.queue:
                return self
            self._handle(self.queue.pop(0), remaining.pop(0) if remaining else ONCE, die=die)
            self._settle()
        raise AssertionError(f"the queue still holds {self.queue}")

    def _handle(self, event: Event, plan: Plan, *, die: bool) -> None:
        with interleave(self.cloud) as attempts:

            def start(name: str) -> None:
                self.attempts += 1
                attempts.start(name, lambda: reconcile(event, make_context(self.cloud)))

            start("first")
            for name, requests in plan:
                if name not in attempts.working:
                    start(name)
                attempts.give(name, requests)
            if die and plan:
                attempts.kill("first")
                if "second" not in attempts.working:
                    start("second")
            for attempt in list(attempts.working):
                if not (die and plan and attempt == "first"):
                    attempts.give(attempt, MAX_REQUESTS)

    def _settle(self) -> None:
        """SageMaker ends the change that was asked for, and says so; the schedule finds the end of a deletion."""
        sagemaker = self.cloud.sagemaker
        status = None if sagemaker.endpoint is None else sagemaker.endpoint["EndpointStatus"]
        self.cloud.move(timedelta(seconds=1))
        if status in {"Creating", "Updating"}:
            sagemaker.settle(self.cloud.time, fail=FAILED if self.fail else None)
            self.queue.append(EndpointChanged())
        elif status == "Deleting":
            sagemaker.endpoint = None
            self.queue.append(Reconcile())

    def snapshot(self) -> dict[Any, Any]:
        """The table and the deployments; of times that a repeated attempt notes earlier, only that they are set."""
        times = {"request": {"decided_at", "finished_at", "expires_at"}, "model": {"retired_at"}}
        table = {
            key: {name: name in times.get(key[0], ()) or value for name, value in item.items()}
            for key, item in snapshot(self.cloud).items()
        }
        return {"table": table, "deployments": self.cloud.sagemaker.deployments}


SCENES: dict[str, dict[str, Any]] = {
    "created": {"champion": False, "fail": False},
    "creation fails": {"champion": False, "fail": True},
    "updated": {"champion": True, "fail": False},
    "update is rolled back": {"champion": True, "fail": True},
    "created anew": {"champion": False, "fail": False, "stale": True},
    "creation fails again": {"champion": False, "fail": True, "stale": True},
    "another model is promoted": {"champion": True, "fail": False, "operator": "promote"},
    "another model is promoted first": {
        "champion": True, "fail": False, "operator": "promote", "operator_first": True,
    },
    "paused": {"champion": True, "fail": False, "operator": "pause"},
    "paused first": {"champion": True, "fail": False, "operator": "pause", "operator_first": True},
}  # fmt: skip
PLANS = st.lists(st.lists(st.tuples(st.sampled_from(["first", "second"]), st.integers(1, 25)), max_size=6), max_size=4)


@cache
def handle_once(name: str) -> dict[Any, Any]:
    return Scene(**SCENES[name]).play().snapshot()


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("position", [0, 1, 2])
def test_second_attempt_within_first_changes_nothing(name: str, position: int) -> None:
    for before in range(1, 45):
        scene = Scene(**SCENES[name]).play([ONCE] * position + [[("first", before), ("second", 100)]])
        assert scene.snapshot() == handle_once(name), before


@pytest.mark.parametrize("name", SCENES)
@pytest.mark.parametrize("position", [0, 1, 2])
def test_attempt_that_dies_anywhere_is_repeated(name: str, position: int) -> None:
    for before in range(1, 45):
        scene = Scene(**SCENES[name]).play([ONCE] * position + [[("first", before)]], die=True)
        assert scene.snapshot() == handle_once(name), before


@given(name=st.sampled_from(list(SCENES)), plans=PLANS, die=st.booleans())
@settings(max_examples=150)
def test_any_mix_of_two_attempts_ends_the_same(name: str, plans: list[Plan], *, die: bool) -> None:
    assert Scene(**SCENES[name]).play(plans, die=die).snapshot() == handle_once(name)


@given(fail=st.booleans(), first=st.booleans(), plans=PLANS, die=st.booleans())
@settings(max_examples=60)
def test_two_models_have_their_outcomes_recorded(*, fail: bool, first: bool, plans: list[Plan], die: bool) -> None:
    # given a winner and an operator who asks for a third model
    scene = Scene(champion=True, fail=fail, operator="promote", operator_first=first).play(plans, die=die)
    # then the table names the model that answers, and none is on its way
    cloud, endpoint, sagemaker = scene.cloud, get_endpoint(scene.cloud), scene.cloud.sagemaker
    assert sagemaker.endpoint is not None
    assert sagemaker.endpoint["EndpointConfigName"] == f"dwell-{endpoint.serving_model}"
    assert (endpoint.deploying_model, endpoint.desired_model) == (None, None)
    status = {name: get_model(cloud, name).status for name in (CHAMPION, WINNER, str(scene.third))}
    assert [name for name, value in status.items() if value == "live"] == [endpoint.serving_model]
    deployed = {name.removeprefix("dwell-") for name in sagemaker.deployments}
    assert {status[name] for name in deployed - {endpoint.serving_model}} <= {"rolled_back" if fail else "retired"}


@given(first=st.booleans(), plans=PLANS, die=st.booleans())
@settings(max_examples=60)
def test_round_does_not_override_an_operators_model(*, first: bool, plans: list[Plan], die: bool) -> None:
    # given a winner that is judged against the champion, while a third model is on its way
    scene = Scene(champion=True, fail=False, operator="promote", operator_first=first).play(plans, die=die)
    # then the winner goes before it, or not at all: nothing says which of the two is better
    assert scene.third is not None
    deployed = [name.removeprefix("dwell-") for name in scene.cloud.sagemaker.deployments]
    assert deployed == ([scene.third] if first else [WINNER, scene.third])


@given(fail=st.booleans(), first=st.booleans(), plans=PLANS, die=st.booleans())
@settings(max_examples=60)
def test_pause_at_any_moment_ends_without_endpoint(*, fail: bool, first: bool, plans: list[Plan], die: bool) -> None:
    scene = Scene(champion=True, fail=fail, operator="pause", operator_first=first).play(plans, die=die)
    endpoint = get_endpoint(scene.cloud)
    assert scene.cloud.sagemaker.endpoint is None
    assert (endpoint.pause, endpoint.deploying_model) == ("paused", None)
    assert endpoint.model_after_resume in ({CHAMPION, WINNER} if fail else {WINNER})
