"""Every alarm of the template, from its own definition: good, bad and missing series, and what it then does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from local_aws.cloudwatch.evaluation import AlarmRule
from local_aws.cloudwatch.store import Datum, Metric, MetricStore
from promotion.rollback_alarms import pointed
from promotion.sagemaker_endpoint import VARIANT
from tests.template import DEFAULT, PARAMETERS, STACK, TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

START = 1_795_410_000


ALARMS = {name.removesuffix("Alarm"): DEFAULT.properties(name) for name in DEFAULT.resources("AWS::CloudWatch::Alarm")}
PERIOD = PARAMETERS["AlarmPeriodSeconds"]
BELIEVED = PARAMETERS["MinimumPredictions"]


def service(name: str, **dimensions: str) -> Metric:
    return Metric.create("Dwell", name, {"service": STACK, **dimensions})


SQUARED, EXPECTED, PREDICTED = service("SquaredError"), service("ExpectedSquaredError"), service("PredictedSamples")
ACCEPTED, REFUSED, ANSWERED = service("AcceptedSamples"), service("RefusedSamples"), service("Predictions")
NO_MODEL = service("Fallbacks", reason="no_model")
FAILED = service("RoundsFailed")
ROLLED_BACK = service("Rollbacks")
NEW = "xgboost-recent-20261123T063900Z"
FLEET = {"EndpointName": PARAMETERS["EndpointName"], "VariantName": VARIANT, "EndpointConfigName": f"{STACK}-{NEW}"}
ASKED = Metric.create("AWS/SageMaker", "Invocations", FLEET)
BROKEN = Metric.create("AWS/SageMaker", "InvocationModelErrors", FLEET)
LATENCY = Metric.create("AWS/SageMaker", "ModelLatency", FLEET)
WAITING = Metric.create("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": "FailuresQueue.QueueName"})

type Sums = Mapping[Metric, float]
"""What happened in one period; an empty one is missing data."""


def judged(ratio: float, predicted: float = BELIEVED) -> Sums:
    """Predicted samples whose live error is ``ratio`` times what was promised."""
    return {SQUARED: 4e9 * ratio**2, EXPECTED: 4e9, PREDICTED: predicted}


def judged_alone(ratio: float, predicted: float = BELIEVED, model: str = NEW) -> Sums:
    """Predicted samples of one model."""
    return {service(metric.name, model=model): value for metric, value in judged(ratio, predicted).items()}


def answered_by_fleet(asked: float, broken: float = 0, seconds: float = 0.05) -> Sums:
    """Requests to the new fleet; the latency is one answer's, and ``asked`` says how many there were."""
    return {ASKED: asked, BROKEN: broken, LATENCY: seconds * 1e6}


def lines(accepted: float, refused: float) -> Sums:
    return {ACCEPTED: accepted, REFUSED: refused}


def asked(answered: float, returned: float | None) -> Sums:
    return {ANSWERED: answered} | ({} if returned is None else {PREDICTED: returned})


def states(alarm: str, periods: Sequence[Sums], first: str = "INSUFFICIENT_DATA") -> list[str]:
    """The alarm's state after each period."""
    rule = AlarmRule.read(pointed(ALARMS[alarm], {"model": NEW, "EndpointConfigName": f"{STACK}-{NEW}"}))
    length = 60 if alarm == "ForwarderFailures" else PERIOD
    store = MetricStore()
    state: Any = first
    seen: list[str] = []
    start = START - START % length
    for number, sums in enumerate(periods):
        store.put(Datum(metric, start + number * length + 1, ((value, 1),)) for metric, value in sums.items())
        state = rule.evaluate(rule.points(store, start + (number + 1) * length), state).state
        seen.append(state)
    return seen


GOOD_LINES, BAD_LINES = lines(960, 40), lines(940, 60)

