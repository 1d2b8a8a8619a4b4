"""A job's end: recorded once, with everybody in it, and the winner on its way to the endpoint, whatever dies."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from feature_schema import get_schema_hash
from promotion.context import Surroundings
from promotion.endpoint_changed import endpoint_changed
from promotion.job_ended import Ending, job_ended
from promotion.sagemaker_endpoint import EndpointBusyError, NameTakenError
from promotion.settings import Settings
from rounds import Dataset, Endpoint, InFlightRound, Model, Round, RoundLock, Store
from tests.template import ALARMS
from tests.unit.fake_aws import BUCKET, ENDPOINT, NOW, STACK, Cloud, ProcessDied
from tests.unit.promotion.test_job_results import packed
from tests.unit.promotion.test_promotion_gate import CHAMPION, PROMISED, WINNER, candidate, comparison, tournament

if TYPE_CHECKING:
    from collections.abc import Callable

ROUND = "20261123T063900Z-model-error"
JOB = f"{STACK}-{ROUND}"
STARTED = NOW
ENDED = NOW + timedelta(seconds=126)
OLD = f"{STACK}-{CHAMPION}"
NEW = f"{STACK}-{WINNER}"
ENVIRONMENT = {
    "STACK_NAME": STACK,
    "TABLE_NAME": "dwell-rounds",
    "ENDPOINT_NAME": ENDPOINT,
    "SERVING_IMAGE": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0",
    "SERVING_ROLE_ARN": "arn:aws:iam::123456789012:role/dwell-serving",
    "INSTANCE_TYPE": "ml.m5.large",
    "INSTANCE_COUNT": "1",
    "KEY_ARN": "",
    "PACKAGE_GROUP": "dwell-0123abcd",
    "APPROVAL_MODE": "automatic",
    "BAKE_SECONDS": "900",
    "CANARY_PERCENT": "0",
    "ERROR_RATIO": "1.25",
    "LIVE_ERROR_ALARM": ALARMS["NewModelError"]["AlarmName"],
    "ENDPOINT_ALARMS": f"{ALARMS['NewModelFailures']['AlarmName']},{ALARMS['NewModelLatency']['AlarmName']}",
}


def around(cloud: Cloud, *, tell_rolled_back: Callable[[], None] = lambda: None, **environment: str) -> Surroundings:
    table, s3, sagemaker, cloudwatch = cloud.clients()
    settings = Settings.read({**ENVIRONMENT, **environment})
    return Surroundings(settings, Store(table), s3, sagemaker, cloudwatch, cloud.clock, tell_rolled_back)


def guards() -> list[dict[str, Any]]:
    """The template's alarms that watch a new model, at rest."""
    names = ("NewModelError", "NewModelFailures", "NewModelLatency")
    return [{**deepcopy(ALARMS[name]), "StateValue": "OK"} for name in names]


def a_cloud(*, champion: bool = True, job: str = "Completed", **results: Any) -> Cloud:
    """A round whose job has just ended; the champion, if there is one, is live behind the endpoint."""
    cloud = Cloud()
    cloud.cloudwatch.alarms = guards()
    store = around(cloud).store
    store.create(
        Round(
            name=ROUND,
            cause="model-error",
            trigger="alarm",
            event="e",
            started_at=STARTED,
            job=JOB,
            champion=CHAMPION if champion else None,
            dataset=Dataset(manifest="m", objects=3, bytes=12, cut_off=NOW, schema_hash=get_schema_hash()),
        )
    )
    store.create(RoundLock(flight=InFlightRound(round=ROUND, job=JOB, event="e", cut_off=NOW, lease_until=NOW)))
    if champion:
        store.create(
            Model(
                name=CHAMPION,
                round="20261123T051100Z-no-model",
                candidate="xgboost",
                algorithm="xgboost",
                trained_on="all",
                test_rmse=1_830.0,
                expected_error=PROMISED,
                test_set="20261123T051100Z-no-model",
                archive="s3://old/model.tar.gz",
                status="live",
                live_since=NOW - timedelta(hours=1),
                created_at=NOW - timedelta(hours=1),
            )
        )
        store.create(
            Endpoint(name=ENDPOINT, serving_model=CHAMPION, status="InService", updated_at=NOW - timedelta(hours=1))
        )
        cloud.sagemaker.endpoint = {
            "EndpointName": ENDPOINT,
            "EndpointConfigName": OLD,
            "EndpointStatus": "InService",
            "LastModifiedTime": NOW - timedelta(hours=1),
        }
    against = {} if champion else {"champion": None, "comparison": comparison(against="baseline", model=None)}
    outcome = tournament(**{"schema_hash": get_schema_hash(), **against, **results})
    cloud.sagemaker.jobs[JOB] = {
        "TrainingJobName": JOB,
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/training"},
    }
    cloud.sagemaker.end_job(JOB, job, ENDED)
    cloud.s3.store(
        f"training/{JOB}/output/output.tar.gz", packed(("tournament.json", outcome.model_dump_json().encode())), ENDED
    )
    cloud.move(ENDED - NOW)
    return cloud


