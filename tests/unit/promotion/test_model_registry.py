"""The model registry: every winner is in it, and in manual mode nobody goes live whom no person has approved."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools import Logger

from feature_schema import get_schema_hash
from promotion import handler
from promotion.outcomes import ApprovalResult
from tests.unit.fake_aws import NOW, Cloud, ProcessDied
from tests.unit.promotion.factories import (
    CHAMPION,
    JOB,
    NEW,
    PACKAGE,
    PROMISED,
    ROUND,
    WINNER,
    get_endpoint,
    get_in_flight,
    get_model,
    get_round,
    handle_endpoint_change,
    handle_job_end,
    handle_review,
    make_cloud,
    make_comparison,
    make_context,
    make_waiting_cloud,
    read_body,
    snapshot,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.conftest import Context


def judge(cloud: Cloud, status: str, why: str | None = None) -> ApprovalResult:
    cloud.sagemaker.packages[PACKAGE] |= {"ModelApprovalStatus": status}
    if why is not None:
        cloud.sagemaker.packages[PACKAGE]["ApprovalDescription"] = why
    return handle_review(PACKAGE, make_context(cloud, APPROVAL_MODE="manual"))


class TestRegister:
    def test_winner_is_registered_with_its_properties(self) -> None:
        cloud = make_cloud()
        handle_job_end(JOB, make_context(cloud))
        package = cloud.sagemaker.packages[PACKAGE]
        assert package["ModelApprovalStatus"] == "Approved"
        (container,) = package["InferenceSpecification"]["Containers"]
        assert container["ModelDataUrl"] == get_model(cloud, WINNER).archive
        assert package["CustomerMetadataProperties"] == {
            "model": WINNER,
            "round": ROUND,
            "cause": "model-error",
            "candidate": "xgboost-recent",
            "algorithm": "xgboost",
            "trained_on": "recent",
            "test_rmse": "1900.0",
            "expected_error": str(PROMISED),
            "baseline_rmse": "5000.0",
            "champion": CHAMPION,
            "champion_rmse": "2600.0",
            "dataset_manifest": "m",
            "dataset_train": "6",
            "dataset_test": "2",
            "schema_hash": get_schema_hash(),
        }
        assert get_model(cloud, WINNER).package == PACKAGE
        assert cloud.sagemaker.deployments == [NEW]

    def test_loser_is_not_registered(self) -> None:
        cloud = make_cloud(comparison=make_comparison(significant=False))
        handle_job_end(JOB, make_context(cloud))
        assert cloud.sagemaker.packages == {}


class TestApproval:
    def test_winner_waits_for_approval_in_manual_mode(self) -> None:
        cloud = make_waiting_cloud()
        assert cloud.sagemaker.packages[PACKAGE]["ModelApprovalStatus"] == "PendingManualApproval"
        assert (get_model(cloud, WINNER).status, get_round(cloud).status) == ("awaiting_approval", "promoted")
        assert get_round(cloud).deployment == "awaiting_approval"
        assert cloud.sagemaker.deployments == []
        assert get_in_flight(cloud) is None
        # whatever else happens to the endpoint does not let it in
        handle_endpoint_change(make_context(cloud, APPROVAL_MODE="manual"))
        assert (cloud.sagemaker.deployments, get_endpoint(cloud).serving_model) == ([], CHAMPION)

    def test_approved_model_is_deployed_once(self) -> None:
        cloud = make_waiting_cloud()
        assert judge(cloud, "Approved") == ApprovalResult("submitted", WINNER)
        assert judge(cloud, "Approved") == ApprovalResult("ignored", WINNER)
        assert (get_model(cloud, WINNER).status, get_round(cloud).deployment) == ("deploying", None)
        cloud.sagemaker.settle(NOW + timedelta(minutes=9))
        handle_endpoint_change(make_context(cloud))
        assert judge(cloud, "Approved") == ApprovalResult("ignored", WINNER)
        assert (get_model(cloud, WINNER).status, get_round(cloud).deployment) == ("live", "live")
        assert cloud.sagemaker.deployments == [NEW]

    def test_rejected_model_is_recorded_and_can_be_approved_later(self) -> None:
        cloud = make_waiting_cloud()
        assert judge(cloud, "Rejected", "too simple") == ApprovalResult("rejected", WINNER)
        assert (get_model(cloud, WINNER).status, get_model(cloud, WINNER).reason) == ("rejected", "too simple")
        assert (get_round(cloud).deployment, get_round(cloud).deployment_reason) == ("rejected", "too simple")
        assert cloud.sagemaker.deployments == []
        assert judge(cloud, "Approved") == ApprovalResult("submitted", WINNER)
        assert (get_model(cloud, WINNER).reason, get_round(cloud).deployment_reason) == (None, None)

    def test_review_of_a_model_that_does_not_wait_is_ignored(self) -> None:
        cloud = make_waiting_cloud()
        assert judge(cloud, "PendingManualApproval") == ApprovalResult("ignored", WINNER)
        cloud.sagemaker.packages[PACKAGE]["CustomerMetadataProperties"]["model"] = "by-hand"
        assert judge(cloud, "Approved") == ApprovalResult("ignored", "by-hand")
        automatic = make_cloud()
        handle_job_end(JOB, make_context(automatic))
        assert handle_review(PACKAGE, make_context(automatic)) == ApprovalResult("ignored")
        # a model that is live is not taken down by a rejection: for that there is `dwell promote`
        automatic.sagemaker.settle(NOW + timedelta(minutes=9))
        handle_endpoint_change(make_context(automatic))
        assert judge(automatic, "Rejected") == ApprovalResult("ignored", WINNER)
        assert get_model(automatic, WINNER).status == "live"

    def test_another_package_of_the_same_model_is_ignored(self) -> None:
        cloud = make_waiting_cloud()
        other = PACKAGE.removesuffix("1") + "2"
        cloud.sagemaker.packages[other] = {**cloud.sagemaker.packages[PACKAGE], "ModelApprovalStatus": "Approved"}
        assert handle_review(other, make_context(cloud, APPROVAL_MODE="manual")) == ApprovalResult("ignored", WINNER)
        assert cloud.sagemaker.deployments == []


@pytest.mark.parametrize("end", ["registered", "Approved", "Rejected"])
def test_attempt_that_dies_anywhere_is_repeated(end: str) -> None:
    def ready() -> Cloud:
        cloud = make_cloud() if end == "registered" else make_waiting_cloud()
        cloud.steps.count = 0
        return cloud

    def go(cloud: Cloud) -> None:
        if end == "registered":
            handle_job_end(JOB, make_context(cloud, APPROVAL_MODE="manual"))
        else:
            judge(cloud, end)

    undisturbed = ready()
    go(undisturbed)
    steps = undisturbed.steps.count
    assert steps > 5
    for fatal in range(1, steps + 1):
        for effective in (False, True):
            cloud = ready()
            cloud.steps.fatal, cloud.steps.effective = fatal, effective
            with pytest.raises(ProcessDied):
                go(cloud)
            cloud.steps.fatal = None
            go(cloud)
            assert cloud.sagemaker.deployments == undisturbed.sagemaker.deployments
            assert len(cloud.sagemaker.packages) == 1
            for each_cloud in (cloud, undisturbed):  # an attempt that follows another one notes the status as well
                handle_endpoint_change(make_context(each_cloud, APPROVAL_MODE="manual"))
            assert snapshot(cloud) == snapshot(undisturbed)


@pytest.mark.usefixtures("lambda_environment")
@pytest.mark.parametrize(("name", "outcome"), [("approved", "submitted"), ("rejected", "rejected")])
def test_review_event_is_checked_against_sagemaker(
    name: str,
    outcome: str,
    event: Callable[[str], dict[str, Any]],
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cloud = make_waiting_cloud()
    monkeypatch.setattr(handler, "create_context", lambda: make_context(cloud, APPROVAL_MODE="manual"))
    monkeypatch.setattr(handler, "logger", Logger(service="dwell", stream=io.StringIO()))
    given = event(f"model-package-{name}")
    # before SageMaker says so too, it is not so
    (result,) = handler.handler(given, context)  # type: ignore[arg-type]  # as far as it is used
    assert result["outcome"] == "ignored"
    cloud.sagemaker.packages[PACKAGE]["ModelApprovalStatus"] = read_body(given)["detail"]["ModelApprovalStatus"]
    (result,) = handler.handler(given, context)  # type: ignore[arg-type]  # the same
    assert result["outcome"] == outcome
