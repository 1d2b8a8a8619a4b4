"""Two events come at the same time, each to an environment of its own.

The endpoint ends its changes at once, which is the worst that it can do. However the requests mix, a deployment ends as
if one event had come after the other, and table and endpoint tell the same story.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from promotion import turn
from promotion.endpoint_changed import endpoint_changed
from promotion.job_ended import job_ended
from promotion.operator import OperatorEvent, operate
from tests.unit.fake_aws import ENDPOINT
from tests.unit.interleaving import Interleaving, interleave
from tests.unit.promotion.test_job_end import JOB, OLD, a_cloud, around, endpoint, model, remembered
from tests.unit.promotion.test_operator_requests import a_third
from tests.unit.promotion.test_promotion_gate import CHAMPION, WINNER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from promotion.context import Surroundings
    from tests.unit.fake_aws import Cloud

type Plan = Sequence[tuple[str, int | None]]
"""Who makes how many requests, in order (null: all that are left)."""

JOB_ENDED, ENDPOINT_CHANGED, LATE, OPERATOR = "job ended", "endpoint changed", "late event", "operator"
MANY, LEASE = 80, timedelta(minutes=2)
FAILED = "it did not pass the ping health check"
PLANS = st.lists(
    st.tuples(st.sampled_from([JOB_ENDED, ENDPOINT_CHANGED, LATE, OPERATOR]), st.integers(1, 20)), max_size=14
)


class Scene:
    """A job has ended. ``stale``: a failed endpoint is in the way, and its event comes again, late.

    ``operator``: somebody asks for a third model, or for a pause, at the same time.
    """

    def __init__(
        self, *, champion: bool, fail: bool, stale: bool = False, operator: Literal["promote", "pause"] | None = None
    ) -> None:
        self.cloud: Cloud = a_cloud(champion=champion)
        self.fail = fail
        self.stale = stale
        self.operator = operator
        self.asked_at = 0
        """At which of its requests the job's end had asked for the endpoint."""
        self.changes = 0
        if stale:
            self.cloud.sagemaker.endpoint = {
                "EndpointName": ENDPOINT,
                "EndpointConfigName": OLD,
                "EndpointStatus": "Failed",
                "FailureReason": "long ago",
                "LastModifiedTime": self.cloud.time - timedelta(minutes=5),
            }
            endpoint_changed(around(self.cloud))
        self.third = a_third(self.cloud) if operator else None
        self.turns: Interleaving = interleave(self.cloud)

    def play(self, plan: Plan) -> Scene:
        """The plan, and then whoever has not ended."""
        with self.turns as turns:
            self._start(JOB_ENDED, lambda cloud: job_ended(JOB, cloud))
            if self.stale:
                self._start(LATE, endpoint_changed)
            if self.operator:
                self._start(OPERATOR, lambda cloud: operate(self._request(), cloud))
            for name, requests in plan:
                self._give(f"{name} {self.changes}" if name == ENDPOINT_CHANGED else name, requests or MANY)
            while sum(self._give(name, MANY) for name in list(turns.working)):
                pass  # whoever has ended may have made another event, or let another go on
        return self

    def _start(self, name: str, answer: Callable[[Surroundings], Any]) -> None:
        cloud = replace(around(self.cloud), sleep=lambda _seconds: None)

        def handle() -> None:
            with turn.taken(name, cloud, lease=LEASE):
                answer(cloud)

        self.turns.start(name, handle)

    def _request(self) -> OperatorEvent:
        asked = {"model": self.third} if self.operator == "promote" else {}
        return OperatorEvent.model_validate({"source": "dwell.operator", "action": self.operator, **asked})

    def _give(self, name: str, requests: int) -> int:
        given = 0
        while name in self.turns.working and given != requests and self.turns.give(name):
            given += 1
            self._settle()
        return given

    def _settle(self) -> None:
        """SageMaker is done at once, and says so."""
        sagemaker, found = self.cloud.sagemaker, self.cloud.sagemaker.endpoint
        if found is None or found["EndpointStatus"] not in {"Creating", "Updating", "Deleting"}:
            return
        if found["EndpointStatus"] == "Deleting":
            sagemaker.endpoint = None
        else:
            self.asked_at = self.turns.working[JOB_ENDED].requests
            self.cloud.move(timedelta(seconds=1))
            sagemaker.settle(self.cloud.time, fail=FAILED if self.fail else None)
            self.changes += 1
            self._start(f"{ENDPOINT_CHANGED} {self.changes}", endpoint_changed)

    def remembered(self) -> dict[Any, Any]:
        return remembered(self.cloud)


