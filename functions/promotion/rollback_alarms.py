"""What takes a new model back: alarms that watch it alone, and the way its traffic grows.

The template defines the alarms, and they watch nobody. Before the endpoint moves they are pointed at the new model: its
name or its endpoint configuration goes into the dimensions that ask for it, and everything else stays as the template
says. A pointed alarm keeps the state of what it watched before, and an alarm in ALARM would stop the deployment before
it begins, so the state is set back, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import PutMetricAlarmInputTypeDef
    from mypy_boto3_sagemaker.type_defs import DeploymentConfigTypeDef

    from promotion.settings import Settings
    from rounds import Model

SHORTEST_TIMEOUT, LONGEST_TIMEOUT = 600, 28_800
LAUNCH_SECONDS = 1_800
"""How long the new instances may take to come up, on top of the waits."""
MODEL, CONFIGURATION = "model", "EndpointConfigName"
"""The dimensions that name who is watched."""

_DEFINITION = (
    "AlarmName",
    "AlarmDescription",
    "ActionsEnabled",
    "OKActions",
    "AlarmActions",
    "InsufficientDataActions",
    "Namespace",
    "MetricName",
    "Statistic",
    "ExtendedStatistic",
    "Dimensions",
    "Period",
    "Unit",
    "EvaluationPeriods",
    "DatapointsToAlarm",
    "Threshold",
    "ComparisonOperator",
    "TreatMissingData",
    "EvaluateLowSampleCountPercentile",
    "Metrics",
)
"""What of a described alarm defines it; the rest is its state."""


class UnguardedError(RuntimeError):
    """An alarm that shall watch the new model is not there, so the model is not deployed."""


def tolerated(model: Model, champion: Model | None, error_ratio: float) -> float:
    """Live error over promised error, above which the model is taken back: a pure function.

    A model must keep its promise, but going back has to help, too: after a drift the champion may be far off its own
    promise, and worse than a successor that misses a little. So as long as the model errs less than the champion did
    on the same test set, it stays.
    """
    known = champion is not None and champion.test_set == model.test_set
    if champion is None or not known or champion.test_rmse is None or not model.expected_error:
        return error_ratio
    return max(error_ratio, champion.test_rmse / model.expected_error)


def watching(settings: Settings, model: Model) -> tuple[str, ...]:
    """The alarms that take this model back.

    An operator's choice is taken back for failing or for being slow only: whoever goes back to a model of yesterday
    knows that it will miss what it promised then.
    """
    if model.promoted_by == "operator":
        return settings.endpoint_alarm_names
    return (settings.live_error_alarm, *settings.endpoint_alarm_names)


def rollout(settings: Settings, alarms: Sequence[str]) -> DeploymentConfigTypeDef:
    """How the traffic moves: a canary first if there are instances for it, all at once otherwise. A pure function.

    Which of its two waits SageMaker bakes the last step for is not documented, so both are set.
    """
    wait = settings.bake_seconds
    canary = settings.canary_percent > 0 and settings.instance_count > 1
    waits = wait * (3 if canary else 2)
    config: DeploymentConfigTypeDef = {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {
                "Type": "CANARY",
                "WaitIntervalInSeconds": wait,
                "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": settings.canary_percent},
            }
            if canary
            else {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": wait},
            "TerminationWaitInSeconds": wait,
            "MaximumExecutionTimeoutInSeconds": min(max(waits + LAUNCH_SECONDS, SHORTEST_TIMEOUT), LONGEST_TIMEOUT),
        }
    }
    if alarms:
        config["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": name} for name in alarms]}
    return config


def pointed(alarm: Mapping[str, Any], dimensions: Mapping[str, str]) -> dict[str, Any]:
    """The definition of a described alarm, with new values of those ``dimensions`` that it has. A pure function."""

    def dimension(one: Mapping[str, str]) -> dict[str, str]:
        return {"Name": one["Name"], "Value": dimensions.get(one["Name"], one["Value"])}

    definition = {name: alarm[name] for name in _DEFINITION if alarm.get(name) not in (None, [])}
    if "Dimensions" in definition:
        definition["Dimensions"] = [dimension(one) for one in definition["Dimensions"]]
    if "Metrics" in definition:
        definition["Metrics"] = [_query(one, dimension) for one in definition["Metrics"]]
    return definition


def _query(query: Mapping[str, Any], dimension: Any) -> dict[str, Any]:
    if "MetricStat" not in query:
        return dict(query)
    stat = query["MetricStat"]
    metric = {**stat["Metric"], "Dimensions": [dimension(one) for one in stat["Metric"].get("Dimensions", [])]}
    return {**query, "MetricStat": {**stat, "Metric": metric}}


def point(
    cloudwatch: CloudWatchClient, settings: Settings, *, model: str, configuration: str, tolerated_ratio: float
) -> None:
    """Let the alarms watch ``model`` under its endpoint ``configuration``. Raises ``UnguardedError``.

    Repeating it does no harm. It must not happen while another model is being deployed.
    """
    names = [settings.live_error_alarm, *settings.endpoint_alarm_names]
    found = {one["AlarmName"]: one for one in cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"]}
    missing = [name for name in names if name not in found]
    if missing:
        raise UnguardedError(f"{model} is not deployed unwatched: there is no alarm {', '.join(missing)}")
    for name in names:
        definition = pointed(found[name], {MODEL: model, CONFIGURATION: configuration})
        if name == settings.live_error_alarm:
            definition["Threshold"] = tolerated_ratio
        cloudwatch.put_metric_alarm(**cast("PutMetricAlarmInputTypeDef", definition))
        cloudwatch.set_alarm_state(
            AlarmName=name, StateValue="INSUFFICIENT_DATA", StateReason=f"It watches {model} from now on."
        )


def tripped(cloudwatch: CloudWatchClient, alarms: Sequence[str]) -> str | None:
    """Which of the alarms are in ALARM now and why, as a sentence; None if none is."""
    found = cloudwatch.describe_alarms(AlarmNames=list(alarms), StateValue="ALARM")["MetricAlarms"]
    reasons = {one["AlarmName"]: one.get("StateReason", "") for one in found if one["StateValue"] == "ALARM"}
    told = [f"{name}: {reasons[name]}" for name in alarms if name in reasons]
    return "; ".join(told) or None
