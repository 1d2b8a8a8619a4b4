"""The endpoint's events: what SageMaker says decides, in whatever order and however often the events come."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError

from promotion import handler
from promotion.endpoint_policy import next_step
from promotion.events import UnknownEventError
from promotion.observation import EndpointState
from promotion.outcomes import EndpointResult
from rounds.metric_counter import count_metric
from tests.unit.fake_aws import ENDPOINT, NOW, Cloud, ProcessDied, make_client_error
from tests.unit.promotion.factories import (
    CHAMPION,
    ENVIRONMENT,
    JOB,
    NEW,
    OLD,
    ROUND,
    SETTLED,
    WINNER,
    get_endpoint,
    get_model,
    get_round,
    handle_endpoint_change,
    handle_job_end,
    handle_schedule,
    make_cloud,
    make_comparison,
    make_context,
    make_deploying_cloud,
    read_body,
    snapshot,
    want_model,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.conftest import Context, Metrics

LIVE_ERROR_ALARM = ENVIRONMENT["LIVE_ERROR_ALARM"]


def with_event(cloud: Cloud) -> EndpointResult:
    return handle_endpoint_change(make_context(cloud))


class TestInService:
    def test_winner_goes_live_and_champion_retires(self) -> None:
        cloud = make_deploying_cloud()
        cloud.sagemaker.settle(SETTLED)
        assert with_event(cloud) == EndpointResult("InService", WINNER)
        winner, old = get_model(cloud, WINNER), get_model(cloud, CHAMPION)
        assert (winner.status, winner.live_since) == ("live", SETTLED)
        assert (old.status, old.retired_at) == ("retired", SETTLED)
        seen = get_endpoint(cloud)
        assert (seen.serving_model, seen.desired_model, seen.status, seen.updated_at) == (
            WINNER,
            None,
            "InService",
            SETTLED,
        )
        assert (get_round(cloud).deployment, get_round(cloud).deployed_at) == ("live", SETTLED)

    def test_repeated_and_late_events_change_nothing(self) -> None:
        cloud = make_deploying_cloud()
        with_event(cloud)  # UPDATING, while it is
        assert get_endpoint(cloud).status == "Updating"
        assert get_model(cloud, WINNER).status == "deploying"
        cloud.sagemaker.settle(SETTLED)
        with_event(cloud)  # IN_SERVICE
        before = {key: dict(item) for key, item in cloud.table.items.items()}
        for _ in range(3):  # UPDATING again, late: the endpoint is what it is
            assert with_event(cloud) == EndpointResult("InService", WINNER)
        assert cloud.table.items == before

    def test_attempt_that_dies_anywhere_is_repeated(self) -> None:
        undisturbed = make_deploying_cloud()
        undisturbed.sagemaker.settle(SETTLED)
        before = undisturbed.steps.count
        with_event(undisturbed)
        steps = undisturbed.steps.count - before
        assert steps > 8
        for fatal in range(1, steps + 1):
            for effective in (False, True):
                cloud = make_deploying_cloud()
                cloud.sagemaker.settle(SETTLED)
                cloud.steps.count, cloud.steps.fatal, cloud.steps.effective = 0, fatal, effective
                with pytest.raises(ProcessDied):
                    with_event(cloud)
                cloud.steps.fatal = None
                with_event(cloud)
                assert snapshot(cloud) == snapshot(undisturbed)

    def test_manual_configuration_leaves_no_model_live(self) -> None:
        cloud = make_deploying_cloud()
        cloud.sagemaker.settle(SETTLED)
        with_event(cloud)
        assert cloud.sagemaker.endpoint is not None
        cloud.sagemaker.endpoint |= {"EndpointConfigName": "by-hand", "LastModifiedTime": SETTLED + timedelta(hours=1)}
        assert with_event(cloud) == EndpointResult("InService", None)
        assert get_model(cloud, WINNER).status == "retired"
        assert get_endpoint(cloud).serving_model is None

    def test_model_restored_by_hand_is_live_again(self) -> None:
        cloud = make_deploying_cloud()
        cloud.sagemaker.settle(SETTLED)
        with_event(cloud)
        make_context(cloud).store.create(
            get_round(cloud).model_copy(update={"name": "20261123T051100Z-no-model", "promoted": CHAMPION})
        )
        back = SETTLED + timedelta(hours=1)
        assert cloud.sagemaker.endpoint is not None
        cloud.sagemaker.endpoint |= {"EndpointConfigName": OLD, "LastModifiedTime": back}
        assert with_event(cloud) == EndpointResult("InService", CHAMPION)
        assert (get_model(cloud, CHAMPION).status, get_model(cloud, CHAMPION).live_since) == ("live", back)
        assert get_model(cloud, CHAMPION).retired_at is None
        assert get_model(cloud, WINNER).status == "retired"


class TestFailure:
    def test_failed_creation_is_recorded_and_leaves_no_model_live(self) -> None:
        cloud = make_deploying_cloud(champion=False)
        cloud.sagemaker.settle(SETTLED, fail="it did not pass the ping health check")
        assert with_event(cloud) == EndpointResult("Failed", None, None, WINNER, "failed")
        winner = get_model(cloud, WINNER)
        assert (winner.status, winner.reason) == ("failed", "it did not pass the ping health check")
        assert (get_round(cloud).status, get_round(cloud).deployment) == ("promoted", "failed")
        assert (get_endpoint(cloud).serving_model, get_endpoint(cloud).desired_model, get_endpoint(cloud).status) == (
            None,
            None,
            "Failed",
        )

    def test_rolled_back_update_keeps_champion_live(self) -> None:
        cloud = make_deploying_cloud()
        cloud.sagemaker.settle(SETTLED, fail="an alarm went off")
        assert with_event(cloud) == EndpointResult("InService", CHAMPION, None, WINNER, "rolled_back")
        assert (get_model(cloud, WINNER).status, get_model(cloud, WINNER).reason) == (
            "rolled_back",
            "an alarm went off",
        )
        assert (get_model(cloud, CHAMPION).status, get_model(cloud, CHAMPION).retired_at) == ("live", None)
        round_ = get_round(cloud)
        assert (round_.deployment, round_.deployment_reason) == ("rolled_back", "an alarm went off")
        assert with_event(cloud) == EndpointResult("InService", CHAMPION)
        assert cloud.sagemaker.deployments == [NEW]

    def test_rollback_reason_is_alarm_that_is_ok_again(self) -> None:
        # given a winner whose own live error is too high, while SageMaker moves the traffic back
        cloud = make_deploying_cloud()
        error = cloud.cloudwatch.alarm(LIVE_ERROR_ALARM)
        error.update(StateValue="ALARM", StateReason="3.1 was greater than the threshold")
        assert cloud.sagemaker.endpoint is not None
        cloud.sagemaker.endpoint["EndpointStatus"] = "RollingBack"
        assert with_event(cloud) == EndpointResult("RollingBack", CHAMPION, WINNER)
        # when that is over, and no sample is of the winner any more
        error["StateValue"] = "OK"
        cloud.sagemaker.settle(SETTLED, fail="an alarm went off")
        with_event(cloud)
        # then
        assert get_model(cloud, WINNER).status == "rolled_back"
        assert get_round(cloud).deployment_reason == f"{LIVE_ERROR_ALARM}: 3.1 was greater than the threshold"

    def test_rollback_reason_is_alarm_without_rolling_back_event(self) -> None:
        cloud = make_deploying_cloud()
        cloud.cloudwatch.alarm(LIVE_ERROR_ALARM).update(StateValue="ALARM", StateReason="3.1")
        cloud.sagemaker.settle(SETTLED, fail="an alarm went off")
        with_event(cloud)
        assert get_model(cloud, WINNER).reason == f"{LIVE_ERROR_ALARM}: 3.1"

    def test_rolled_back_model_is_not_promoted_by_later_events(self) -> None:
        cloud = make_deploying_cloud()
        cloud.sagemaker.settle(SETTLED, fail="an alarm went off")
        for _ in range(3):
            with_event(cloud)
            assert handle_job_end(JOB, make_context(cloud)).outcome == "repeated"
        assert cloud.sagemaker.deployments == [NEW]
        assert get_endpoint(cloud).serving_model == CHAMPION

    def test_state_before_deployment_rolls_nothing_back(self) -> None:
        # given a deployment, and an answer of SageMaker that does not know of it yet
        cloud = make_deploying_cloud()
        assert cloud.sagemaker.endpoint is not None
        asked_at = NOW - timedelta(hours=1) + timedelta(microseconds=750)  # the table keeps milliseconds
        stale = {"EndpointStatus": "InService", "LastModifiedTime": asked_at}
        now = dict(cloud.sagemaker.endpoint)
        cloud.sagemaker.endpoint |= stale
        # when a late event comes
        assert with_event(cloud) == EndpointResult("InService", CHAMPION, WINNER)
        # then the winner is still on its way
        assert (get_model(cloud, WINNER).status, get_endpoint(cloud).deploying_model) == ("deploying", WINNER)
        cloud.sagemaker.endpoint = now
        cloud.sagemaker.settle(SETTLED)
        assert with_event(cloud) == EndpointResult("InService", WINNER)

    def test_deleted_endpoint_leaves_no_model_live(self) -> None:
        cloud = make_deploying_cloud()
        cloud.sagemaker.settle(SETTLED)
        with_event(cloud)
        cloud.sagemaker.endpoint = None
        cloud.move(timedelta(hours=1))
        assert with_event(cloud) == EndpointResult("Absent", None)
        assert get_model(cloud, WINNER).status == "retired"
        assert get_endpoint(cloud).serving_model is None
        assert cloud.sagemaker.endpoint is None

    def test_model_whose_endpoint_is_deleted_first_has_failed(self) -> None:
        cloud = make_deploying_cloud(champion=False)
        cloud.sagemaker.endpoint = None
        assert with_event(cloud) == EndpointResult("Absent", None, None, WINNER, "failed")
        assert (get_model(cloud, WINNER).status, get_model(cloud, WINNER).reason) == (
            "failed",
            "the endpoint went away",
        )
        assert (get_endpoint(cloud).deploying_model, get_endpoint(cloud).next_model) == (None, None)

    @pytest.mark.parametrize("champion", [True, False])
    def test_model_refused_by_sagemaker_blocks_no_other(
        self, monkeypatch: pytest.MonkeyPatch, *, champion: bool
    ) -> None:
        # given a quota that is used up
        cloud = make_cloud(champion=champion)

        def no_quota(*_: Any, **__: Any) -> None:
            raise make_client_error(
                "CreateEndpoint", "ResourceLimitExceeded", "the account-level service limit is 0 Instances"
            )

        monkeypatch.setattr(type(cloud.sagemaker), "update_endpoint" if champion else "create_endpoint", no_quota)
        # when Lambda gives up after its attempts
        for _ in range(3):
            with pytest.raises(ClientError, match="service limit"):
                handle_job_end(JOB, make_context(cloud))
        # then the one that is live is the one to beat
        assert (get_model(cloud, WINNER).status, get_endpoint(cloud).deploying_model) == ("candidate", None)
        assert get_endpoint(cloud).next_model == (CHAMPION if champion else None)

    def test_waiting_model_replaces_failed_creation(self) -> None:
        # given a creation, and a model that an operator wants after it
        cloud = make_deploying_cloud(champion=False)
        second = "linear-20261123T064000Z"
        told = {"name": second, "status": "candidate", "revision": 0}
        make_context(cloud).store.create(get_model(cloud, WINNER).model_copy(update=told))
        want_model(second, make_context(cloud))
        # when the creation fails
        cloud.sagemaker.settle(SETTLED, fail="it did not pass the ping health check")
        with_event(cloud)
        assert cloud.sagemaker.endpoint is not None
        assert cloud.sagemaker.endpoint["EndpointStatus"] == "Deleting"  # it makes way
        cloud.sagemaker.endpoint = None
        handle_schedule(make_context(cloud))
        # then
        assert get_model(cloud, WINNER).status == "failed"
        assert (get_model(cloud, second).status, get_endpoint(cloud).deploying_model) == ("deploying", second)

    def test_earlier_failed_endpoint_does_not_fail_its_successor(self) -> None:
        cloud = make_cloud(champion=False)
        cloud.sagemaker.endpoint = {
            "EndpointName": ENDPOINT,
            "EndpointConfigName": OLD,
            "EndpointStatus": "Failed",
            "LastModifiedTime": NOW,
        }
        handle_job_end(JOB, make_context(cloud))
        assert with_event(cloud) == EndpointResult("Deleting", None, WINNER)
        assert get_model(cloud, WINNER).status == "candidate"
        cloud.sagemaker.endpoint = None
        assert with_event(cloud).desired_model == WINNER
        assert get_model(cloud, WINNER).status == "deploying"

    def test_out_of_service_endpoint_has_no_live_model(self) -> None:
        cloud = make_cloud()
        assert cloud.sagemaker.endpoint is not None
        cloud.sagemaker.endpoint |= {"EndpointStatus": "OutOfService", "LastModifiedTime": SETTLED}
        assert with_event(cloud) == EndpointResult("OutOfService", None)
        assert (get_model(cloud, CHAMPION).status, get_endpoint(cloud).next_model) == ("retired", None)

    def test_failed_rollback_is_a_rollback_of_the_model(self) -> None:
        cloud = make_deploying_cloud()
        cloud.sagemaker.settle(SETTLED, fail="an alarm went off")
        assert cloud.sagemaker.endpoint is not None
        cloud.sagemaker.endpoint["EndpointStatus"] = "UpdateRollbackFailed"
        assert with_event(cloud) == EndpointResult("UpdateRollbackFailed", CHAMPION, None, WINNER, "rolled_back")
        assert (get_model(cloud, WINNER).status, get_endpoint(cloud).deploying_model) == ("rolled_back", None)

    def test_next_deployment_records_end_of_the_previous(self) -> None:
        # given a model that was taken back, whose event is still on its way
        cloud = make_deploying_cloud()
        second = "linear-20261123T064000Z"
        told = {"name": second, "status": "candidate", "revision": 0}
        make_context(cloud).store.create(get_model(cloud, WINNER).model_copy(update=told))
        cloud.sagemaker.settle(SETTLED, fail="an alarm went off")
        # when another is submitted, and the event comes then
        heard: list[str] = []
        want_model(second, make_context(cloud, count=heard.append))
        with_event(cloud)
        # then
        assert (get_model(cloud, WINNER).status, heard) == ("rolled_back", ["Rollbacks"])
        assert get_endpoint(cloud).deploying_model == second

    def test_event_of_earlier_deployment_does_not_fail_waiting_model(self) -> None:
        cloud = make_cloud()
        assert cloud.sagemaker.endpoint is not None
        cloud.sagemaker.endpoint["EndpointStatus"] = "Updating"  # somebody changes the instances
        handle_job_end(JOB, make_context(cloud))
        cloud.sagemaker.settle(SETTLED)
        assert with_event(cloud) == EndpointResult("InService", CHAMPION, WINNER)
        assert get_model(cloud, WINNER).status == "deploying"
        cloud.sagemaker.settle(SETTLED + timedelta(minutes=5))
        assert with_event(cloud) == EndpointResult("InService", WINNER)


@pytest.mark.parametrize(
    ("status", "configuration", "todo"),
    [
        (None, "", "create"),
        ("InService", "new", "none"),
        ("InService", "old", "update"),
        ("OutOfService", "new", "update"),
        ("UpdateRollbackFailed", "old", "update"),
        ("Creating", "old", "wait"),
        ("Updating", "new", "wait"),
        ("SystemUpdating", "old", "wait"),
        ("RollingBack", "old", "wait"),
        ("Failed", "old", "delete"),
        ("Deleting", "old", "wait_for_deletion"),
    ],
)
def test_next_step_depends_on_status_and_configuration(status: str | None, configuration: str, todo: str) -> None:
    state = None if status is None else EndpointState(status, configuration, NOW)
    assert next_step(state, "new") == todo


@pytest.mark.usefixtures("lambda_environment")
class TestHandler:
    @pytest.fixture
    def handle(
        self, monkeypatch: pytest.MonkeyPatch, context: Context
    ) -> Callable[[Cloud, dict[str, Any]], dict[str, Any]]:
        def handle(cloud: Cloud, event: dict[str, Any]) -> dict[str, Any]:
            monkeypatch.setattr(handler, "create_context", lambda: make_context(cloud, count=count_metric))
            monkeypatch.setattr(handler, "logger", Logger(service="dwell", stream=io.StringIO()))
            (result,) = handler.handler(event, context)  # type: ignore[arg-type]  # a context as far as it is used
            return result

        return handle

    def test_handler_counts_one_promotion_for_repeated_events(
        self,
        handle: Callable[[Cloud, dict[str, Any]], dict[str, Any]],
        event: Callable[[str], dict[str, Any]],
        published: Callable[[], Metrics],
    ) -> None:
        cloud = make_cloud()
        for outcome in ("promoted", "repeated"):
            assert handle(cloud, event("training-job-completed"))["outcome"] == outcome
        cloud.sagemaker.settle(SETTLED)
        for _ in range(2):
            assert handle(cloud, event("endpoint-in-service"))["serving_model"] == WINNER
        assert published() == {(frozenset(), "Promotions"): 1}

    def test_handler_counts_rollback_once(
        self,
        handle: Callable[[Cloud, dict[str, Any]], dict[str, Any]],
        event: Callable[[str], dict[str, Any]],
        published: Callable[[], Metrics],
    ) -> None:
        cloud = make_deploying_cloud()
        assert cloud.sagemaker.endpoint is not None
        cloud.sagemaker.endpoint["EndpointStatus"] = "RollingBack"
        assert handle(cloud, event("endpoint-rolling-back"))["status"] == "RollingBack"
        given = event("endpoint-rolled-back")
        reason = read_body(given)["detail"]["FailureReason"]
        cloud.sagemaker.settle(SETTLED, fail=reason)
        for _ in range(2):
            handle(cloud, given)
        assert published() == {(frozenset(), "Rollbacks"): 1}
        assert get_model(cloud, WINNER).reason == reason

    def test_handler_counts_rollback_although_next_step_fails(
        self,
        handle: Callable[[Cloud, dict[str, Any]], dict[str, Any]],
        event: Callable[[str], dict[str, Any]],
        published: Callable[[], Metrics],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        # given a winner that is taken back, and a successor that SageMaker throttles
        cloud = make_deploying_cloud()
        successor = "linear-20261123T064000Z"
        told = {"name": successor, "status": "candidate", "revision": 0}
        make_context(cloud).store.create(get_model(cloud, WINNER).model_copy(update=told))
        want_model(successor, make_context(cloud))
        cloud.sagemaker.settle(SETTLED, fail="an alarm went off")

        def throttled(*_: Any, **__: Any) -> None:
            raise make_client_error("UpdateEndpoint", "ThrottlingException", "Rate exceeded")

        with monkeypatch.context() as patch:
            patch.setattr(type(cloud.sagemaker), "update_endpoint", throttled)
            with pytest.raises(ClientError, match="Rate exceeded"):
                handle(cloud, event("endpoint-rolled-back"))
        # when Lambda tries again
        assert handle(cloud, event("endpoint-rolled-back"))["desired_model"] == successor
        assert published() == {(frozenset(), "Rollbacks"): 1}

    def test_handler_counts_rollback_found_by_a_request(
        self,
        handle: Callable[[Cloud, dict[str, Any]], dict[str, Any]],
        event: Callable[[str], dict[str, Any]],
        published: Callable[[], Metrics],
    ) -> None:
        cloud = make_deploying_cloud()
        cloud.sagemaker.settle(SETTLED, fail="an alarm went off")
        assert handle(cloud, event("pause-manual"))["reason"] == "paused"
        handle(cloud, event("endpoint-rolled-back"))
        assert get_model(cloud, WINNER).status == "rolled_back"
        assert published() == {(frozenset(), "Rollbacks"): 1}

    @pytest.mark.parametrize(
        ("name", "reason"),
        [("promote-manual", "unknown_model"), ("pause-manual", "paused"), ("resume-manual", "not_paused")],
    )
    def test_handler_carries_out_operators_request(
        self,
        name: str,
        reason: str,
        handle: Callable[[Cloud, dict[str, Any]], dict[str, Any]],
        event: Callable[[str], dict[str, Any]],
    ) -> None:
        assert handle(Cloud(), event(name))["reason"] == reason

    def test_handler_counts_failed_and_kept_rounds(
        self,
        handle: Callable[[Cloud, dict[str, Any]], dict[str, Any]],
        event: Callable[[str], dict[str, Any]],
        published: Callable[[], Metrics],
    ) -> None:
        failed = make_cloud(job="Failed")
        failed.sagemaker.jobs[JOB]["FailureReason"] = read_body(event("training-job-failed"))["detail"]["FailureReason"]
        assert handle(failed, event("training-job-failed"))["reason"].startswith("AlgorithmError")
        assert handle(make_cloud(comparison=make_comparison(significant=False)), event("training-job-completed")) == {
            "outcome": "kept",
            "round": ROUND,
            "reason": "not_significant",
            "model": None,
        }
        assert published() == {(frozenset(), "RoundsFailed"): 1, (frozenset(), "RoundsKept"): 1}

    def test_handler_records_failed_endpoint(
        self, handle: Callable[[Cloud, dict[str, Any]], dict[str, Any]], event: Callable[[str], dict[str, Any]]
    ) -> None:
        cloud = make_deploying_cloud(champion=False)
        given = event("endpoint-failed")
        reason = read_body(given)["detail"]["FailureReason"]
        cloud.sagemaker.settle(SETTLED, fail=reason)
        assert handle(cloud, given)["failed"] == WINNER
        assert get_model(cloud, WINNER).reason == reason

    @pytest.mark.parametrize(
        "change", [{"detail-type": "Something Else"}, {"detail": {"EndpointName": "of-somebody-else"}}]
    )
    def test_handler_refuses_other_events(
        self,
        change: dict[str, Any],
        handle: Callable[[Cloud, dict[str, Any]], dict[str, Any]],
        event: Callable[[str], dict[str, Any]],
    ) -> None:
        given = event("endpoint-in-service")
        given["Records"][0]["body"] = json.dumps({**read_body(given), **change})
        with pytest.raises(UnknownEventError):
            handle(make_cloud(), given)