CASES: list[tuple[str, str, Sequence[Sums], str]] = [
    ("ModelError", "as promised", [judged(1.0)], "OK"),
    ("ModelError", "just under the threshold", [judged(1.24)], "OK"),
    ("ModelError", "just over it", [judged(1.26)], "ALARM"),
    ("ModelError", "bad, of too few to believe", [judged(3.0, predicted=BELIEVED - 1)], "OK"),
    ("ModelError", "bad, then nothing for a while", [judged(2.0), {}, {}, {}, {}], "ALARM"),
    ("ModelError", "bad, then good again", [judged(2.0), judged(1.0)], "OK"),
    ("ModelError", "never any prediction", [{}, {}, {}], "INSUFFICIENT_DATA"),
    ("NoModel", "a model answers", [{NO_MODEL: 0}, {NO_MODEL: 0}], "OK"),
    ("NoModel", "one period without", [{NO_MODEL: 0}, {NO_MODEL: 5}], "OK"),
    ("NoModel", "two periods without", [{NO_MODEL: 5}, {NO_MODEL: 5}], "ALARM"),
    ("NoModel", "it serves again", [{NO_MODEL: 5}, {NO_MODEL: 5}, {NO_MODEL: 0}], "OK"),
    ("NoModel", "nobody asks", [{}, {}, {}], "OK"),
    ("QuarantineRate", "4 % refused", [GOOD_LINES] * 3, "OK"),
    ("QuarantineRate", "6 % for two periods", [GOOD_LINES, BAD_LINES, BAD_LINES], "OK"),
    ("QuarantineRate", "6 % for three periods", [BAD_LINES] * 3, "ALARM"),
    ("QuarantineRate", "everything is refused", [{REFUSED: 9}] * 3, "ALARM"),
    ("QuarantineRate", "nothing arrives", [{}] * 4, "OK"),
    ("LabelMatchRate", "most come back", [asked(1_000, 900)] * 6, "OK"),
    ("LabelMatchRate", "few come back", [asked(1_000, 200)] * 6, "ALARM"),
    ("LabelMatchRate", "none comes back", [asked(1_000, None)] * 6, "ALARM"),
    ("LabelMatchRate", "few come back, for a while", [asked(1_000, 200)] * 5 + [asked(1_000, 900)], "OK"),
    ("LabelMatchRate", "too few to believe", [asked(99, 0)] * 6, "OK"),
    ("LabelMatchRate", "nobody asks", [{}] * 7, "OK"),
    ("ForwarderFailures", "an empty queue", [{WAITING: 0}], "OK"),
    ("ForwarderFailures", "one event waits", [{WAITING: 1}], "ALARM"),
    ("ForwarderFailures", "no data", [{}, {}], "OK"),
    ("TrainingFailed", "a round that ended well", [{FAILED: 0}], "OK"),
    ("TrainingFailed", "a round that failed", [{FAILED: 1}], "ALARM"),
    ("TrainingFailed", "no round", [{}, {}], "OK"),
    ("RolledBack", "a deployment that went well", [{ROLLED_BACK: 0}], "OK"),
    ("RolledBack", "a model was taken back", [{ROLLED_BACK: 1}], "ALARM"),
    ("RolledBack", "no deployment", [{}, {}], "OK"),
    ("NewModelError", "as promised", [judged_alone(1.0)], "OK"),
    ("NewModelError", "just over the threshold", [judged_alone(1.26)], "ALARM"),
    ("NewModelError", "bad, of too few to believe", [judged_alone(9.0, predicted=BELIEVED - 1)], "OK"),
    ("NewModelError", "the old one is bad", [judged_alone(9.0, model="xgboost-20261123T051100Z")], "OK"),
    ("NewModelError", "all together are bad", [judged(9.0)], "OK"),
    ("NewModelError", "no prediction yet", [{}, {}], "OK"),
    ("NewModelError", "bad, taken back, and silent", [judged_alone(9.0), {}, {}, {}], "OK"),
    ("NewModelFailures", "all answered", [answered_by_fleet(100)], "OK"),
    ("NewModelFailures", "one of a few failed", [answered_by_fleet(2, broken=1)], "OK"),
    ("NewModelFailures", "5 % failed", [answered_by_fleet(100, broken=5)], "OK"),
    ("NewModelFailures", "6 % failed", [answered_by_fleet(100, broken=6)], "ALARM"),
    ("NewModelFailures", "nobody asks", [{}, {}], "OK"),
    ("NewModelLatency", "fast", [answered_by_fleet(100)] * 2, "OK"),
    ("NewModelLatency", "slow once", [answered_by_fleet(100, seconds=2), answered_by_fleet(100)], "OK"),
    ("NewModelLatency", "slow", [answered_by_fleet(100, seconds=2)] * 2, "ALARM"),
    ("NewModelLatency", "slow, of too few to believe", [answered_by_fleet(19, seconds=2)] * 2, "OK"),
    ("NewModelLatency", "nobody asks", [{}, {}, {}], "OK"),
    ("NoSamples", "samples arrive", [{ACCEPTED: 10}] * 6, "OK"),
    ("NoSamples", "a pause", [{ACCEPTED: 10}] * 3 + [{}] * 3, "OK"),
    ("NoSamples", "nothing any more", [{ACCEPTED: 10}] + [{}] * 9, "ALARM"),
    ("NoSamples", "batches without a good line", [{ACCEPTED: 0}] * 6, "ALARM"),
]


