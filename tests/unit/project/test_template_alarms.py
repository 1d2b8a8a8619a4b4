"""Every alarm of the template is evaluated as defined, on good, bad and missing data; its actions are as documented."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from local_aws.cloudwatch.evaluation import AlarmRule
from local_aws.cloudwatch.store import Datum, Metric, MetricStore
from promotion.rollback_alarms import retargeted
from promotion.sagemaker_endpoint import VARIANT
from tests.template import ALARMS, DEFAULT, PARAMETERS, STACK, TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

START = 1_795_410_000

PERIOD = PARAMETERS["AlarmPeriodSeconds"]
MIN_PREDICTIONS = PARAMETERS["MinimumPredictions"]


def make_metric(name: str, **dimensions: str) -> Metric:
    return Metric.create("Dwell", name, {"service": STACK, **dimensions})


SQUARED, EXPECTED, PREDICTED = (
    make_metric("SquaredError"),
    make_metric("ExpectedSquaredError"),
    make_metric("PredictedSamples"),
)
ACCEPTED, REJECTED, PREDICTIONS = (
    make_metric("AcceptedSamples"),
    make_metric("RefusedSamples"),
    make_metric("Predictions"),
)
EVIDENCE = make_metric("ErrorEvidence")
NO_MODEL = make_metric("Fallbacks", reason="no_model")
FAILED = make_metric("RoundsFailed")
ROLLED_BACK = make_metric("Rollbacks")
NEW = "xgboost-recent-20261123T063900Z"
FLEET = {"EndpointName": PARAMETERS["EndpointName"], "VariantName": VARIANT, "EndpointConfigName": f"{STACK}-{NEW}"}
INVOCATIONS = Metric.create("AWS/SageMaker", "Invocations", FLEET)
FAILURES = Metric.create("AWS/SageMaker", "InvocationModelErrors", FLEET)
LATENCY = Metric.create("AWS/SageMaker", "ModelLatency", FLEET)
DEAD_LETTERS = Metric.create(
    "AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": "PromotionDeadLetters.QueueName"}
)
UNMEASURED = Metric.create(
    "AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": "SampleObjectsDeadLetters.QueueName"}
)
OLDEST_OBJECT = Metric.create("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": "SampleObjectsQueue.QueueName"})
OLDEST = Metric.create("AWS/SQS", "ApproximateAgeOfOldestMessage", {"QueueName": "PromotionQueue.QueueName"})
RECONCILE_FAILED = make_metric("ReconcileFailures")
WAITING = Metric.create("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": "FailuresQueue.QueueName"})

type Sums = Mapping[Metric, float]
"""The sums of one period by metric; an empty one is missing data."""


def make_error(ratio: float, predicted: float = MIN_PREDICTIONS) -> Sums:
    """Predicted samples whose live error is ``ratio`` times the promised error."""
    return {SQUARED: 4e9 * ratio**2, EXPECTED: 4e9, PREDICTED: predicted}


def make_model_error(ratio: float, predicted: float = MIN_PREDICTIONS, model: str = NEW) -> Sums:
    """Predicted samples of one model."""
    return {make_metric(metric.name, model=model): value for metric, value in make_error(ratio, predicted).items()}


def make_fleet(invocations: float, failures: float = 0, seconds: float = 0.05) -> Sums:
    """Requests to the new fleet: their number, how many failed, and the latency of one in seconds."""
    return {INVOCATIONS: invocations, FAILURES: failures, LATENCY: seconds * 1e6}


def make_lines(accepted: float, rejected: float) -> Sums:
    return {ACCEPTED: accepted, REJECTED: rejected}


def make_echoes(predictions: float, echoed: float | None) -> Sums:
    """Predictions, and how many of them came back inside samples; None for no data."""
    return {PREDICTIONS: predictions} | ({} if echoed is None else {PREDICTED: echoed})


def get_period(alarm: str) -> int:
    """Return the length of the alarm's periods in seconds."""
    queries = ALARMS[alarm].get("Metrics", [ALARMS[alarm]])
    (period,) = {
        query["MetricStat"]["Period"] if "MetricStat" in query else query["Period"]
        for query in queries
        if "MetricStat" in query or "Period" in query
    }
    return int(period)


