"""The model registry: every winner is in it, and in manual mode nobody goes live whom no person has approved."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools import Logger

from feature_schema import get_schema_hash
from promotion import handler
from promotion.endpoint_changed import endpoint_changed
from promotion.job_ended import job_ended
from promotion.model_registry import Approval, approval_changed
from tests.unit.fake_aws import NOW, Cloud, ProcessDied
from tests.unit.promotion.test_job_end import (
    ENVIRONMENT,
    JOB,
    NEW,
    ROUND,
    a_cloud,
    around,
    endpoint,
    in_flight,
    model,
    remembered,
    stored_round,
)
from tests.unit.promotion.test_promotion_gate import CHAMPION, PROMISED, WINNER, comparison

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.conftest import Context

PACKAGE = f"arn:aws:sagemaker:us-east-1:123456789012:model-package/{ENVIRONMENT['PACKAGE_GROUP']}/1"


def waiting() -> Cloud:
    """A winner that waits for a person."""
    cloud = a_cloud()
    job_ended(JOB, around(cloud, APPROVAL_MODE="manual"))
    return cloud


def judge(cloud: Cloud, status: str, why: str | None = None) -> Approval:
    cloud.sagemaker.packages[PACKAGE] |= {"ModelApprovalStatus": status}
    if why is not None:
        cloud.sagemaker.packages[PACKAGE]["ApprovalDescription"] = why
    return approval_changed(PACKAGE, around(cloud, APPROVAL_MODE="manual"))


class TestRegister:
    def test_a_winner_is_registered_with_what_it_is(self) -> None:
        cloud = a_cloud()
        job_ended(JOB, around(cloud))
        package = cloud.sagemaker.packages[PACKAGE]
        assert package["ModelApprovalStatus"] == "Approved"
        (container,) = package["InferenceSpecification"]["Containers"]
        assert container["ModelDataUrl"] == model(cloud, WINNER).archive
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
        assert model(cloud, WINNER).package == PACKAGE
        assert cloud.sagemaker.deployments == [NEW]

    def test_who_did_not_pass_the_gate_is_not(self) -> None:
        cloud = a_cloud(comparison=comparison(significant=False))
        job_ended(JOB, around(cloud))
        assert cloud.sagemaker.packages == {}


class TestApproval:
    def test_in_manual_mode_a_winner_waits(self) -> None:
        cloud = waiting()
        assert cloud.sagemaker.packages[PACKAGE]["ModelApprovalStatus"] == "PendingManualApproval"
        assert (model(cloud, WINNER).status, stored_round(cloud).status) == ("awaiting_approval", "promoted")
        assert stored_round(cloud).deployment == "awaiting_approval"
        assert cloud.sagemaker.deployments == []
        assert in_flight(cloud) is None
        # whatever else happens to the endpoint does not let it in
        endpoint_changed(around(cloud, APPROVAL_MODE="manual"))
        assert (cloud.sagemaker.deployments, endpoint(cloud).serving_model) == ([], CHAMPION)

    def test_an_approved_one_is_deployed_once(self) -> None:
        cloud = waiting()
        assert judge(cloud, "Approved") == Approval("submitted", WINNER)
        assert judge(cloud, "Approved") == Approval("ignored", WINNER)
        assert (model(cloud, WINNER).status, stored_round(cloud).deployment) == ("deploying", None)
        cloud.sagemaker.settle(NOW + timedelta(minutes=9))
        endpoint_changed(around(cloud))
        assert judge(cloud, "Approved") == Approval("ignored", WINNER)
        assert (model(cloud, WINNER).status, stored_round(cloud).deployment) == ("live", "live")
        assert cloud.sagemaker.deployments == [NEW]

    def test_a_rejected_one_is_recorded_and_can_be_approved_later(self) -> None:
        cloud = waiting()
        assert judge(cloud, "Rejected", "too simple") == Approval("rejected", WINNER)
        assert (model(cloud, WINNER).status, model(cloud, WINNER).reason) == ("rejected", "too simple")
        assert (stored_round(cloud).deployment, stored_round(cloud).deployment_reason) == ("rejected", "too simple")
        assert cloud.sagemaker.deployments == []
        assert judge(cloud, "Approved") == Approval("submitted", WINNER)
        assert (model(cloud, WINNER).reason, stored_round(cloud).deployment_reason) == (None, None)

    def test_what_nobody_waits_for_changes_nothing(self) -> None:
        cloud = waiting()
        assert judge(cloud, "PendingManualApproval") == Approval("ignored", WINNER)
        cloud.sagemaker.packages[PACKAGE]["CustomerMetadataProperties"]["model"] = "by-hand"
        assert judge(cloud, "Approved") == Approval("ignored", "by-hand")
        automatic = a_cloud()
        job_ended(JOB, around(automatic))
        assert approval_changed(PACKAGE, around(automatic)) == Approval("ignored")
        # a model that is live is not taken down by a rejection: for that there is `dwell promote`
        automatic.sagemaker.settle(NOW + timedelta(minutes=9))
        endpoint_changed(around(automatic))
        assert judge(automatic, "Rejected") == Approval("ignored", WINNER)
        assert model(automatic, WINNER).status == "live"

    def test_a_package_of_the_same_model_that_is_not_ours_is_not_believed(self) -> None:
        cloud = waiting()
        other = PACKAGE.removesuffix("1") + "2"
        cloud.sagemaker.packages[other] = {**cloud.sagemaker.packages[PACKAGE], "ModelApprovalStatus": "Approved"}
        assert approval_changed(other, around(cloud, APPROVAL_MODE="manual")) == Approval("ignored", WINNER)
        assert cloud.sagemaker.deployments == []


@pytest.mark.parametrize("end", ["registered", "Approved", "Rejected"])
def test_dying_anywhere_and_being_repeated_ends_the_same(end: str) -> None:
    def ready() -> Cloud:
        cloud = a_cloud() if end == "registered" else waiting()
        cloud.steps.count = 0
        return cloud

    def go(cloud: Cloud) -> None:
        if end == "registered":
            job_ended(JOB, around(cloud, APPROVAL_MODE="manual"))
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
            assert remembered(cloud) == remembered(undisturbed)


@pytest.mark.usefixtures("lambda_environment")
@pytest.mark.parametrize(("name", "outcome"), [("approved", "submitted"), ("rejected", "rejected")])
def test_the_event_only_says_where_to_look(
    name: str,
    outcome: str,
    event: Callable[[str], dict[str, Any]],
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cloud = waiting()
    monkeypatch.setattr(handler, "surroundings", lambda: around(cloud, APPROVAL_MODE="manual"))
    monkeypatch.setattr(handler, "logger", Logger(service="dwell", stream=io.StringIO()))
    given = event(f"model-package-{name}")
    # before SageMaker says so too, it is not so
    assert handler.handler(given, context)["outcome"] == "ignored"  # type: ignore[arg-type]  # as far as it is used
    cloud.sagemaker.packages[PACKAGE]["ModelApprovalStatus"] = given["detail"]["ModelApprovalStatus"]
    assert handler.handler(given, context)["outcome"] == outcome  # type: ignore[arg-type]  # the same
