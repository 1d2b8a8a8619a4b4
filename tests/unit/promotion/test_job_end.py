"""A job's end: recorded once, with everybody in it, and the winner on its way to the endpoint, whatever dies."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from promotion.outcomes import RoundResult
from promotion.sagemaker_endpoint import NameTakenError
from rounds import InFlightRound, Round, RoundLock
from tests.unit.fake_aws import BUCKET, ENDPOINT, NOW, Cloud, ProcessDied
from tests.unit.promotion.factories import (
    CHAMPION,
    ENDED,
    ENVIRONMENT,
    JOB,
    NEW,
    ROUND,
    WINNER,
    get_endpoint,
    get_in_flight,
    get_model,
    get_round,
    handle_endpoint_change,
    handle_job_end,
    handle_schedule,
    make_candidate,
    make_cloud,
    make_comparison,
    make_context,
    snapshot,
)


class TestPromoted:
    def test_winner_is_recorded_and_deployed(self) -> None:
        cloud = make_cloud()
        assert handle_job_end(JOB, make_context(cloud)) == RoundResult("promoted", ROUND, "beats_champion", WINNER)

        round_ = get_round(cloud)
        assert (round_.status, round_.reason, round_.promoted) == ("promoted", "beats_champion", WINNER)
        assert (round_.baseline_rmse, round_.champion_rmse, round_.winner) == (5_000, 2_600, "xgboost-recent")
        assert (round_.finished_at, round_.seconds, round_.deployment) == (ENDED, 126, None)
        assert round_.dataset is not None
        assert (round_.dataset.objects, round_.dataset.train, round_.dataset.test) == (3, 6, 2)
        assert [(one.name, one.rmse) for one in round_.candidates] == [("xgboost-recent", 1_900)]

        winner = get_model(cloud, WINNER)
        assert (winner.status, winner.test_rmse, winner.test_set) == ("deploying", 1_900, ROUND)
        assert winner.archive == f"s3://{BUCKET}/training/{JOB}/output/model.tar.gz"
        old = get_model(cloud, CHAMPION)
        assert (old.status, old.test_rmse, old.test_set) == ("live", 2_600, ROUND)
        assert cloud.sagemaker.deployments == [NEW]
        assert get_endpoint(cloud).desired_model == WINNER
        assert get_in_flight(cloud) is None

    def test_models_of_an_entry_carry_entrants_name(self) -> None:
        cloud = make_cloud()
        make_context(cloud).store.update(Round, ROUND, lambda one: one.model_copy(update={"entrant": "Zoë"}))
        handle_job_end(JOB, make_context(cloud))
        assert (get_round(cloud).entrant, get_model(cloud, WINNER).entrant) == ("Zoë", "Zoë")
        assert get_model(cloud, CHAMPION).entrant is None  # re-scored, but still nobody's

    def test_sagemaker_model_obeys_serving_contract(self) -> None:
        cloud = make_cloud()
        handle_job_end(JOB, make_context(cloud, KEY_ARN="key"))
        made, configured = cloud.sagemaker.models[NEW], cloud.sagemaker.configurations[NEW]
        assert made["PrimaryContainer"]["ModelDataUrl"] == f"s3://{BUCKET}/training/{JOB}/output/model.tar.gz"
        assert made["PrimaryContainer"]["Environment"] == {
            "SAGEMAKER_PROGRAM": "serving.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
            "PIP_NO_BUILD_ISOLATION": "0",
        }
        assert made["EnableNetworkIsolation"] is True
        assert made["ExecutionRoleArn"] == ENVIRONMENT["SERVING_ROLE_ARN"]
        assert configured["KmsKeyId"] == "key"
        (variant,) = configured["ProductionVariants"]
        assert (variant["ModelName"], variant["InstanceType"], variant["InitialInstanceCount"]) == (
            NEW,
            "ml.m5.large",
            1,
        )

    def test_first_model_creates_endpoint(self) -> None:
        cloud = make_cloud(champion=False)
        assert handle_job_end(JOB, make_context(cloud)).reason == "beats_baseline"
        assert cloud.sagemaker.endpoint is not None
        assert cloud.sagemaker.endpoint["EndpointStatus"] == "Creating"
        assert cloud.sagemaker.deployments == [NEW]

    @pytest.mark.parametrize("status", ["Creating", "Updating", "RollingBack", "SystemUpdating"])
    def test_changing_endpoint_gets_model_when_it_is_free(self, status: str) -> None:
        cloud = make_cloud()
        assert cloud.sagemaker.endpoint is not None
        cloud.sagemaker.endpoint["EndpointStatus"] = status
        assert handle_job_end(JOB, make_context(cloud)).outcome == "promoted"
        assert get_in_flight(cloud) is None
        assert cloud.sagemaker.deployments == []
        assert get_model(cloud, WINNER).status == "candidate"

        cloud.sagemaker.settle(ENDED + timedelta(minutes=5))
        handle_endpoint_change(make_context(cloud))
        assert cloud.sagemaker.deployments == [NEW]
        assert get_model(cloud, WINNER).status == "deploying"

    def test_failed_endpoint_is_replaced(self) -> None:
        cloud = make_cloud(champion=False)
        cloud.sagemaker.endpoint = {
            "EndpointName": ENDPOINT,
            "EndpointStatus": "Failed",
            "EndpointConfigName": "x",
            "LastModifiedTime": NOW,
        }
        assert handle_job_end(JOB, make_context(cloud)).outcome == "promoted"
        # it is deleted, which no event announces the end of: the schedule waits for it
        assert cloud.sagemaker.endpoint["EndpointStatus"] == "Deleting"
        handle_schedule(make_context(cloud))
        assert (cloud.sagemaker.deployments, get_endpoint(cloud).desired_model) == ([], WINNER)
        cloud.sagemaker.endpoint = None
        handle_schedule(make_context(cloud))
        assert cloud.sagemaker.deployments == [NEW]
        assert get_model(cloud, WINNER).status == "deploying"

    def test_name_of_another_resource_is_not_used(self) -> None:
        cloud = make_cloud()
        cloud.sagemaker.models[NEW] = {"ModelName": NEW, "PrimaryContainer": {"ModelDataUrl": "s3://other"}}
        with pytest.raises(NameTakenError, match=WINNER):
            handle_job_end(JOB, make_context(cloud))
        cloud = make_cloud()
        cloud.sagemaker.configurations[NEW] = {"ProductionVariants": [{"ModelName": "other"}]}
        with pytest.raises(NameTakenError, match=WINNER):
            handle_job_end(JOB, make_context(cloud))


class TestKept:
    def test_losing_challenger_is_recorded_and_changes_nothing(self) -> None:
        cloud = make_cloud(comparison=make_comparison(significant=False))
        assert handle_job_end(JOB, make_context(cloud)) == RoundResult("kept", ROUND, "not_significant")
        assert (get_round(cloud).status, get_round(cloud).promoted) == ("kept", None)
        assert get_model(cloud, WINNER).status == "candidate"
        assert get_model(cloud, CHAMPION).test_rmse == 2_600
        assert cloud.sagemaker.deployments == []
        assert cloud.sagemaker.models == {}
        assert get_in_flight(cloud) is None

    def test_failed_candidate_is_recorded_beside_the_others(self) -> None:
        failed = make_candidate(
            name="linear",
            algorithm="linear",
            model="linear-20261123T063900Z",
            rmse=None,
            expected_error=None,
            error="Boom",
        )
        cloud = make_cloud(candidates=[*make_candidate(), *failed])
        assert handle_job_end(JOB, make_context(cloud)).outcome == "promoted"
        linear = get_model(cloud, "linear-20261123T063900Z")
        assert (linear.status, linear.reason, linear.archive) == ("failed", "Boom", None)
        assert [one.error for one in get_round(cloud).candidates] == [None, "Boom"]

    def test_tournament_without_winner_keeps_champion(self) -> None:
        everybody = make_candidate(rmse=None, expected_error=None, error="Boom")
        cloud = make_cloud(candidates=everybody, winner=None, comparison=None)
        del cloud.sagemaker.jobs[JOB]["ModelArtifacts"]
        assert handle_job_end(JOB, make_context(cloud)) == RoundResult("kept", ROUND, "no_winner")
        assert get_round(cloud).comparison is None


class TestFailed:
    @pytest.mark.parametrize("status", ["Failed", "Stopped"])
    def test_failed_job_is_recorded_in_sagemakers_words(self, status: str) -> None:
        cloud = make_cloud(job=status)
        if status == "Failed":
            cloud.sagemaker.jobs[JOB]["FailureReason"] = "AlgorithmError: " + "x" * 5_000
        ending = handle_job_end(JOB, make_context(cloud))
        assert ending.outcome == "failed"
        round_ = get_round(cloud)
        assert round_.status == "failed"
        assert round_.reason is not None
        assert round_.reason.startswith("AlgorithmError" if status == "Failed" else "Stopped")
        assert len(round_.reason) <= 1_000
        assert get_in_flight(cloud) is None
        assert cloud.sagemaker.deployments == []

    def test_unreadable_results_fail_the_round(self) -> None:
        cloud = make_cloud()
        cloud.s3.store(f"training/{JOB}/output/output.tar.gz", b"rubbish", ENDED)
        assert handle_job_end(JOB, make_context(cloud)).outcome == "failed"
        assert "no readable" in str(get_round(cloud).reason)
        assert get_in_flight(cloud) is None


class TestOthers:
    def test_other_and_running_jobs_are_left_alone(self) -> None:
        cloud = make_cloud()
        assert handle_job_end("other-20261123T063900Z-model-error", make_context(cloud)) == RoundResult("not_ours")
        assert handle_job_end("dwell-20261123T000000Z-manual", make_context(cloud)) == RoundResult("not_ours")
        cloud.sagemaker.jobs[JOB]["TrainingJobStatus"] = "InProgress"
        assert handle_job_end(JOB, make_context(cloud)) == RoundResult("not_ended", ROUND)
        assert get_round(cloud).status == "started"
        assert get_in_flight(cloud) is not None

    def test_lock_of_another_round_is_not_freed(self) -> None:
        cloud = make_cloud()
        other = InFlightRound(round="20261123T070000Z-no-model", job="j", event="e", cut_off=NOW, lease_until=NOW)
        make_context(cloud).store.update(RoundLock, "round", lambda lock: lock.model_copy(update={"holder": other}))
        handle_job_end(JOB, make_context(cloud))
        assert get_in_flight(cloud) == other


class TestRepetition:
    def test_repeated_event_changes_nothing(self) -> None:
        cloud = make_cloud()
        handle_job_end(JOB, make_context(cloud))
        before = {key: dict(item) for key, item in cloud.table.items.items()}
        for _ in range(2):
            assert handle_job_end(JOB, make_context(cloud)) == RoundResult("repeated", ROUND)
        assert cloud.table.items == before
        assert cloud.sagemaker.deployments == [NEW]

    @pytest.mark.parametrize("champion", [True, False])
    @pytest.mark.parametrize("significant", [True, False])
    def test_attempt_that_dies_anywhere_is_repeated(self, *, champion: bool, significant: bool) -> None:
        against = make_comparison(significant=significant)
        if not champion:
            against |= {"against": "baseline", "model": None}
        undisturbed = make_cloud(champion=champion, comparison=against)
        before = undisturbed.steps.count
        handle_job_end(JOB, make_context(undisturbed))
        steps = undisturbed.steps.count - before
        assert steps > 8
        for fatal in range(1, steps + 1):
            for effective in (False, True):
                cloud = make_cloud(champion=champion, comparison=against)
                cloud.steps.count, cloud.steps.fatal, cloud.steps.effective = 0, fatal, effective
                with pytest.raises(ProcessDied):
                    handle_job_end(JOB, make_context(cloud))
                cloud.steps.fatal = None
                handle_job_end(JOB, make_context(cloud))
                assert cloud.sagemaker.deployments == undisturbed.sagemaker.deployments
                assert get_in_flight(cloud) is None
                # What became of the deployment may be noted by the endpoint's own event only.
                self.settle_alike(cloud, undisturbed_copy(champion=champion, against=against), significant=significant)

    def settle_alike(self, cloud: Cloud, undisturbed: Cloud, *, significant: bool) -> None:
        for one in (cloud, undisturbed):
            if significant:
                one.sagemaker.settle(ENDED + timedelta(minutes=5))
            if one.sagemaker.endpoint is not None:
                handle_endpoint_change(make_context(one))
        assert snapshot(cloud) == snapshot(undisturbed)

    def dead_before_its_round_ended(self) -> Cloud:
        undisturbed, cloud = make_cloud(), make_cloud()
        before = undisturbed.steps.count
        handle_job_end(JOB, make_context(undisturbed))
        # The last requests write the round, then read and write the lock.
        cloud.steps.count, cloud.steps.fatal, cloud.steps.effective = 0, undisturbed.steps.count - before - 2, False
        with pytest.raises(ProcessDied):
            handle_job_end(JOB, make_context(cloud))
        cloud.steps.fatal = None
        assert get_round(cloud).status == "started"
        assert cloud.sagemaker.deployments == [NEW]
        return cloud

    def test_endpoint_faster_than_retry_is_no_rival(self) -> None:
        cloud = self.dead_before_its_round_ended()
        cloud.sagemaker.settle(ENDED + timedelta(minutes=5))
        handle_endpoint_change(make_context(cloud))
        assert handle_job_end(JOB, make_context(cloud)).outcome == "promoted"
        assert (get_model(cloud, WINNER).status, get_endpoint(cloud).desired_model) == ("live", None)
        assert get_round(cloud).deployment == "live"
        assert cloud.sagemaker.deployments == [NEW]

    def test_deployment_rolled_back_before_retry_is_not_repeated(self) -> None:
        cloud = self.dead_before_its_round_ended()
        cloud.sagemaker.settle(ENDED + timedelta(minutes=5), fail="an alarm went off")
        handle_endpoint_change(make_context(cloud))
        assert handle_job_end(JOB, make_context(cloud)).outcome == "promoted"
        assert (get_model(cloud, WINNER).status, get_endpoint(cloud).desired_model) == ("rolled_back", None)
        assert (get_round(cloud).status, get_round(cloud).deployment) == ("promoted", "rolled_back")
        assert cloud.sagemaker.deployments == [NEW]


def undisturbed_copy(*, champion: bool, against: dict[str, Any]) -> Cloud:
    cloud = make_cloud(champion=champion, comparison=against)
    handle_job_end(JOB, make_context(cloud))
    return cloud