def stored_round(cloud: Cloud) -> Round:
    found = around(cloud).store.get(Round, ROUND)
    assert found is not None
    return found


def model(cloud: Cloud, name: str) -> Model:
    found = around(cloud).store.get(Model, name)
    assert found is not None
    return found


def endpoint(cloud: Cloud) -> Endpoint:
    found = around(cloud).store.get(Endpoint, ENDPOINT)
    assert found is not None
    return found


def in_flight(cloud: Cloud) -> InFlightRound | None:
    lock = around(cloud).store.get(RoundLock, "round")
    assert lock is not None
    return lock.holder


class TestPromoted:
    def test_the_round_its_models_and_the_deployment(self) -> None:
        cloud = a_cloud()
        assert job_ended(JOB, around(cloud)) == Ending("promoted", ROUND, "beats_champion", WINNER)

        round_ = stored_round(cloud)
        assert (round_.status, round_.reason, round_.promoted) == ("promoted", "beats_champion", WINNER)
        assert (round_.baseline_rmse, round_.champion_rmse, round_.winner) == (5_000, 2_600, "xgboost-recent")
        assert (round_.finished_at, round_.seconds, round_.deployment) == (ENDED, 126, None)
        assert round_.dataset is not None
        assert (round_.dataset.objects, round_.dataset.train, round_.dataset.test) == (3, 6, 2)
        assert [(one.name, one.rmse) for one in round_.candidates] == [("xgboost-recent", 1_900)]

        winner = model(cloud, WINNER)
        assert (winner.status, winner.test_rmse, winner.test_set) == ("deploying", 1_900, ROUND)
        assert winner.archive == f"s3://{BUCKET}/training/{JOB}/output/model.tar.gz"
        old = model(cloud, CHAMPION)
        assert (old.status, old.test_rmse, old.test_set) == ("live", 2_600, ROUND)
        assert cloud.sagemaker.deployments == [NEW]
        assert endpoint(cloud).desired_model == WINNER
        assert in_flight(cloud) is None

    def test_models_of_an_entry_carry_the_entrants_name(self) -> None:
        cloud = a_cloud()
        around(cloud).store.update(Round, ROUND, lambda one: one.model_copy(update={"entrant": "Zoë"}))
        job_ended(JOB, around(cloud))
        assert (stored_round(cloud).entrant, model(cloud, WINNER).entrant) == ("Zoë", "Zoë")
        assert model(cloud, CHAMPION).entrant is None  # re-scored, but still nobody's

    def test_what_is_made_in_sagemaker_obeys_the_serving_contract(self) -> None:
        cloud = a_cloud()
        job_ended(JOB, around(cloud, KEY_ARN="key"))
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

    def test_the_first_model_creates_the_endpoint(self) -> None:
        cloud = a_cloud(champion=False)
        assert job_ended(JOB, around(cloud)).reason == "beats_baseline"
        assert cloud.sagemaker.endpoint is not None
        assert cloud.sagemaker.endpoint["EndpointStatus"] == "Creating"
        assert cloud.sagemaker.deployments == [NEW]

    @pytest.mark.parametrize("status", ["Creating", "Updating", "RollingBack", "SystemUpdating"])
    def test_a_busy_endpoint_gets_the_model_when_it_is_free(self, status: str) -> None:
        cloud = a_cloud()
        assert cloud.sagemaker.endpoint is not None
        cloud.sagemaker.endpoint["EndpointStatus"] = status
        assert job_ended(JOB, around(cloud)).outcome == "promoted"
        assert in_flight(cloud) is None
        assert cloud.sagemaker.deployments == []
        assert model(cloud, WINNER).status == "candidate"

        cloud.sagemaker.settle(ENDED + timedelta(minutes=5))
        endpoint_changed(around(cloud))
        assert cloud.sagemaker.deployments == [NEW]
        assert model(cloud, WINNER).status == "deploying"

    def test_a_failed_endpoint_is_replaced(self) -> None:
        cloud = a_cloud(champion=False)
        cloud.sagemaker.endpoint = {
            "EndpointName": ENDPOINT,
            "EndpointStatus": "Failed",
            "EndpointConfigName": "x",
            "LastModifiedTime": NOW,
        }
        for _ in range(2):  # while it is failed, and while it is being deleted
            with pytest.raises(EndpointBusyError):
                job_ended(JOB, around(cloud))
            assert stored_round(cloud).status == "started"
        cloud.sagemaker.endpoint = None
        assert job_ended(JOB, around(cloud)).outcome == "promoted"
        assert cloud.sagemaker.deployments == [NEW]

    def test_a_name_that_means_something_else_is_not_used(self) -> None:
        cloud = a_cloud()
        cloud.sagemaker.models[NEW] = {"ModelName": NEW, "PrimaryContainer": {"ModelDataUrl": "s3://other"}}
        with pytest.raises(NameTakenError, match=WINNER):
            job_ended(JOB, around(cloud))
        cloud = a_cloud()
        cloud.sagemaker.configurations[NEW] = {"ProductionVariants": [{"ModelName": "other"}]}
        with pytest.raises(NameTakenError, match=WINNER):
            job_ended(JOB, around(cloud))


