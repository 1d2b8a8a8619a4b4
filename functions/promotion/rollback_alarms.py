"""What rolls a new model back: alarms on its own metrics, and how its traffic grows.

The template defines the alarms, with `nobody` as the model. Before the endpoint moves they are retargeted: the model's
name or its endpoint configuration goes into the dimensions for it, and everything else stays as the template says. A
retargeted alarm keeps its previous state, and an alarm in ALARM would stop the deployment before it begins, so the
state is reset, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import PutMetricAlarmInputTypeDef
    from mypy_boto3_sagemaker.type_defs import DeploymentConfigTypeDef

    from promotion.settings import Settings
    from rounds import Model

MIN_TIMEOUT_SECONDS, MAX_TIMEOUT_SECONDS = 600, 28_800
"""Bounds of a deployment's ``MaximumExecutionTimeoutInSeconds``.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_BlueGreenUpdatePolicy.html
"""
LAUNCH_SECONDS = 1_800
"""How long the new instances may take to start, on top of the waits."""
MODEL, CONFIGURATION = "model", "EndpointConfigName"
"""The dimensions that name the watched model."""

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
"""The parts of a described alarm that define it; the others are its state."""


class MissingRollbackAlarmError(RuntimeError):
    """An alarm that is to watch the new model does not exist, so the model is not deployed."""


def rollback_threshold(model: Model, champion: Model | None, error_ratio: float) -> float:
    """Live error over promised error, above which the model is rolled back: a pure function.

    A model must keep its promise, but a rollback has to help, too: after a drift the champion may be far off its own
    promise, and worse than a successor that misses a little. So the model stays as long as its error is below the
    champion's on the same test set.
    """
    is_comparable = champion is not None and champion.test_set == model.test_set
    if champion is None or not is_comparable or champion.test_rmse is None or not model.expected_error:
        return error_ratio
    return max(error_ratio, champion.test_rmse / model.expected_error)


def alarms_of(settings: Settings, model: Model) -> tuple[str, ...]:
    """The alarms that roll this model back.

    An operator's choice is rolled back for failures and latency only: a model of yesterday is expected to miss the
    error that it promised then.
    """
    if model.promoted_by == "operator":
        return settings.endpoint_alarm_names
    return (settings.live_error_alarm, *settings.endpoint_alarm_names)


def rollout(settings: Settings, alarms: Sequence[str]) -> DeploymentConfigTypeDef:
    """How the traffic moves: a canary first if there are instances for it, all at once otherwise. A pure function.

    SageMaker does not document for which of its two waits it watches the alarms after the last step, so both are set.
    """
    wait = settings.bake_seconds
    canary = settings.canary_percent > 0 and settings.instance_count > 1
    waits = wait * (3 if canary else 2)
    timeout = min(max(waits + LAUNCH_SECONDS, MIN_TIMEOUT_SECONDS), MAX_TIMEOUT_SECONDS)
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
            "MaximumExecutionTimeoutInSeconds": timeout,
        }
    }
    if alarms:
        config["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": name} for name in alarms]}
    return config


def retargeted(alarm: Mapping[str, Any], dimensions: Mapping[str, str]) -> dict[str, Any]:
    """The definition of a described alarm, with new values of those ``dimensions`` that it has. A pure function."""

    def replace(dimension: Mapping[str, str]) -> dict[str, str]:
        return {"Name": dimension["Name"], "Value": dimensions.get(dimension["Name"], dimension["Value"])}

    definition = {name: alarm[name] for name in _DEFINITION if alarm.get(name) not in (None, [])}
    if "Dimensions" in definition:
        definition["Dimensions"] = [replace(dimension) for dimension in definition["Dimensions"]]
    if "Metrics" in definition:
        definition["Metrics"] = [_retarget_query(query, replace) for query in definition["Metrics"]]
    return definition


def _retarget_query(query: Mapping[str, Any], replace: Callable[[Mapping[str, str]], dict[str, str]]) -> dict[str, Any]:
    if "MetricStat" not in query:
        return dict(query)
    stat = query["MetricStat"]
    dimensions = [replace(dimension) for dimension in stat["Metric"].get("Dimensions", [])]
    return {**query, "MetricStat": {**stat, "Metric": {**stat["Metric"], "Dimensions": dimensions}}}


def retarget(
    cloudwatch: CloudWatchClient, settings: Settings, *, model: str, configuration: str, error_ratio: float
) -> None:
    """Let the alarms watch ``model`` under its endpoint ``configuration``. Raises ``MissingRollbackAlarmError``.

    It can be repeated. It must not happen while another model is being deployed.
    """
    names = _alarm_names(settings)
    alarms = {alarm["AlarmName"]: alarm for alarm in cloudwatch.describe_alarms(AlarmNames=names)["MetricAlarms"]}
    missing = [name for name in names if name not in alarms]
    if missing:
        raise MissingRollbackAlarmError(f"{model} is not deployed unwatched: there is no alarm {', '.join(missing)}")
    for name in names:
        definition = retargeted(alarms[name], {MODEL: model, CONFIGURATION: configuration})
        if name == settings.live_error_alarm:
            definition["Threshold"] = error_ratio
        cloudwatch.put_metric_alarm(**cast("PutMetricAlarmInputTypeDef", definition))
        cloudwatch.set_alarm_state(
            AlarmName=name, StateValue="INSUFFICIENT_DATA", StateReason=f"It watches {model} from now on."
        )


def find_active(cloudwatch: CloudWatchClient, settings: Settings) -> dict[str, str]:
    """The rollback alarms that are in ALARM now, with CloudWatch's reason."""
    response = cloudwatch.describe_alarms(AlarmNames=_alarm_names(settings), StateValue="ALARM")
    return {alarm["AlarmName"]: alarm.get("StateReason", "") for alarm in response["MetricAlarms"]}


def _alarm_names(settings: Settings) -> list[str]:
    return [settings.live_error_alarm, *settings.endpoint_alarm_names]