def evaluate(alarm: str, periods: Sequence[Sums], first: str = "INSUFFICIENT_DATA") -> list[str]:
    """Return the alarm's state after each period."""
    rule = AlarmRule.read(retargeted(ALARMS[alarm], {"model": NEW, "EndpointConfigName": f"{STACK}-{NEW}"}))
    length = get_period(alarm)
    store = MetricStore()
    state: Any = first
    states: list[str] = []
    start = START - START % length
    for index, sums in enumerate(periods):
        store.put(Datum(metric, start + index * length + 1, ((value, 1),)) for metric, value in sums.items())
        state = rule.evaluate(rule.points(store, start + (index + 1) * length), state).state
        states.append(state)
    return states


GOOD_LINES, BAD_LINES = make_lines(960, 40), make_lines(940, 60)

CASES: list[tuple[str, str, Sequence[Sums], str]] = [
    ("ModelError", "no evidence", [{EVIDENCE: 0.97}], "OK"),
    ("ModelError", "evidence", [{EVIDENCE: 1.01}], "ALARM"),
    ("ModelError", "evidence, then nothing is judged for a while", [{EVIDENCE: 1.6}, {}, {}, {}, {}], "ALARM"),
    ("ModelError", "evidence, then a new promise", [{EVIDENCE: 1.6}, {EVIDENCE: 0.0}], "OK"),
    ("ModelError", "nothing is ever judged", [{}, {}, {}], "INSUFFICIENT_DATA"),
    ("NoModel", "a model serves", [{NO_MODEL: 0}, {NO_MODEL: 0}], "OK"),
    ("NoModel", "one period without a model", [{NO_MODEL: 0}, {NO_MODEL: 5}], "OK"),
    ("NoModel", "two periods without a model", [{NO_MODEL: 5}, {NO_MODEL: 5}], "ALARM"),
    ("NoModel", "a model serves again", [{NO_MODEL: 5}, {NO_MODEL: 5}, {NO_MODEL: 0}], "OK"),
    ("NoModel", "no requests", [{}, {}, {}], "OK"),
    ("QuarantineRate", "4 % rejected", [GOOD_LINES] * 3, "OK"),
    ("QuarantineRate", "6 % for two periods", [GOOD_LINES, BAD_LINES, BAD_LINES], "OK"),
    ("QuarantineRate", "6 % for three periods", [BAD_LINES] * 3, "ALARM"),
    ("QuarantineRate", "everything is rejected", [{REJECTED: 9}] * 3, "ALARM"),
    ("QuarantineRate", "no lines", [{}] * 4, "OK"),
    ("LabelMatchRate", "most are echoed", [make_echoes(1_000, 900)] * 6, "OK"),
    ("LabelMatchRate", "few are echoed", [make_echoes(1_000, 200)] * 6, "ALARM"),
    ("LabelMatchRate", "none is echoed", [make_echoes(1_000, None)] * 6, "ALARM"),
    ("LabelMatchRate", "few are echoed, for a while", [make_echoes(1_000, 200)] * 5 + [make_echoes(1_000, 900)], "OK"),
    ("LabelMatchRate", "too few predictions", [make_echoes(99, 0)] * 6, "OK"),
    ("LabelMatchRate", "no requests", [{}] * 7, "OK"),
    ("FailedEvents", "an empty queue", [{WAITING: 0}], "OK"),
    ("FailedEvents", "one event in the queue", [{WAITING: 1}], "ALARM"),
    ("FailedEvents", "no data", [{}, {}], "OK"),
    ("PromotionDeadLetters", "an empty queue", [{DEAD_LETTERS: 0}], "OK"),
    ("PromotionDeadLetters", "one event in the queue", [{DEAD_LETTERS: 1}], "ALARM"),
    ("PromotionDeadLetters", "no data", [{}, {}], "OK"),
    ("PromotionBehind", "held up for two minutes by an event that fails", [{OLDEST: 121}], "OK"),
    ("PromotionBehind", "more than five minutes behind", [{OLDEST: 301}], "ALARM"),
    ("PromotionBehind", "no data", [{}, {}], "OK"),
    ("MonitorStale", "objects are measured as they come", [{OLDEST_OBJECT: 20, UNMEASURED: 0}], "OK"),
    ("MonitorStale", "an object has waited for more than five minutes", [{OLDEST_OBJECT: 301, UNMEASURED: 0}], "ALARM"),
    ("MonitorStale", "an object was given up", [{OLDEST_OBJECT: 20, UNMEASURED: 1}], "ALARM"),
    ("MonitorStale", "no data", [{}, {}], "OK"),
    ("ReconcileFailed", "one failure", [{RECONCILE_FAILED: 1}, {}, {}], "OK"),
    ("ReconcileFailed", "failures for a quarter of an hour", [{RECONCILE_FAILED: 1}] * 3, "ALARM"),
    ("ReconcileFailed", "no failure", [{}, {}, {}], "OK"),
    ("TrainingFailed", "a successful round", [{FAILED: 0}], "OK"),
    ("TrainingFailed", "a failed round", [{FAILED: 1}], "ALARM"),
    ("TrainingFailed", "no round", [{}, {}], "OK"),
    ("RolledBack", "a successful deployment", [{ROLLED_BACK: 0}], "OK"),
    ("RolledBack", "a rollback", [{ROLLED_BACK: 1}], "ALARM"),
    ("RolledBack", "no deployment", [{}, {}], "OK"),
    ("NewModelError", "as promised", [make_model_error(1.0)], "OK"),
    ("NewModelError", "just over the threshold", [make_model_error(1.26)], "ALARM"),
    ("NewModelError", "bad, with too few predictions", [make_model_error(9.0, predicted=MIN_PREDICTIONS - 1)], "OK"),
    ("NewModelError", "the old model is bad", [make_model_error(9.0, model="xgboost-20261123T051100Z")], "OK"),
    ("NewModelError", "all models together are bad", [make_error(9.0)], "OK"),
    ("NewModelError", "no prediction yet", [{}, {}], "OK"),
    ("NewModelError", "bad, rolled back, then missing", [make_model_error(9.0), {}, {}, {}], "OK"),
    ("NewModelFailures", "no failure", [make_fleet(100)], "OK"),
    ("NewModelFailures", "one of a few failed", [make_fleet(2, failures=1)], "OK"),
    ("NewModelFailures", "5 % failed", [make_fleet(100, failures=5)], "OK"),
    ("NewModelFailures", "6 % failed", [make_fleet(100, failures=6)], "ALARM"),
    ("NewModelFailures", "no requests", [{}, {}], "OK"),
    ("NewModelLatency", "fast", [make_fleet(100)] * 2, "OK"),
    ("NewModelLatency", "slow once", [make_fleet(100, seconds=2), make_fleet(100)], "OK"),
    ("NewModelLatency", "slow", [make_fleet(100, seconds=2)] * 2, "ALARM"),
    ("NewModelLatency", "slow, with too few requests", [make_fleet(19, seconds=2)] * 2, "OK"),
    ("NewModelLatency", "no requests", [{}, {}, {}], "OK"),
    ("NoSamples", "samples arrive", [{ACCEPTED: 10}] * 6, "OK"),
    ("NoSamples", "a short pause", [{ACCEPTED: 10}] * 3 + [{}] * 3, "OK"),
    ("NoSamples", "no samples any more", [{ACCEPTED: 10}] + [{}] * 9, "ALARM"),
    ("NoSamples", "batches without a valid line", [{ACCEPTED: 0}] * 6, "ALARM"),
]