class TestKept:
    def test_a_losing_challenger_is_recorded_and_changes_nothing(self) -> None:
        cloud = a_cloud(comparison=comparison(significant=False))
        assert job_ended(JOB, around(cloud)) == Ending("kept", ROUND, "not_significant")
        assert (stored_round(cloud).status, stored_round(cloud).promoted) == ("kept", None)
        assert model(cloud, WINNER).status == "candidate"
        assert model(cloud, CHAMPION).test_rmse == 2_600
        assert cloud.sagemaker.deployments == []
        assert cloud.sagemaker.models == {}
        assert in_flight(cloud) is None

    def test_a_candidate_that_failed_is_recorded_beside_the_others(self) -> None:
        failed = candidate(
            name="linear",
            algorithm="linear",
            model="linear-20261123T063900Z",
            rmse=None,
            expected_error=None,
            error="Boom",
        )
        cloud = a_cloud(candidates=[*candidate(), *failed])
        assert job_ended(JOB, around(cloud)).outcome == "promoted"
        linear = model(cloud, "linear-20261123T063900Z")
        assert (linear.status, linear.reason, linear.archive) == ("failed", "Boom", None)
        assert [one.error for one in stored_round(cloud).candidates] == [None, "Boom"]

    def test_a_tournament_without_a_winner_keeps_the_champion(self) -> None:
        everybody = candidate(rmse=None, expected_error=None, error="Boom")
        cloud = a_cloud(candidates=everybody, winner=None, comparison=None)
        del cloud.sagemaker.jobs[JOB]["ModelArtifacts"]
        assert job_ended(JOB, around(cloud)) == Ending("kept", ROUND, "no_winner")
        assert stored_round(cloud).comparison is None


class TestFailed:
    @pytest.mark.parametrize("status", ["Failed", "Stopped"])
    def test_a_failed_job_is_recorded_in_sagemakers_words(self, status: str) -> None:
        cloud = a_cloud(job=status)
        if status == "Failed":
            cloud.sagemaker.jobs[JOB]["FailureReason"] = "AlgorithmError: " + "x" * 5_000
        ending = job_ended(JOB, around(cloud))
        assert ending.outcome == "failed"
        round_ = stored_round(cloud)
        assert round_.status == "failed"
        assert round_.reason is not None
        assert round_.reason.startswith("AlgorithmError" if status == "Failed" else "Stopped")
        assert len(round_.reason) <= 1_000
        assert in_flight(cloud) is None
        assert cloud.sagemaker.deployments == []

    def test_results_that_cannot_be_read_fail_the_round(self) -> None:
        cloud = a_cloud()
        cloud.s3.store(f"training/{JOB}/output/output.tar.gz", b"rubbish", ENDED)
        assert job_ended(JOB, around(cloud)).outcome == "failed"
        assert "no readable" in str(stored_round(cloud).reason)
        assert in_flight(cloud) is None


class TestOthers:
    def test_jobs_of_others_and_jobs_that_run_are_left_alone(self) -> None:
        cloud = a_cloud()
        assert job_ended("other-20261123T063900Z-model-error", around(cloud)) == Ending("not_ours")
        assert job_ended("dwell-20261123T000000Z-manual", around(cloud)) == Ending("not_ours")
        cloud.sagemaker.jobs[JOB]["TrainingJobStatus"] = "InProgress"
        assert job_ended(JOB, around(cloud)) == Ending("not_ended", ROUND)
        assert stored_round(cloud).status == "started"
        assert in_flight(cloud) is not None

    def test_the_lock_of_another_round_is_not_freed(self) -> None:
        cloud = a_cloud()
        other = InFlightRound(round="20261123T070000Z-no-model", job="j", event="e", cut_off=NOW, lease_until=NOW)
        around(cloud).store.update(RoundLock, "round", lambda lock: lock.model_copy(update={"holder": other}))
        job_ended(JOB, around(cloud))
        assert in_flight(cloud) == other


