"""The schedule's event does what a lost event left undone, and never holds up the events behind it."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools import Logger

from promotion import handler
from promotion.outcomes import ApprovalResult, EndpointResult, RequestResult, RoundResult
from rounds.metric_counter import count_metric
from tests.unit.fake_aws import make_client_error
from tests.unit.promotion.factories import (
    JOB,
    NEW,
    PACKAGE,
    ROUND,
    SETTLED,
    WINNER,
    get_endpoint,
    get_in_flight,
    get_model,
    get_round,
    handle_endpoint_change,
    handle_job_end,
    handle_schedule,
    make_cloud,
    make_cloud_with_two_models,
    make_context,
    make_deploying_cloud,
    make_waiting_cloud,
    send_request,
    snapshot,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.conftest import Context, Metrics


@pytest.mark.parametrize(("champion", "fail"), [(True, None), (True, "an alarm went off"), (False, None)])
def test_schedule_catches_up_on_a_lost_event(*, champion: bool, fail: str | None) -> None:
    # given a round whose events arrive, and one whose events are lost
    told, untold = make_cloud(champion=champion), make_cloud(champion=champion)
    handle_job_end(JOB, make_context(told))
    assert handle_schedule(make_context(untold)).round == RoundResult(
        "promoted", ROUND, "beats_champion" if champion else "beats_baseline", WINNER
    )
    for cloud in (told, untold):
        cloud.move(SETTLED - cloud.time)
        cloud.sagemaker.settle(SETTLED, fail=fail)
    handle_endpoint_change(make_context(told))
    handle_schedule(make_context(untold))
    # then both end the same
    assert snapshot(untold) == snapshot(told)
    assert untold.sagemaker.deployments == told.sagemaker.deployments == [NEW]


def test_schedule_without_anything_to_do_changes_nothing() -> None:
    cloud = make_cloud()
    handle_job_end(JOB, make_context(cloud))
    cloud.sagemaker.settle(SETTLED)
    handle_endpoint_change(make_context(cloud))
    before = {key: dict(item) for key, item in cloud.table.items.items()}
    for _ in range(3):
        cloud.move(timedelta(minutes=1))
        result = handle_schedule(make_context(cloud))
        assert (result.endpoint, result.round, result.approvals) == (EndpointResult("InService", WINNER), None, ())
    assert cloud.table.items == before


def test_schedule_leaves_running_job_alone() -> None:
    cloud = make_cloud()
    cloud.sagemaker.jobs[JOB]["TrainingJobStatus"] = "InProgress"
    assert handle_schedule(make_context(cloud)).round == RoundResult("not_ended", ROUND)
    assert get_in_flight(cloud) is not None


def test_schedule_leaves_missing_job_to_retraining() -> None:
    cloud = make_cloud()
    del cloud.sagemaker.jobs[JOB]
    assert handle_schedule(make_context(cloud)).round == RoundResult("not_ended", ROUND)
    assert (get_round(cloud).status, get_in_flight(cloud) is not None) == ("started", True)


def test_schedule_frees_lock_of_ended_round() -> None:
    # given an attempt that died between the round's end and its lock
    cloud = make_cloud()
    lock = {key: dict(item) for key, item in cloud.table.items.items() if key[0] == "lock"}
    handle_job_end(JOB, make_context(cloud))
    cloud.table.items.update(lock)
    counted: list[str] = []
    # when the schedule comes
    result = handle_schedule(make_context(cloud, count=counted.append))
    assert result.round == RoundResult("promoted", ROUND, "beats_champion", WINNER)
    assert (get_in_flight(cloud), counted) == (None, ["Promotions"])


@pytest.mark.parametrize(("status", "outcome"), [("Approved", "submitted"), ("Rejected", "rejected")])
def test_schedule_finds_review_whose_event_was_lost(status: str, outcome: Any) -> None:
    cloud = make_waiting_cloud()
    context = make_context(cloud, APPROVAL_MODE="manual")
    assert handle_schedule(context).approvals == (ApprovalResult("ignored", WINNER),)
    cloud.sagemaker.packages[PACKAGE]["ModelApprovalStatus"] = status
    assert handle_schedule(context).approvals == (ApprovalResult(outcome, WINNER),)
    assert cloud.sagemaker.deployments == ([NEW] if status == "Approved" else [])


def test_schedule_deletes_paused_endpoint() -> None:
    # given a pause during a deployment, whose end no event told
    cloud = make_deploying_cloud()
    send_request(cloud, "pause")
    cloud.sagemaker.settle(SETTLED)
    # when the schedule comes
    handle_schedule(make_context(cloud))
    assert cloud.sagemaker.endpoint is not None
    assert cloud.sagemaker.endpoint["EndpointStatus"] == "Deleting"
    assert get_endpoint(cloud).model_after_resume == WINNER


def test_schedule_resumes_after_failed_endpoint_is_deleted() -> None:
    # given a pause that ends while the endpoint is failed, so that it is deleted first
    cloud = make_cloud_with_two_models()
    assert cloud.sagemaker.endpoint is not None
    send_request(cloud, "pause")
    cloud.sagemaker.endpoint |= {"EndpointStatus": "Failed", "LastModifiedTime": cloud.time}
    assert send_request(cloud, "resume") == RequestResult("done", "resuming", WINNER)
    assert cloud.sagemaker.endpoint["EndpointStatus"] == "Deleting"
    # when the deletion has ended, of which no event tells
    cloud.sagemaker.endpoint = None
    handle_schedule(make_context(cloud))
    assert cloud.sagemaker.deployments == [NEW, NEW]
    assert get_endpoint(cloud).deploying_model == WINNER


@pytest.mark.usefixtures("lambda_environment")
def test_failed_schedule_is_counted_and_not_retried(
    event: Callable[[str], dict[str, Any]],
    context: Context,
    published: Callable[[], Metrics],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # given a model that SageMaker refuses for good
    cloud = make_cloud()

    def refuse(*_: Any, **__: Any) -> None:
        raise make_client_error("UpdateEndpoint", "ResourceLimitExceeded", "the account-level service limit is 0")

    monkeypatch.setattr(type(cloud.sagemaker), "update_endpoint", refuse)
    monkeypatch.setattr(handler, "create_context", lambda: make_context(cloud, count=count_metric))
    monkeypatch.setattr(handler, "logger", Logger(service="dwell", stream=io.StringIO()))
    # when the schedule tries
    result = handler.handler(event("reconcile"), context)  # type: ignore[arg-type]  # as far as it is used
    # then its message is done, and the failure is logged and counted
    assert result == [{"outcome": "failed"}]
    assert "service limit" in caplog.text
    assert published() == {(frozenset(), "ReconcileFailures"): 1}
    assert get_model(cloud, WINNER).status == "candidate"