@pytest.mark.parametrize(("alarm", "story", "periods", "state"), CASES, ids=[f"{case[0]}: {case[1]}" for case in CASES])
def test_an_alarm_is_in_the_state_that_its_story_means(
    alarm: str, story: str, periods: Sequence[Sums], state: str
) -> None:
    assert states(alarm, periods)[-1] == state


def test_no_alarm_is_without_good_bad_and_missing_data() -> None:
    for alarm in ALARMS:
        told = [(periods, state) for name, _, periods, state in CASES if name == alarm]
        assert {"OK", "ALARM"} <= {state for _, state in told}, alarm
        assert any(not sums for periods, _ in told for sums in periods), alarm


def test_an_alarm_that_flaps_changes_each_time() -> None:
    flapping = [judged(2.0), judged(1.0), judged(2.0), judged(1.0)]
    assert states("ModelError", flapping) == ["ALARM", "OK", "ALARM", "OK"]


def test_two_alarms_retrain_and_the_others_tell_somebody() -> None:
    actions = {alarm: given["AlarmActions"] for alarm, given in ALARMS.items()}
    retraining = {alarm for alarm, given in actions.items() if given == ["RetrainingFunction.Arn"]}
    assert retraining == {"ModelError", "NoModel"}
    assert all(given == ["OperationsTopic"] for alarm, given in actions.items() if alarm not in retraining)
    # an alarm may only act on a function that lets it in
    permitted = {
        resource["Properties"]["SourceArn"]["GetAtt"]
        for resource in TEMPLATE["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Permission"
    }
    assert {f"{alarm}Alarm.Arn" for alarm in retraining} <= permitted


def test_the_alarms_that_take_a_model_back_watch_nobody_until_they_are_pointed_at_it() -> None:
    variables = TEMPLATE["Resources"]["PromotionFunction"]["Properties"]["Environment"]["Variables"]
    named = [variables["LIVE_ERROR_ALARM"]["Ref"]]
    named += variables["ENDPOINT_ALARMS"]["Sub"].replace("$", "").replace("{", "").replace("}", "").split(",")
    assert [name.removesuffix("Alarm") for name in named] == ["NewModelError", "NewModelFailures", "NewModelLatency"]
    for name in named:
        for query in ALARMS[name.removesuffix("Alarm")]["Metrics"]:
            dimensions = query.get("MetricStat", {}).get("Metric", {}).get("Dimensions", [{"Value": "nobody"}])
            assert [one["Value"] for one in dimensions].count("nobody") == 1


def test_the_page_shows_every_alarm_and_may_look_at_no_other() -> None:
    alarms = sorted(f"{alarm}Alarm" for alarm in ALARMS)
    function = TEMPLATE["Resources"]["LeaderboardFunction"]["Properties"]
    _, shown = function["Environment"]["Variables"]["ALARMS"]["Join"]
    assert sorted(one["Ref"] for one in shown) == alarms
    statements = TEMPLATE["Resources"]["LeaderboardRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    (places,) = [one["Resource"] for one in statements if one["Action"] == "cloudwatch:DescribeAlarmHistory"]
    assert sorted(one["GetAtt"] for one in places) == [f"{alarm}.Arn" for alarm in alarms]


def test_the_schedule_looks_at_the_alarms_that_retrain() -> None:
    variables = TEMPLATE["Resources"]["RetrainingFunction"]["Properties"]["Environment"]["Variables"]
    named = DEFAULT.resolved(variables["RETRAINING_ALARMS"]).split(",")
    assert named == [ALARMS["ModelError"]["AlarmName"], ALARMS["NoModel"]["AlarmName"]]
