"""What takes a new model back: alarms that watch it alone, and how its traffic grows."""

from __future__ import annotations

import json
from copy import deepcopy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promotion import rollback_alarms
from promotion.rollback_alarms import MissingRollbackAlarmError, alarms_of, retargeted, rollback_threshold, rollout
from rounds import Endpoint, Model
from tests.template import ALARMS
from tests.unit.fake_aws import ENDPOINT, validate_request
from tests.unit.promotion.factories import (
    CHAMPION,
    FAILURES,
    JOB,
    LATENCY,
    LIVE_ERROR,
    NEW,
    PROMISED,
    WINNER,
    get_endpoint,
    get_model,
    handle_endpoint_change,
    handle_job_end,
    make_cloud,
    make_context,
    make_model,
    make_settings,
)


class TestTolerance:
    """A model keeps its promise, or at least errs less than what there is to go back to."""

    @pytest.mark.parametrize(
        ("champion", "ratio"),
        [
            (None, 1.25),
            (make_model(CHAMPION, test_rmse=2_100.0), 1.25),  # in a quiet world the promise is what counts
            (make_model(CHAMPION, test_rmse=4_000.0), 2.0),  # after a drift going back must help, too
            (make_model(CHAMPION, test_rmse=4_000.0, test_set="20261123T051100Z-no-model"), 1.25),  # never met
            (make_model(CHAMPION, test_rmse=None), 1.25),  # could not be scored
        ],
    )
    def test_threshold_is_the_larger_of_ratio_and_champions_error(self, champion: Model | None, ratio: float) -> None:
        assert rollback_threshold(make_model(), champion, 1.25) == ratio

    def test_threshold_of_zero_promise_is_plain_ratio(self) -> None:
        assert rollback_threshold(make_model(expected_error=0.0), make_model(CHAMPION), 1.25) == 1.25
        assert rollback_threshold(make_model(expected_error=None), make_model(CHAMPION), 1.25) == 1.25

    @given(promised=st.floats(1, 1e6), champion=st.floats(1, 1e6), live=st.floats(1, 1e7))
    def test_model_better_than_champion_is_never_rolled_back(
        self, promised: float, champion: float, live: float
    ) -> None:
        ratio = rollback_threshold(make_model(expected_error=promised), make_model(CHAMPION, test_rmse=champion), 1.25)
        if live / promised > ratio * (1 + 1e-9):
            assert live > champion
            assert live > 1.25 * promised


class TestRollout:
    def test_one_instance_changes_at_once_and_is_watched(self) -> None:
        config = rollout(make_settings(CANARY_PERCENT="50"), [LIVE_ERROR])
        assert config == {
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 900},
                "TerminationWaitInSeconds": 900,
                "MaximumExecutionTimeoutInSeconds": 3_600,
            },
            "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": LIVE_ERROR}]},
        }

    def test_two_instances_have_a_canary_if_requested(self) -> None:
        policy = rollout(make_settings(CANARY_PERCENT="50", INSTANCE_COUNT="2"), [LIVE_ERROR])["BlueGreenUpdatePolicy"]
        assert policy["TrafficRoutingConfiguration"] == {
            "Type": "CANARY",
            "WaitIntervalInSeconds": 900,
            "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 50},
        }
        at_once = rollout(make_settings(INSTANCE_COUNT="2"), [LIVE_ERROR])["BlueGreenUpdatePolicy"]
        assert at_once["TrafficRoutingConfiguration"]["Type"] == "ALL_AT_ONCE"

    @given(bake=st.integers(0, 3_600), percent=st.integers(0, 50), instances=st.integers(1, 20))
    def test_every_rollout_is_valid_for_sagemaker(self, bake: int, percent: int, instances: int) -> None:
        config = rollout(
            make_settings(BAKE_SECONDS=str(bake), CANARY_PERCENT=str(percent), INSTANCE_COUNT=str(instances)),
            [LIVE_ERROR],
        )
        validate_request(
            "sagemaker", "UpdateEndpoint", {"EndpointName": "e", "EndpointConfigName": "c", "DeploymentConfig": config}
        )
        policy = config["BlueGreenUpdatePolicy"]
        waits = 3 if policy["TrafficRoutingConfiguration"]["Type"] == "CANARY" else 2
        assert max(600, waits * bake + 1) <= policy["MaximumExecutionTimeoutInSeconds"] <= 28_800