@pytest.mark.parametrize(("alarm", "case", "periods", "state"), CASES, ids=[f"{case[0]}: {case[1]}" for case in CASES])
def test_an_alarm_has_the_expected_state(alarm: str, case: str, periods: Sequence[Sums], state: str) -> None:
    assert evaluate(alarm, periods)[-1] == state


def test_every_alarm_has_good_bad_and_missing_data() -> None:
    for alarm in ALARMS:
        cases = [(periods, state) for name, _, periods, state in CASES if name == alarm]
        assert {"OK", "ALARM"} <= {state for _, state in cases}, alarm
        assert any(not sums for periods, _ in cases for sums in periods), alarm


def test_a_flapping_alarm_changes_its_state_each_time() -> None:
    flapping = [{EVIDENCE: 1.6}, {EVIDENCE: 0.8}, {EVIDENCE: 1.6}, {EVIDENCE: 0.8}]
    assert evaluate("ModelError", flapping) == ["ALARM", "OK", "ALARM", "OK"]


def test_two_alarms_retrain_and_the_others_notify() -> None:
    actions = {alarm: properties["AlarmActions"] for alarm, properties in ALARMS.items()}
    retraining = {alarm for alarm, targets in actions.items() if targets == ["RetrainingFunction.Arn"]}
    assert retraining == {"ModelError", "NoModel"}
    assert all(targets == ["OperationsTopic"] for alarm, targets in actions.items() if alarm not in retraining)
    # an alarm may invoke a function only with its permission
    permitted = {
        resource["Properties"]["SourceArn"]["GetAtt"]
        for resource in TEMPLATE["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Permission"
    }
    assert {f"{alarm}Alarm.Arn" for alarm in retraining} <= permitted


def test_rollback_alarms_have_no_target_before_a_deployment() -> None:
    variables = TEMPLATE["Resources"]["PromotionFunction"]["Properties"]["Environment"]["Variables"]
    names = [variables["LIVE_ERROR_ALARM"]["Ref"]]
    names += variables["ENDPOINT_ALARMS"]["Sub"].replace("$", "").replace("{", "").replace("}", "").split(",")
    assert [name.removesuffix("Alarm") for name in names] == ["NewModelError", "NewModelFailures", "NewModelLatency"]
    for name in names:
        for query in ALARMS[name.removesuffix("Alarm")]["Metrics"]:
            dimensions = query.get("MetricStat", {}).get("Metric", {}).get("Dimensions", [{"Value": "nobody"}])
            assert [dimension["Value"] for dimension in dimensions].count("nobody") == 1


def test_the_leaderboard_may_read_exactly_the_alarms_it_shows() -> None:
    alarms = sorted(f"{alarm}Alarm" for alarm in ALARMS)
    function = TEMPLATE["Resources"]["LeaderboardFunction"]["Properties"]
    _, references = function["Environment"]["Variables"]["ALARMS"]["Join"]
    assert sorted(reference["Ref"] for reference in references) == alarms
    statements = TEMPLATE["Resources"]["LeaderboardRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    (resources,) = [
        statement["Resource"] for statement in statements if statement["Action"] == "cloudwatch:DescribeAlarmHistory"
    ]
    assert sorted(resource["GetAtt"] for resource in resources) == [f"{alarm}.Arn" for alarm in alarms]


def test_the_schedule_checks_the_alarms_that_retrain() -> None:
    variables = TEMPLATE["Resources"]["RetrainingFunction"]["Properties"]["Environment"]["Variables"]
    names = DEFAULT.resolve(variables["RETRAINING_ALARMS"]).split(",")
    assert names == [ALARMS["ModelError"]["AlarmName"], ALARMS["NoModel"]["AlarmName"]]