def remembered(cloud: Cloud) -> dict[Any, Any]:
    """The table, without how often a record was written, and by which attempt an endpoint was found changing."""
    passing = {"revision": 0, "deploying_since": None}
    return {key: {**item, **passing} for key, item in cloud.table.items.items()}


class TestRepetition:
    def test_a_repeated_event_changes_nothing(self) -> None:
        cloud = a_cloud()
        job_ended(JOB, around(cloud))
        before = {key: dict(item) for key, item in cloud.table.items.items()}
        for _ in range(2):
            assert job_ended(JOB, around(cloud)) == Ending("repeated", ROUND)
        assert cloud.table.items == before
        assert cloud.sagemaker.deployments == [NEW]

    @pytest.mark.parametrize("champion", [True, False])
    @pytest.mark.parametrize("significant", [True, False])
    def test_dying_anywhere_and_being_repeated_ends_the_same(self, *, champion: bool, significant: bool) -> None:
        against = comparison(significant=significant)
        if not champion:
            against |= {"against": "baseline", "model": None}
        undisturbed = a_cloud(champion=champion, comparison=against)
        before = undisturbed.steps.count
        job_ended(JOB, around(undisturbed))
        steps = undisturbed.steps.count - before
        assert steps > 8
        for fatal in range(1, steps + 1):
            for effective in (False, True):
                cloud = a_cloud(champion=champion, comparison=against)
                cloud.steps.count, cloud.steps.fatal, cloud.steps.effective = 0, fatal, effective
                with pytest.raises(ProcessDied):
                    job_ended(JOB, around(cloud))
                cloud.steps.fatal = None
                job_ended(JOB, around(cloud))
                assert cloud.sagemaker.deployments == undisturbed.sagemaker.deployments
                assert in_flight(cloud) is None
                # What became of the deployment may be noted by the endpoint's own event only.
                self.settle_alike(cloud, undisturbed_copy(champion=champion, against=against), significant=significant)

    def settle_alike(self, cloud: Cloud, undisturbed: Cloud, *, significant: bool) -> None:
        for one in (cloud, undisturbed):
            if significant:
                one.sagemaker.settle(ENDED + timedelta(minutes=5))
            if one.sagemaker.endpoint is not None:
                endpoint_changed(around(one))
        assert remembered(cloud) == remembered(undisturbed)

    def dead_before_its_round_ended(self) -> Cloud:
        undisturbed, cloud = a_cloud(), a_cloud()
        before = undisturbed.steps.count
        job_ended(JOB, around(undisturbed))
        # The last requests write the round, then read and write the lock.
        cloud.steps.count, cloud.steps.fatal, cloud.steps.effective = 0, undisturbed.steps.count - before - 2, False
        with pytest.raises(ProcessDied):
            job_ended(JOB, around(cloud))
        cloud.steps.fatal = None
        assert stored_round(cloud).status == "started"
        assert cloud.sagemaker.deployments == [NEW]
        return cloud

    def test_an_endpoint_that_was_faster_than_the_retry_is_not_mistaken_for_a_rival(self) -> None:
        cloud = self.dead_before_its_round_ended()
        cloud.sagemaker.settle(ENDED + timedelta(minutes=5))
        endpoint_changed(around(cloud))
        assert job_ended(JOB, around(cloud)).outcome == "promoted"
        assert (model(cloud, WINNER).status, endpoint(cloud).desired_model) == ("live", None)
        assert stored_round(cloud).deployment == "live"
        assert cloud.sagemaker.deployments == [NEW]

    def test_a_deployment_that_was_rolled_back_before_the_retry_is_not_tried_again(self) -> None:
        cloud = self.dead_before_its_round_ended()
        cloud.sagemaker.settle(ENDED + timedelta(minutes=5), fail="an alarm went off")
        endpoint_changed(around(cloud))
        assert job_ended(JOB, around(cloud)).outcome == "promoted"
        assert (model(cloud, WINNER).status, endpoint(cloud).desired_model) == ("rolled_back", None)
        assert (stored_round(cloud).status, stored_round(cloud).deployment) == ("promoted", "rolled_back")
        assert cloud.sagemaker.deployments == [NEW]


def undisturbed_copy(*, champion: bool, against: dict[str, Any]) -> Cloud:
    cloud = a_cloud(champion=champion, comparison=against)
    job_ended(JOB, around(cloud))
    return cloud