SCENES: dict[str, dict[str, Any]] = {
    "created": {"champion": False, "fail": False},
    "creation fails": {"champion": False, "fail": True},
    "updated": {"champion": True, "fail": False},
    "update is rolled back": {"champion": True, "fail": True},
    "created anew": {"champion": False, "fail": False, "stale": True},
    "creation fails again": {"champion": False, "fail": True, "stale": True},
}


@cache
def one_after_the_other(name: str) -> dict[Any, Any]:
    return Scene(**SCENES[name]).play([(LATE, None), (JOB_ENDED, None)]).remembered()


@pytest.mark.parametrize("name", SCENES)
def test_one_in_the_middle_of_the_other_changes_nothing(name: str) -> None:
    straight = Scene(**SCENES[name]).play([(JOB_ENDED, None)])
    asked, ended = straight.asked_at, straight.turns.working[JOB_ENDED].requests
    assert 10 < asked < ended - 2
    for first in range(1 if straight.stale else asked, ended):
        for second in range(1, 16):
            plan = [(JOB_ENDED, first), (LATE, second), (ENDPOINT_CHANGED, second), (JOB_ENDED, None)]
            assert Scene(**SCENES[name]).play(plan).remembered() == one_after_the_other(name), plan


@given(name=st.sampled_from(list(SCENES)), plan=PLANS)
@settings(max_examples=200)
def test_any_order_of_requests_ends_the_same(name: str, plan: Plan) -> None:
    assert Scene(**SCENES[name]).play(plan).remembered() == one_after_the_other(name)


@given(fail=st.booleans(), plan=PLANS)
@settings(max_examples=150)
def test_of_two_models_at_once_each_is_told_what_became_of_it(*, fail: bool, plan: Plan) -> None:
    # given a winner and an operator who asks for a third model
    scene = Scene(champion=True, fail=fail, operator="promote").play(plan)
    # then the table tells who answers, and nobody is on the way any more
    cloud, seen, sagemaker = scene.cloud, endpoint(scene.cloud), scene.cloud.sagemaker
    assert sagemaker.endpoint is not None
    assert sagemaker.endpoint["EndpointConfigName"] == f"dwell-{seen.serving_model}"
    assert (seen.deploying_model, seen.desired_model) == (None, None)
    status = {name: model(cloud, name).status for name in (CHAMPION, WINNER, str(scene.third))}
    assert [name for name, one in status.items() if one == "live"] == [seen.serving_model]
    asked = {name.removeprefix("dwell-") for name in sagemaker.deployments}
    assert {status[name] for name in asked - {seen.serving_model}} <= {"rolled_back" if fail else "retired"}


@given(plan=PLANS)
@settings(max_examples=150)
def test_a_round_overrides_no_model_that_an_operator_had_asked_for(plan: Plan) -> None:
    # given a winner that is judged against the champion, while a third model is on its way
    scene = Scene(champion=True, fail=False, operator="promote").play(plan)
    # then the winner goes before it, or not at all: nothing says which of the two is better
    asked = list(dict.fromkeys(name.removeprefix("dwell-") for name in scene.cloud.sagemaker.deployments))
    assert asked in ([WINNER, scene.third], [scene.third])


@given(fail=st.booleans(), plan=PLANS)
@settings(max_examples=150)
def test_a_pause_at_any_moment_ends_with_no_endpoint(*, fail: bool, plan: Plan) -> None:
    scene = Scene(champion=True, fail=fail, operator="pause").play(plan)
    seen = endpoint(scene.cloud)
    assert scene.cloud.sagemaker.endpoint is None
    assert (seen.pause, seen.deploying_model) == ("paused", None)
    assert seen.model_after_resume in ({CHAMPION, WINNER} if fail else {WINNER})
