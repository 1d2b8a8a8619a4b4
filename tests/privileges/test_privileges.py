"""Each granted action is taken away in turn, and something breaks that says so; with all of them, nothing does.

What is done under a role is a short scenario. It runs once with the whole policy and must meet no refusal, and once for
each action that it stands for, without that action, and must meet one.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from feature_schema import FEATURES, TARGET
from rounds import Endpoint, InFlightRound, Model, Round, RoundLock
from tests.privileges import probes
from tests.privileges.grants import GRANTS, ONLY_ON_AWS, SHOWN

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.privileges.grants import Grant
    from tests.privileges.stage import Stage

REFUSED = re.compile(r"Access ?Denied|not authorized|not allowed|Forbidden", re.IGNORECASE)

type Scenario = Callable[[Stage], str]
"""Does something under a role; answers all that was told about it."""


def refused(told: str) -> bool:
    return REFUSED.search(told) is not None


# --- samples on their way in ------------------------------------------------------------------------------------------


def forward(stage: Stage) -> str:
    return stage.invoke("ForwarderFunction", stage.event("sns-single"))


def validate(stage: Stage) -> str:
    return stage.invoke("ValidatorFunction", stage.event("firehose-broken"))


def deliver(stage: Stage) -> str:
    line = ",".join(str(int(field.minimum)) for field in (TARGET, *FEATURES))
    return probes.deliver(stage, line.encode(), until=refused)


def deliver_what_failed(stage: Stage) -> str:
    """The validator cannot put a bad line aside, so the batch fails, and goes under the error prefix."""
    (quarantine,) = [one for one in GRANTS if one.name == ("ValidatorRole", "s3:PutObject")]
    with stage.without(quarantine):
        told = probes.deliver(stage, b"no line", until=lambda log: "cannot deliver" in log)
    # the validator's own failures are the scenery
    return "\n".join(line for line in told.splitlines() if ": attempt " not in line)


# --- predictions ------------------------------------------------------------------------------------------------------


def predict(stage: Stage) -> str:
    return stage.invoke_and_log("InferenceFunction", stage.event("api-predictions-one"))


def predict_while_paused(stage: Stage) -> str:
    """Nothing serves, on purpose. Who cannot read that in the table takes it for a fault."""
    probes.bring_endpoint(stage, "none")
    stage.put_back_records(Endpoint.kind)
    stage.store.update(Endpoint, stage.stack.endpoint, lambda one: one.model_copy(update={"pause": "paused"}))
    with stage.variables("InferenceFunction", PRIVILEGES="an environment that remembers nothing"):
        told = stage.invoke_and_log("InferenceFunction", stage.event("api-predictions-one"))
    return told if "paused: " in told else f"not allowed to know: {told}"


# --- the loop ---------------------------------------------------------------------------------------------------------


def retrain(stage: Stage) -> str:
    stage.put_back_records()
    return stage.retrain()


def retrain_beside_a_champion(stage: Stage) -> str:
    stage.put_back_records(Model.kind, Endpoint.kind)
    return stage.retrain()


def retrain_while_a_round_is_in_flight(stage: Stage) -> str:
    stage.put_back_records(RoundLock.kind)
    now = stage.round.started_at
    flight = InFlightRound(round=stage.round.name, job=stage.round.job, event="another", cut_off=now, lease_until=now)
    stage.store.create(RoundLock())
    stage.store.update(RoundLock, "round", lambda lock: lock.model_copy(update={"holder": flight}))
    return stage.retrain()


def look_again(stage: Stage) -> str:
    return stage.invoke("RetrainingFunction", stage.event("schedule"))


def train(stage: Stage) -> str:
    return probes.train(stage)


def train_for_the_first_time(stage: Stage) -> str:
    stage.client("logs").delete_log_group(logGroupName="/aws/sagemaker/TrainingJobs")
    return probes.train(stage)


def promote(stage: Stage) -> str:
    probes.bring_endpoint(stage, "serving")
    stage.put_back_round()
    return stage.promote()


def promote_the_first(stage: Stage) -> str:
    probes.bring_endpoint(stage, "none")
    stage.put_back_round()
    return stage.promote()


def promote_over_a_failed_endpoint(stage: Stage) -> str:
    probes.bring_endpoint(stage, "failed")
    stage.put_back_round()
    return stage.promote()


def promote_without_results(stage: Stage) -> str:
    stage.put_back_round()
    with stage.results_gone():
        return stage.promote()


def read_the_queue(stage: Stage) -> str:
    return stage.send_to_promotion()


def read_the_monitors_queue(stage: Stage) -> str:
    return stage.send_to_monitor()


def measure(stage: Stage) -> str:
    probes.bring_endpoint(stage, "serving")
    stage.put_back_records(Model.kind, Endpoint.kind)
    return stage.measure()


def measure_the_first_object(stage: Stage) -> str:
    probes.bring_endpoint(stage, "serving")
    stage.put_back_records(Model.kind, Endpoint.kind)
    stage.forget_measures()
    return stage.measure()


def schedule_promotion(stage: Stage) -> str:
    return stage.let_the_schedule_send()


def hear_of_the_endpoint(stage: Stage) -> str:
    stage.model_waits()
    return stage.tell_of_endpoint()


def hear_of_an_approval(stage: Stage) -> str:
    stage.put_back_records(Model.kind)
    event = stage.promotion_event("model-package-approved", ModelPackageArn=str(stage.promoted.package))
    with stage.variables("PromotionFunction", APPROVAL_MODE="manual"):
        return stage.invoke("PromotionFunction", event)


def replace_what_serves(stage: Stage) -> str:
    return probes.replace_what_serves(stage)


def serve(stage: Stage) -> str:
    return probes.serve(stage, until=refused)


def look(stage: Stage) -> str:
    stage.put_back_records(Round.kind, Model.kind, Endpoint.kind)
    return stage.invoke("LeaderboardFunction", stage.event("api-leaderboard"))


def look_at_the_page(stage: Stage) -> str:
    stage.put_back_records(Round.kind, Model.kind, Endpoint.kind)
    return stage.invoke("LeaderboardFunction", stage.event("api-page"))


# --- what every function does ---------------------------------------------------------------------------------------


def _fail(function: str) -> Scenario:
    def scenario(stage: Stage) -> str:
        return stage.fail(function)

    scenario.__name__ = f"fail_{function}"
    return scenario


def _log(function: str) -> Scenario:
    def scenario(stage: Stage) -> str:
        return stage.lost_log(function)

    scenario.__name__ = f"log_{function}"
    return scenario


FAIL = {name: _fail(f"{name}Function") for name in ("Forwarder", "Retraining")}
LOG = {
    name: _log(f"{name}Function")
    for name in ("Forwarder", "Validator", "Monitor", "Inference", "Retraining", "Promotion", "Leaderboard")
}

SCENARIOS: dict[tuple[str, str], Scenario] = {
    ("ForwarderRole", "kinesis:PutRecords"): forward,
    ("ForwarderRole", "kms:GenerateDataKey"): forward,
    ("ForwarderRole", "kms:Decrypt"): FAIL["Forwarder"],
    ("ValidatorRole", "s3:PutObject"): validate,
    ("ValidatorRole", "kms:GenerateDataKey"): validate,
    ("DeliveryRole", "kinesis:DescribeStream"): deliver,
    ("DeliveryRole", "kinesis:GetShardIterator"): deliver,
    ("DeliveryRole", "kinesis:GetRecords"): deliver,
    ("DeliveryRole", "kinesis:ListShards"): deliver,
    ("DeliveryRole", "lambda:InvokeFunction"): deliver,
    ("DeliveryRole", "s3:PutObject"): deliver,
    ("DeliveryRole", "kms:GenerateDataKey"): deliver,
    ("DeliveryRole", "kms:Decrypt"): deliver,
    ("MonitorRole", "s3:GetObject"): measure,
    ("MonitorRole", "s3:PutObject"): measure,
    ("MonitorRole", "s3:ListBucket"): measure_the_first_object,
    ("MonitorRole", "dynamodb:GetItem"): measure,
    ("MonitorRole", "sagemaker:InvokeEndpoint"): measure,
    ("MonitorRole", "sqs:ReceiveMessage"): read_the_monitors_queue,
    ("MonitorRole", "sqs:DeleteMessage"): read_the_monitors_queue,
    ("MonitorRole", "sqs:GetQueueAttributes"): read_the_monitors_queue,
    ("MonitorRole", "kms:GenerateDataKey"): measure,
    ("MonitorRole", "kms:Decrypt"): measure,
    ("InferenceRole", "sagemaker:InvokeEndpoint"): predict,
    ("InferenceRole", "dynamodb:GetItem"): predict_while_paused,
    ("InferenceRole", "kms:Decrypt"): predict_while_paused,
    ("RetrainingRole", "cloudwatch:GetMetricData"): retrain,
    ("RetrainingRole", "cloudwatch:DescribeAlarms"): look_again,
    ("RetrainingRole", "s3:ListBucketVersions"): retrain,
    ("RetrainingRole", "s3:PutObject"): retrain,
    ("RetrainingRole", "dynamodb:GetItem"): retrain,
    ("RetrainingRole", "dynamodb:PutItem"): retrain,
    ("RetrainingRole", "dynamodb:Query"): retrain,
    ("RetrainingRole", "sagemaker:CreateTrainingJob"): retrain,
    ("RetrainingRole", "sagemaker:DescribeTrainingJob"): retrain_while_a_round_is_in_flight,
    ("RetrainingRole", "sagemaker:AddTags"): retrain,
    ("RetrainingRole", "sagemaker:DescribeEndpoint"): retrain_beside_a_champion,
    ("RetrainingRole", "iam:PassRole"): retrain,
    ("RetrainingRole", "kms:GenerateDataKey"): retrain,
    ("RetrainingRole", "kms:Decrypt"): retrain,
    ("RetrainingRole", "kms:CreateGrant"): retrain,
    ("TrainingRole", "s3:GetObject"): train,
    ("TrainingRole", "s3:ListBucket"): train,
    ("TrainingRole", "s3:PutObject"): train,
    ("TrainingRole", "kms:GenerateDataKey"): train,
    ("TrainingRole", "kms:Decrypt"): train,
    ("TrainingRole", "logs:CreateLogGroup"): train_for_the_first_time,
    ("TrainingRole", "logs:CreateLogStream"): train,
    ("TrainingRole", "logs:PutLogEvents"): train,
    ("PromotionRole", "sagemaker:DescribeTrainingJob"): promote,
    ("PromotionRole", "s3:GetObject"): promote,
    ("PromotionRole", "s3:ListBucket"): promote_without_results,
    ("PromotionRole", "dynamodb:GetItem"): promote,
    ("PromotionRole", "dynamodb:PutItem"): promote,
    ("PromotionRole", "dynamodb:Query"): hear_of_the_endpoint,
    ("PromotionRole", "sagemaker:CreateModel"): promote,
    ("PromotionRole", "sagemaker:DescribeModel"): promote,
    ("PromotionRole", "sagemaker:CreateEndpointConfig"): promote,
    ("PromotionRole", "sagemaker:DescribeEndpointConfig"): promote,
    ("PromotionRole", "sagemaker:AddTags"): promote_the_first,
    ("PromotionRole", "sagemaker:CreateEndpoint"): promote_the_first,
    ("PromotionRole", "sagemaker:UpdateEndpoint"): promote,
    ("PromotionRole", "sagemaker:DescribeEndpoint"): promote,
    ("PromotionRole", "sagemaker:DeleteEndpoint"): promote_over_a_failed_endpoint,
    ("PromotionRole", "sagemaker:CreateModelPackage"): promote,
    ("PromotionRole", "sagemaker:DescribeModelPackage"): hear_of_an_approval,
    ("PromotionRole", "cloudwatch:DescribeAlarms"): promote,
    ("PromotionRole", "cloudwatch:PutMetricAlarm"): promote,
    ("PromotionRole", "cloudwatch:SetAlarmState"): promote,
    ("PromotionRole", "iam:PassRole"): promote,
    ("PromotionRole", "sqs:ReceiveMessage"): read_the_queue,
    ("PromotionRole", "sqs:DeleteMessage"): read_the_queue,
    ("PromotionRole", "sqs:GetQueueAttributes"): read_the_queue,
    ("PromotionScheduleRole", "sqs:SendMessage"): schedule_promotion,
    ("PromotionScheduleRole", "kms:GenerateDataKey"): schedule_promotion,
    ("PromotionScheduleRole", "kms:Decrypt"): schedule_promotion,
    ("PromotionRole", "kms:Decrypt"): promote,
    ("PromotionRole", "kms:CreateGrant"): promote,
    ("ServingRole", "cloudwatch:DescribeAlarms"): replace_what_serves,
    ("ServingRole", "s3:GetObject"): serve,
    ("ServingRole", "kms:Decrypt"): serve,
    ("ServingRole", "logs:CreateLogGroup"): serve,
    ("ServingRole", "logs:CreateLogStream"): serve,
    ("ServingRole", "logs:PutLogEvents"): serve,
    ("LeaderboardRole", "dynamodb:GetItem"): look,
    ("LeaderboardRole", "dynamodb:Query"): look,
    ("LeaderboardRole", "cloudwatch:GetMetricData"): look,
    ("LeaderboardRole", "cloudwatch:ListMetrics"): look_at_the_page,
    ("LeaderboardRole", "cloudwatch:DescribeAlarmHistory"): look_at_the_page,
    ("LeaderboardRole", "kms:Decrypt"): look,
    **{(f"{name}Role", "sqs:SendMessage"): scenario for name, scenario in FAIL.items()},
    **{
        (f"{name}Role", action): scenario
        for name, scenario in LOG.items()
        for action in ("logs:CreateLogStream", "logs:PutLogEvents")
    },
}
"""What is done to show that a role needs an action."""

OTHERWISE = {("DeliveryRole", "s3:PutObject", "failed/*"): deliver_what_failed}
"""Where one of several resources of an action takes a scenario of its own."""


def scenario_of(grant: Grant) -> Scenario | None:
    return OTHERWISE.get((*grant.name, grant.on), SCENARIOS.get(grant.name))


USED = list(dict.fromkeys(scenario for grant in SHOWN if (scenario := scenario_of(grant))))


def test_every_grant_has_a_scenario_or_a_reason() -> None:
    granted = {grant.name for grant in GRANTS}
    assert [str(grant) for grant in SHOWN if scenario_of(grant) is None] == []
    assert granted >= SCENARIOS.keys() | ONLY_ON_AWS.keys(), "what is not granted any more needs no line here"
    assert SCENARIOS.keys() & ONLY_ON_AWS.keys() == set()


def test_loop_with_all_grants_is_never_denied(stage: Stage) -> None:
    refusals = [line for line in stage.log_since(0).splitlines() if refused(line)]
    assert refusals == []


@pytest.mark.parametrize("scenario", USED, ids=lambda scenario: scenario.__name__)
def test_scenario_with_all_grants_is_not_denied(stage: Stage, scenario: Scenario) -> None:
    told = scenario(stage)
    assert not refused(told), told


BLAMED = {
    # S3 blames the reading of what may not be known to be absent
    ("PromotionRole", "s3:ListBucket"): "s3:GetObject",
    # it goes on without knowing, and counts a fault
    ("InferenceRole", "dynamodb:GetItem"): "no_model",
    ("InferenceRole", "kms:Decrypt"): "no_model",
    ("MonitorRole", "s3:ListBucket"): "s3:GetObject",
    # Lambda's own words
    ("MonitorRole", "sqs:ReceiveMessage"): "ReceiveMessage",
    ("MonitorRole", "sqs:DeleteMessage"): "DeleteMessage",
    ("MonitorRole", "sqs:GetQueueAttributes"): "GetQueueAttributes",
    ("PromotionRole", "sqs:ReceiveMessage"): "ReceiveMessage",
    ("PromotionRole", "sqs:DeleteMessage"): "DeleteMessage",
    ("PromotionRole", "sqs:GetQueueAttributes"): "GetQueueAttributes",
}
"""What is told of where it is not the action's own name."""


@pytest.mark.parametrize("grant", SHOWN, ids=str)
def test_scenario_without_one_grant_is_denied(stage: Stage, grant: Grant) -> None:
    scenario = scenario_of(grant)
    assert scenario is not None
    with stage.without(grant):
        told = scenario(stage)
    assert refused(told), f"nothing breaks without {grant}: {told}"
    assert BLAMED.get(grant.name, grant.action) in told, f"something else breaks without {grant}: {told}"
