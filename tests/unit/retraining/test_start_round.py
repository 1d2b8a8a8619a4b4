"""A trigger starts one round, with crashes at any request and with repeated deliveries of its event."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from retraining import round_lock, source_archive
from rounds import Dataset, Endpoint, Model, Round, RoundLock, format_iso, release_round_lock
from tests.unit.fake_aws import BUCKET, ENDPOINT, NOW, STACK, Cloud, ProcessDied, make_client_error
from tests.unit.retraining.factories import (
    BREACH_START,
    CHAMPION,
    JOB,
    LEASE,
    MANUAL,
    MODEL_ERROR,
    NO_MODEL,
    add_champion,
    add_past_round,
    cloud_with_samples,
    make_context,
    round_in_flight,
    run_trigger,
    stored_decision,
    stored_round,
)

if TYPE_CHECKING:
    from retraining.start_round import TriggerResult
    from retraining.triggers import Trigger


class TestStart:
    def test_alarm_with_enough_samples_starts_one_job(self) -> None:
        cloud = cloud_with_samples()
        add_champion(cloud)
        result = run_trigger(cloud)

        assert (result.decision.outcome, result.round_started, result.round_refused) == ("start", True, False)
        assert list(cloud.sagemaker.jobs) == [JOB]
        assert round_in_flight(cloud) == MODEL_ERROR.round_name
        round_ = stored_round(cloud)
        assert (round_.status, round_.job, round_.champion, round_.recent_since) == (
            "started",
            JOB,
            CHAMPION,
            BREACH_START,
        )
        assert round_.dataset is not None
        assert (round_.dataset.objects, round_.dataset.cut_off) == (3, NOW)
        assert stored_decision(cloud).facts["new_samples"] == 1_000
        assert stored_decision(cloud).facts["since"] == "2026-11-23T06:28:05.250Z"

    def test_training_job_request_matches_contract(self) -> None:
        cloud = cloud_with_samples()
        add_champion(cloud)
        run_trigger(cloud, KEY_ARN="arn:aws:kms:us-east-1:123456789012:key/k")
        job = cloud.sagemaker.jobs[JOB]
        code = source_archive.build_source_archive()

        channels = {channel["ChannelName"]: channel["DataSource"]["S3DataSource"] for channel in job["InputDataConfig"]}
        folder = f"s3://{BUCKET}/datasets/20261123T063900Z-model-error"
        assert {name: (source["S3DataType"], source["S3Uri"]) for name, source in channels.items()} == {
            "samples": ("ManifestFile", f"{folder}/manifest.json"),
            "dataset": ("S3Prefix", f"{folder}/dataset.json"),
            "code": ("S3Prefix", f"s3://{BUCKET}/source/{code.digest}/"),
            "champion": ("S3Prefix", f"s3://{BUCKET}/training/first/output/model.tar.gz"),
        }
        assert cloud.s3.content(f"source/{code.digest}/sourcedir.tar.gz") == code.content
        assert job["HyperParameters"] == {
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": "/opt/ml/input/data/code/sourcedir.tar.gz",
        }
        assert job["EnableNetworkIsolation"] is True
        assert job["Environment"] == {"PIP_NO_BUILD_ISOLATION": "0"}
        # SageMaker rejects them for its own images
        assert "MetricDefinitions" not in job["AlgorithmSpecification"]
        assert job["OutputDataConfig"] == {
            "S3OutputPath": f"s3://{BUCKET}/training",
            "KmsKeyId": "arn:aws:kms:us-east-1:123456789012:key/k",
        }
        assert job["ResourceConfig"]["VolumeKmsKeyId"] == "arn:aws:kms:us-east-1:123456789012:key/k"
        assert job["StoppingCondition"] == {"MaxRuntimeInSeconds": 3_600}
        assert {tag["Key"]: tag["Value"] for tag in job["Tags"]} == {
            "stack": STACK,
            "round": MODEL_ERROR.round_name,
            "cause": "model-error",
        }

    def test_request_without_key_has_no_kms_settings(self) -> None:
        cloud = cloud_with_samples()
        run_trigger(cloud)
        assert "KmsKeyId" not in json.dumps(cloud.sagemaker.jobs[JOB], default=str)

    def test_operator_hyperparameters_are_passed_as_json(self) -> None:
        cloud = cloud_with_samples(samples=0)
        manual = replace(
            MODEL_ERROR,
            cause="manual",
            kind="manual",
            hyperparameters={"xgboost.eta": 0.3, "xgboost.max_depth": 8, "note": "plain", "on": True},
        )
        assert run_trigger(cloud, manual).round_started
        (job,) = cloud.sagemaker.jobs.values()
        hyperparameters = {
            name: value for name, value in job["HyperParameters"].items() if not name.startswith("sagemaker_")
        }
        assert hyperparameters == {"xgboost.eta": "0.3", "xgboost.max_depth": "8", "note": "plain", "on": "true"}

    def test_entrant_is_on_round_decision_and_job(self) -> None:
        cloud = cloud_with_samples()
        run_trigger(cloud, MANUAL)
        (job,) = cloud.sagemaker.jobs.values()
        assert {"Key": "entrant", "Value": "Team A"} in job["Tags"]
        assert stored_round(cloud, MANUAL).entrant == "Team A"
        assert run_trigger(cloud, MANUAL).decision.facts["entrant"] == "Team A"

    @pytest.mark.parametrize("status", ["absent", "Failed", "Deleting"])
    def test_model_of_missing_endpoint_is_no_champion(self, status: str) -> None:
        cloud = cloud_with_samples()
        add_champion(cloud, status)
        run_trigger(cloud)
        assert stored_round(cloud).champion is None
        assert "champion" not in [channel["ChannelName"] for channel in cloud.sagemaker.jobs[JOB]["InputDataConfig"]]

    @pytest.mark.parametrize(
        ("trigger", "since"),
        [(MANUAL, NOW - timedelta(hours=2)), (MODEL_ERROR, BREACH_START), (replace(MANUAL, occurred_at=NOW), None)],
    )
    def test_champion_is_not_tested_on_its_training_samples(self, trigger: Trigger, since: datetime | None) -> None:
        # given a champion whose own test set began two hours ago, or whose round is unknown
        cloud = cloud_with_samples()
        add_champion(cloud)
        if since is not None:
            make_context(cloud).store.create(
                Round(
                    name="20261123T051100Z-no-model",
                    cause="no-model",
                    trigger="alarm",
                    event="then",
                    started_at=NOW - timedelta(hours=1),
                    job="dwell-20261123T051100Z-no-model",
                    dataset=Dataset(
                        manifest="m",
                        objects=1,
                        bytes=1,
                        cut_off=NOW - timedelta(hours=1),
                        schema_hash="0" * 16,
                        split_at=NOW - timedelta(hours=2),
                    ),
                    finished_at=NOW - timedelta(hours=1),
                    status="promoted",
                )
            )
        # when
        assert run_trigger(cloud, trigger).round_started
        # then the recent part begins there, or at the breach
        spec = json.loads(cloud.s3.content(f"datasets/{trigger.round_name}/dataset.json"))
        assert spec["recent_since"] == (None if since is None else format_iso(since))
        round_ = make_context(cloud).store.get(Round, trigger.round_name)
        assert round_ is not None
        assert round_.recent_since == since

    def test_endpoint_in_update_keeps_its_champion(self) -> None:
        cloud = cloud_with_samples()
        add_champion(cloud, "Updating")
        run_trigger(cloud, MANUAL)
        assert stored_round(cloud, MANUAL).champion == CHAMPION

    def test_paused_endpoint_has_model_after_resume_as_champion(self) -> None:
        cloud = cloud_with_samples()
        add_champion(cloud, "absent")
        store = make_context(cloud).store
        store.update(Model, CHAMPION, lambda model: model.model_copy(update={"status": "retired"}))
        store.update(
            Endpoint,
            ENDPOINT,
            lambda endpoint: endpoint.model_copy(
                update={"serving_model": None, "pause": "paused", "model_after_resume": CHAMPION}
            ),
        )
        run_trigger(cloud, MANUAL)
        assert stored_round(cloud, MANUAL).champion == CHAMPION

    def test_model_in_deployment_is_champion(self) -> None:
        # given a model in deployment, with which promotion compares at the end of the round
        cloud = cloud_with_samples()
        add_champion(cloud, "Updating")
        store, successor = make_context(cloud).store, "linear-20261123T063000Z"
        old = store.get(Model, CHAMPION)
        assert old is not None
        store.create(old.model_copy(update={"name": successor, "status": "deploying", "revision": 0}))
        store.update(
            Endpoint,
            ENDPOINT,
            lambda endpoint: endpoint.model_copy(update={"desired_model": successor, "deploying_model": successor}),
        )
        # when an operator starts a round
        run_trigger(cloud, MANUAL)
        assert stored_round(cloud, MANUAL).champion == successor


class TestRefusal:
    @pytest.mark.parametrize("status", ["Creating", "Updating", "RollingBack"])
    def test_alarm_during_deployment_is_refused(self, status: str) -> None:
        cloud = cloud_with_samples()
        add_champion(cloud, status)
        assert run_trigger(cloud).decision.reason == "deploying"
        assert cloud.sagemaker.jobs == {}

    @pytest.mark.parametrize("pause", ["paused", "resuming"])
    @pytest.mark.parametrize("trigger", [MODEL_ERROR, NO_MODEL])
    def test_alarm_during_pause_is_refused(self, trigger: Trigger, pause: str) -> None:
        cloud = cloud_with_samples()
        add_champion(cloud, "absent")
        make_context(cloud).store.update(
            Endpoint, ENDPOINT, lambda endpoint: endpoint.model_copy(update={"pause": pause})
        )
        assert run_trigger(cloud, trigger).decision.reason == "paused"
        assert cloud.sagemaker.jobs == {}

    def test_rollback_delays_alarm_but_not_operator(self) -> None:
        # given a round whose winner was rolled back 31 minutes ago; the cool-down is 30 minutes
        cloud = cloud_with_samples()
        add_past_round(
            cloud, NOW - timedelta(hours=2), deployment="rolled_back", deployed_at=NOW - timedelta(minutes=31)
        )
        # when the alarm is in ALARM
        result = run_trigger(cloud)
        # then it is refused, and an operator is not
        assert (result.decision.reason, result.decision.facts["rollbacks"]) == ("backing_off", 1)
        assert run_trigger(cloud, MANUAL).round_started

    def test_live_deployment_resets_backoff(self) -> None:
        cloud = cloud_with_samples()
        for day, deployment in ((20, "rolled_back"), (21, "live"), (22, None)):
            add_past_round(
                cloud,
                NOW - timedelta(hours=9),
                name=f"202611{day}T051100Z-no-model",
                deployment=deployment,
                deployed_at=NOW - timedelta(minutes=31),
            )
        assert run_trigger(cloud).round_started

    def test_schedule_waits_two_evaluation_windows_after_deployment(self) -> None:
        # given a model that went live 31 minutes ago, and alarms that evaluate 20 and 15 minutes
        cloud = cloud_with_samples()
        add_past_round(cloud, NOW - timedelta(hours=2), deployment="live", deployed_at=NOW - timedelta(minutes=31))
        long = replace(NO_MODEL, evaluation_window=timedelta(minutes=20))
        short = replace(NO_MODEL, evaluation_window=timedelta(minutes=15), event_id="another", occurred_at=NOW)
        assert run_trigger(cloud, long).decision.reason == "cool_down"
        assert run_trigger(cloud, short).round_started

    def test_cool_down_starts_when_model_is_live(self) -> None:
        cloud = cloud_with_samples()
        add_past_round(cloud, NOW - timedelta(hours=2), deployment="live", deployed_at=NOW - timedelta(minutes=29))
        assert run_trigger(cloud).decision.reason == "cool_down"

    @pytest.mark.parametrize(
        ("samples", "stored", "environment", "reason"),
        [
            (999, 3, {}, "too_few_samples"),
            (1_000, 3, {"ROUNDS_PER_DAY": "0"}, "daily_budget"),
            (1_000, 0, {}, "no_stored_samples"),
        ],
    )
    def test_refusal_is_recorded_without_job_or_lock(
        self, samples: int, stored: int, environment: dict[str, str], reason: str
    ) -> None:
        cloud = cloud_with_samples(samples=samples, stored=stored)
        result = run_trigger(cloud, MODEL_ERROR, **environment)
        assert (result.decision.reason, result.round_refused, result.round_started) == (reason, True, False)
        assert stored_decision(cloud) == result.decision
        assert cloud.sagemaker.jobs == {}
        assert round_in_flight(cloud) is None
        assert cloud.table.kind("round") == {}

    def test_repeated_event_keeps_its_refusal_uncounted(self) -> None:
        cloud = cloud_with_samples(samples=0)
        first = run_trigger(cloud)
        cloud.cloudwatch.count("AcceptedSamples", NOW - timedelta(minutes=2), 5_000, service=STACK)
        again = run_trigger(cloud)
        assert again.decision == first.decision
        assert not again.round_refused
        assert cloud.sagemaker.jobs == {}

    def test_cool_down_starts_at_end_of_last_round(self) -> None:
        cloud = cloud_with_samples()
        add_past_round(cloud, NOW - timedelta(minutes=29))
        assert run_trigger(cloud).decision.reason == "cool_down"
        cloud = cloud_with_samples()
        add_past_round(cloud, NOW - timedelta(minutes=30))
        assert run_trigger(cloud).decision.outcome == "start"

    def test_second_trigger_is_refused_while_round_is_in_flight(self) -> None:
        cloud = cloud_with_samples()
        run_trigger(cloud)
        result = run_trigger(cloud, NO_MODEL, COOLDOWN_SECONDS="0")
        assert result.decision.reason == "in_flight"
        assert result.decision.facts["in_flight"] == MODEL_ERROR.round_name
        assert list(cloud.sagemaker.jobs) == [JOB]
        assert round_in_flight(cloud) == MODEL_ERROR.round_name

    def test_second_entrant_within_a_second_is_refused(self) -> None:
        cloud = cloud_with_samples()
        other = replace(MANUAL, event_id="operator:b", entrant="Team B", hyperparameters={"xgboost.eta": 0.9})
        assert other.round_name == MANUAL.round_name
        run_trigger(cloud, MANUAL)
        result = run_trigger(cloud, other)
        assert (result.decision.outcome, result.decision.reason) == ("refuse", "in_flight")
        assert round_in_flight(cloud) == MANUAL.round_name  # the refusal does not release the other's lock
        assert [record["entrant"] for record in cloud.table.kind("round").values()] == ["Team A"]
        assert run_trigger(cloud, MANUAL).decision.outcome == "start"

    def test_event_of_same_second_after_round_is_refused_without_lock(self) -> None:
        # given a round that has failed
        cloud = cloud_with_samples()
        assert run_trigger(cloud, MANUAL).round_started
        store = make_context(cloud).store
        round_lock.mark_failed(store, MANUAL.round_name, "a test", NOW)
        release_round_lock(store, MANUAL.round_name)
        # when another event of the same second arrives
        late = replace(MANUAL, event_id="operator:b")
        result = run_trigger(cloud, late)
        # then
        assert (result.decision.outcome, result.decision.reason) == ("refuse", "already_played")
        lock = store.get(RoundLock, "round")
        assert lock is not None
        assert lock.holder is None
        later = replace(MANUAL, event_id="operator:b", occurred_at=MANUAL.occurred_at + timedelta(seconds=1))
        assert run_trigger(cloud, later).round_started

    def test_new_samples_count_since_last_completed_dataset(self) -> None:
        def since(status: str) -> str:
            cloud = cloud_with_samples()
            dataset = {
                "manifest": "m",
                "objects": 1,
                "bytes": 1,
                "cut_off": NOW - timedelta(hours=5),
                "schema_hash": "h",
            }
            add_past_round(cloud, NOW - timedelta(hours=4), status=status, dataset=dataset)
            return str(run_trigger(cloud, NO_MODEL).decision.facts["since"])

        assert since("kept") == "2026-11-23T01:39:05.250Z"
        # a failed round trained no model
        assert since("failed") == "2026-11-08T06:39:05.250Z"

    def test_silent_fleet_in_alarm_starts_no_second_round(self) -> None:
        # given an alarm that began before the last round's dataset was cut off, and no sample since
        cloud = cloud_with_samples()
        dataset = {"manifest": "m", "objects": 1, "bytes": 1, "cut_off": NOW, "schema_hash": "h"}
        add_past_round(cloud, NOW + timedelta(minutes=1), status="kept", dataset=dataset)
        cloud.move(timedelta(hours=3))
        # when the schedule finds it still in ALARM
        trigger = replace(MODEL_ERROR, kind="schedule", occurred_at=cloud.time, event_id="dwell-ModelError@look")
        result = run_trigger(cloud, trigger)
        # then the samples that the round has learned from are no new evidence
        assert (result.decision.outcome, result.decision.reason) == ("refuse", "too_few_samples")
        assert (result.decision.facts["new_samples"], result.decision.facts["since"]) == (0, "2026-11-23T06:39:05.250Z")

    def test_budget_counts_automatic_rounds_of_24_hours(self) -> None:
        def refusal(started: timedelta, trigger: str) -> str:
            cloud = cloud_with_samples()
            ended = NOW - started + timedelta(minutes=2)
            add_past_round(cloud, ended, trigger=trigger)
            return run_trigger(cloud, ROUNDS_PER_DAY="1").decision.reason

        assert refusal(timedelta(hours=23, minutes=59), "alarm") == "daily_budget"
        assert refusal(timedelta(hours=24, minutes=1), "alarm") == "alarm"
        assert refusal(timedelta(hours=23), "manual") == "alarm"


class TestCrash:
    """The process crashes at any request to AWS, before or after it took effect, and Lambda retries the event."""

    def count_requests(self) -> int:
        cloud = cloud_with_samples()
        add_champion(cloud)
        before = cloud.steps.count
        run_trigger(cloud)
        return cloud.steps.count - before

    def test_crash_at_any_request_and_retry_completes_one_round(self) -> None:
        undisturbed = cloud_with_samples()
        add_champion(undisturbed)
        run_trigger(undisturbed)
        requests = self.count_requests()
        assert requests > 15
        for fatal in range(1, requests + 1):
            for effective in (False, True):
                cloud = cloud_with_samples()
                add_champion(cloud)
                cloud.steps.count, cloud.steps.fatal, cloud.steps.effective = 0, fatal, effective
                with pytest.raises(ProcessDied):
                    run_trigger(cloud)
                cloud.steps.fatal = None
                was_acquired = round_in_flight(cloud) is not None
                # Samples that arrive before the retry must not get into the round's dataset.
                cloud.move(timedelta(minutes=1))
                cloud.s3.store("samples/date=2026-11-23/hour=06/later.gz", b"rows", cloud.time)
                run_trigger(cloud)
                self.check_same_round(cloud, undisturbed, fatal, was_acquired=was_acquired)

    def check_same_round(self, cloud: Cloud, undisturbed: Cloud, fatal: int, *, was_acquired: bool) -> None:
        assert list(cloud.sagemaker.jobs) == [JOB]
        assert round_in_flight(cloud) == MODEL_ERROR.round_name
        assert list(cloud.table.kind("round")) == [MODEL_ERROR.round_name]
        assert list(cloud.table.kind("decision")) == [MODEL_ERROR.decision_name]
        round_ = stored_round(cloud)
        folder = f"datasets/{MODEL_ERROR.round_name}"
        spec = json.loads(cloud.s3.content(f"{folder}/dataset.json"))
        listed = json.loads(cloud.s3.content(f"{folder}/manifest.json"))
        assert round_.dataset is not None
        assert [stored["key"] for stored in spec["objects"]] == listed[1:], (
            f"inconsistent dataset after a crash at request {fatal}"
        )
        assert round_.dataset.objects == len(spec["objects"])
        if was_acquired:  # the lock fixes the cut-off, and thereby the files
            assert round_.dataset.cut_off == NOW
            assert spec == json.loads(undisturbed.s3.content(f"{folder}/dataset.json"))
        assert {**cloud.sagemaker.jobs[JOB], "CreationTime": None} == {
            **undisturbed.sagemaker.jobs[JOB],
            "CreationTime": None,
        }

    def test_recorded_round_keeps_dataset_and_champion_on_retry(self) -> None:
        cloud = cloud_with_samples()
        add_champion(cloud)
        run_trigger(cloud)
        key = f"datasets/{MODEL_ERROR.round_name}/dataset.json"
        expected, job = cloud.s3.content(key), cloud.sagemaker.jobs.pop(JOB)
        cloud.sagemaker.endpoint = None  # the champion's endpoint is deleted between two attempts
        assert run_trigger(cloud).round_started
        assert cloud.s3.content(key) == expected
        assert cloud.sagemaker.jobs[JOB] == job

    def test_event_delivered_again_later_starts_nothing(self) -> None:
        cloud = cloud_with_samples()
        run_trigger(cloud)
        for _ in range(2):
            again = run_trigger(cloud)
            assert (again.round_started, again.round_refused) == (False, False)
        store = make_context(cloud).store
        store.update(Round, MODEL_ERROR.round_name, lambda round_: round_.model_copy(update={"status": "kept"}))
        store.update(RoundLock, "round", lambda lock: lock.model_copy(update={"holder": None}))
        del cloud.sagemaker.jobs[JOB]  # SageMaker may have deleted it
        again = run_trigger(cloud)
        assert not again.round_started
        assert cloud.sagemaker.jobs == {}
        assert round_in_flight(cloud) is None

    def test_crash_during_refusal_releases_lock_on_retry(self) -> None:
        for fatal in range(1, 30):
            cloud = cloud_with_samples(stored=0)
            cloud.steps.fatal = fatal
            try:
                run_trigger(cloud)
            except ProcessDied:
                cloud.steps.fatal = None
                run_trigger(cloud)
            assert round_in_flight(cloud) is None
            assert stored_decision(cloud).reason == "no_stored_samples"

    def test_aws_error_is_raised_and_retry_starts_round(self, monkeypatch: pytest.MonkeyPatch) -> None:
        cloud = cloud_with_samples()

        def refuse(_self: Any, **_parameters: Any) -> None:
            raise make_client_error("CreateTrainingJob", "ResourceLimitExceeded", "the account's limit is 0 instances")

        with monkeypatch.context() as patched:
            patched.setattr(type(cloud.sagemaker), "create_training_job", refuse)
            with pytest.raises(Exception, match="ResourceLimitExceeded"):
                run_trigger(cloud)
        assert run_trigger(cloud).round_started


class TestStaleLock:
    """Another trigger arrives after the first one's attempt has crashed."""

    def start_round(self, *, delete_job: bool) -> Cloud:
        cloud = cloud_with_samples()
        run_trigger(cloud)
        if delete_job:
            del cloud.sagemaker.jobs[JOB]
        return cloud

    def run_second(self, cloud: Cloud) -> TriggerResult:
        trigger = replace(NO_MODEL, occurred_at=cloud.time, event_id=f"look@{cloud.time}")
        return run_trigger(cloud, trigger, COOLDOWN_SECONDS="0")

    def test_lock_without_job_is_stale_after_lease(self) -> None:
        cloud = self.start_round(delete_job=True)
        cloud.move(LEASE)
        assert self.run_second(cloud).decision.reason == "in_flight"
        cloud.move(timedelta(seconds=1))
        assert self.run_second(cloud).round_started
        assert (stored_round(cloud).status, stored_round(cloud).reason) == ("failed", "job_never_started")

    def test_lock_with_running_job_is_never_stale(self) -> None:
        cloud = self.start_round(delete_job=False)
        cloud.move(timedelta(days=2))
        cloud.cloudwatch.count("AcceptedSamples", cloud.time, 5_000, service=STACK)
        assert self.run_second(cloud).decision.reason == "in_flight"

    @pytest.mark.parametrize("status", ["Completed", "Failed", "Stopped"])
    def test_lock_of_ended_job_is_stale_after_grace_period(self, status: str) -> None:
        cloud = self.start_round(delete_job=False)
        cloud.sagemaker.end_job(JOB, status, NOW)
        cloud.move(timedelta(minutes=10))
        assert self.run_second(cloud).decision.reason == "in_flight"
        cloud.move(timedelta(seconds=1))
        assert self.run_second(cloud).round_started
        assert stored_round(cloud).reason == "result_never_recorded"

    def test_stale_round_is_not_continued_by_late_retry(self) -> None:
        cloud = self.start_round(delete_job=True)
        cloud.move(LEASE * 2)
        assert self.run_second(cloud).round_started
        jobs = list(cloud.sagemaker.jobs)
        again = run_trigger(cloud)
        assert not again.round_started
        assert list(cloud.sagemaker.jobs) == jobs
        assert round_in_flight(cloud) != MODEL_ERROR.round_name

    def test_round_that_lost_lock_is_recorded_as_failed(self) -> None:
        cloud = cloud_with_samples()
        store = make_context(cloud).store
        run_trigger(cloud)
        # given the state of a crash right after the decision
        for kind in ("round", "lock"):
            for name in cloud.table.kind(kind):
                del cloud.table.items[kind, name]
        cloud.sagemaker.jobs.clear()
        assert self.run_second(cloud).round_started
        assert not run_trigger(cloud).round_started
        lost = store.get(Round, MODEL_ERROR.round_name)
        assert lost is not None
        assert (lost.status, lost.reason) == ("failed", "lock_lost")
        assert JOB not in cloud.sagemaker.jobs