class TestRetarget:
    def test_only_dimensions_that_name_a_model_change(self) -> None:
        for name in ("NewModelError", "NewModelFailures", "NewModelLatency"):
            described = {**deepcopy(ALARMS[name]), "StateValue": "OK", "AlarmArn": "arn", "StateReason": "r"}
            told = retargeted(described, {"model": WINNER, "EndpointConfigName": NEW})
            validate_request("cloudwatch", "PutMetricAlarm", told)
            assert told != ALARMS[name]
            changed = json.dumps(told, sort_keys=True).replace(WINNER if name == "NewModelError" else NEW, "nobody")
            assert json.loads(changed) == ALARMS[name]
            assert retargeted(told, {"model": WINNER, "EndpointConfigName": NEW}) == told

    def test_alarm_on_one_metric_can_be_retargeted(self) -> None:
        plain = {**deepcopy(ALARMS["NoModel"]), "Dimensions": [{"Name": "model", "Value": "nobody"}]}
        assert retargeted(plain, {"model": WINNER})["Dimensions"] == [{"Name": "model", "Value": WINNER}]

    def test_alarms_watch_winner_in_fresh_state_before_deployment(self) -> None:
        # given alarms that went off under the model before
        cloud = make_cloud()
        for alarm in cloud.cloudwatch.alarms:
            alarm["StateValue"] = "ALARM"
        # when the winner is deployed
        handle_job_end(JOB, make_context(cloud))
        # then they watch it, from a fresh state
        for alarm in cloud.cloudwatch.alarms:
            assert alarm["StateValue"] == "INSUFFICIENT_DATA"
            assert "nobody" not in str(alarm)
            assert (WINNER if alarm["AlarmName"] == LIVE_ERROR else NEW) in str(alarm["Metrics"])
        # the champion erred 2600 on the test set where the winner promises less
        assert cloud.cloudwatch.alarm(LIVE_ERROR)["Threshold"] == pytest.approx(2_600 / PROMISED)
        assert cloud.cloudwatch.alarm(FAILURES)["Threshold"] == 0.05
        (config,) = cloud.sagemaker.rollouts
        assert config is not None
        named = [one["AlarmName"] for one in config["AutoRollbackConfiguration"]["Alarms"]]
        assert named == [LIVE_ERROR, FAILURES, LATENCY]

    def test_first_model_is_watched_without_rollback(self) -> None:
        cloud = make_cloud(champion=False)
        handle_job_end(JOB, make_context(cloud))
        assert cloud.sagemaker.rollouts == [None]
        assert WINNER in str(cloud.cloudwatch.alarm(LIVE_ERROR))
        assert cloud.cloudwatch.alarm(LIVE_ERROR)["Threshold"] == 1.25

    def test_alarms_stay_during_another_deployment(self) -> None:
        cloud = make_cloud()
        assert cloud.sagemaker.endpoint is not None
        cloud.sagemaker.endpoint["EndpointStatus"] = "Updating"
        handle_job_end(JOB, make_context(cloud))
        assert "nobody" in str(cloud.cloudwatch.alarm(LIVE_ERROR))

    def test_missing_alarm_prevents_deployment(self) -> None:
        cloud = make_cloud()
        cloud.cloudwatch.alarms = [one for one in cloud.cloudwatch.alarms if one["AlarmName"] != FAILURES]
        with pytest.raises(MissingRollbackAlarmError, match=FAILURES):
            handle_job_end(JOB, make_context(cloud))
        assert cloud.sagemaker.deployments == []


class TestFindActive:
    def test_active_alarms_have_their_reason(self) -> None:
        cloud = make_cloud()
        context = make_context(cloud)
        cloud.cloudwatch.alarm(LIVE_ERROR).update(StateValue="ALARM", StateReason="Threshold Crossed: 3.1")
        found = rollback_alarms.find_active(context.cloudwatch, context.settings)
        assert found == {LIVE_ERROR: "Threshold Crossed: 3.1"}
        cloud.cloudwatch.alarm(LIVE_ERROR)["StateValue"] = "OK"
        assert rollback_alarms.find_active(context.cloudwatch, context.settings) == {}

    def test_operators_model_has_no_live_error_alarm(self) -> None:
        assert alarms_of(make_settings(), make_model(promoted_by="operator")) == (FAILURES, LATENCY)


def test_attempt_after_a_crash_finds_its_own_deployment() -> None:
    # given a deployment that was asked for by an attempt that then died
    cloud = make_cloud()
    handle_job_end(JOB, make_context(cloud))
    store = make_context(cloud).store
    store.update(Model, WINNER, lambda one: one.model_copy(update={"status": "candidate"}))
    # when it is tried again while SageMaker works
    store.update(Endpoint, ENDPOINT, lambda one: one.model_copy(update={"deploying_model": None}))
    handle_endpoint_change(make_context(cloud))
    # then it is not asked for twice, and its end will be known for what it is
    assert cloud.sagemaker.deployments == [NEW]
    assert (get_model(cloud, WINNER).status, get_endpoint(cloud).deploying_model) == ("deploying", WINNER)
