"""CloudWatch alarms: judged by the clock, with exact dimensions, metric math and rules for missing data.

ministack judges an alarm when a metric is put, over the data of all dimensions together, knows no metric math and sends
notifications only. Here a thread judges each alarm whenever another of its periods is complete.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from local_aws import hooks
from local_aws.cloudwatch import actions as alarm_actions
from local_aws.cloudwatch import metrics
from local_aws.cloudwatch.alarm_record import ACTIONS, STATES, alarm_record
from local_aws.cloudwatch.evaluation import AlarmRule
from local_aws.cloudwatch.notifications import action_history, alarm_time, reason_data, state, state_history
from local_aws.cloudwatch.operations import Timestamp
from local_aws.cloudwatch.protocol import MODULE, RefusedError, serve
from local_aws.cloudwatch.queries import read_metric

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger("local_aws.alarms")

HISTORY_LENGTH = 10_000
"""Entries kept of the history of all alarms of an account together."""

_changing = threading.RLock()
_judged: dict[tuple[str, str, str], tuple[float, float]] = {}
"""Of each alarm (account, region, name) the time of its configuration and the end of the last period judged."""


def install() -> None:
    """Take the place of ministack's alarms, for the API and for CloudFormation, and start the clock."""
    alarm_actions.check()
    for name in ("_alarms", "_composite_alarms", "_composite_triggers", "_resource_tags", "_history_entries"):
        hooks.find(MODULE, name)
    hooks.find(MODULE, "_evaluate_parent_alarms", arguments=("child", "seen"))
    hooks.find("ministack.core.responses", "request_scope", arguments=("account_id", "region"))
    hooks.find("ministack.core.iam_evaluator", "pin_request_origin", arguments=("source_ip", "secure_transport"))
    serve("PutMetricAlarm", "_put_metric_alarm", _put_metric_alarm)
    serve("SetAlarmState", "_set_alarm_state", _set_alarm_state)
    serve("DescribeAlarmsForMetric", "_describe_alarms_for_metric", _describe_alarms_for_metric)
    hooks.replace(MODULE, "cloudformation_put_metric_alarm", _store, arguments=("alarm",))
    hooks.replace(
        MODULE,
        "_dispatch_alarm_actions",
        lambda alarm, old_state, new_state, reason: _act(alarm, _bare_state(alarm, old_state)),  # noqa: ARG005
        arguments=("alarm", "old_state", "new_state", "reason"),
    )
    hooks.replace(
        "ministack.services.cloudformation.provisioners",
        "_cw_metric_alarm_record",
        _record,
        arguments=("name", "props"),
    )
    threading.Thread(target=_watch, daemon=True, name="alarms").start()


def _alarms() -> Any:
    return hooks.find(MODULE, "_alarms")


# --- the API ---------------------------------------------------------------------------------------------------


def _record(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    return alarm_record(metrics.arn("alarm", name), given, _alarms().get(name), time.time())


def _put_metric_alarm(request: dict[str, Any]) -> dict[str, Any]:
    name = request.get("AlarmName") or ""
    if hooks.find(MODULE, "_composite_alarms").get(name) is not None:
        raise RefusedError("ValidationError", f"{name} is a composite alarm")
    alarm = _record(name, request)
    tags = request.get("Tags") or []
    if not all(isinstance(tag.get("Key"), str) and isinstance(tag.get("Value"), str) for tag in tags):
        raise RefusedError("ValidationError", "each tag needs a Key and a Value")
    if tags and name not in _alarms():  # an update leaves tags alone
        hooks.find(MODULE, "_resource_tags")[alarm["AlarmArn"]] = {tag["Key"]: tag["Value"] for tag in tags}
    _store(alarm)
    return {}


def _store(alarm: dict[str, Any]) -> None:
    """Create or update an alarm; its state stays what the record says."""
    with _changing:
        existed = alarm["AlarmName"] in _alarms()
        _alarms()[alarm["AlarmName"]] = alarm
        done = "updated" if existed else "created"
        data = {"version": "1.0", "type": "Update" if existed else "Create"}
        _remember(alarm, "ConfigurationUpdate", f'Alarm "{alarm["AlarmName"]}" {done}', json.dumps(data))


def _set_alarm_state(request: dict[str, Any]) -> dict[str, Any]:
    name, new = request.get("AlarmName") or "", request.get("StateValue")
    alarm = _alarms().get(name) or hooks.find(MODULE, "_composite_alarms").get(name)
    if alarm is None:
        raise RefusedError("ResourceNotFound", f"there is no alarm {name!r}", 404)
    if new not in STATES:
        raise RefusedError("ValidationError", f"StateValue must be one of {', '.join(STATES)}, not {new!r}")
    data = request.get("StateReasonData") or None
    if data is not None:
        try:
            json.loads(data)
        except ValueError:
            raise RefusedError("InvalidFormat", "StateReasonData must be JSON") from None
    hooks.find(MODULE, "_composite_triggers").pop(name, None)
    _change(alarm, new, request.get("StateReason") or "", data)
    return {}


def _describe_alarms_for_metric(request: dict[str, Any]) -> dict[str, Any]:
    metric = read_metric(request.get("Namespace"), request.get("MetricName"), request.get("Dimensions"))
    found = []
    for alarm in _alarms().values():
        stat = AlarmRule.read(alarm).watched.stat
        if stat is None or stat.metric != metric:
            continue
        if all(request.get(each) in (None, "", alarm.get(each)) for each in ("Statistic", "ExtendedStatistic", "Unit")):
            found.append(
                {name: Timestamp(each) if name.endswith("Timestamp") else each for name, each in alarm.items()}
            )
    return {"MetricAlarms": found}


# --- the clock -------------------------------------------------------------------------------------------------


def _watch() -> None:
    hooks.find("ministack.core.iam_evaluator", "pin_request_origin")("127.0.0.1", True)
    while True:
        time.sleep(1 - time.time() % 1)
        now = time.time()
        if int(now) % 60 == 0:
            metrics.prune(now)
        present = dict(_alarms().all_items())
        for key in _judged.keys() - present.keys():
            del _judged[key]
        for key, alarm in present.items():
            try:
                _judge(key, alarm, now)
            except Exception:
                logger.exception("The alarm %s could not be judged", key[2])  # the others are


def _judge(key: tuple[str, str, str], alarm: dict[str, Any], now: float) -> None:
    """Judge an alarm if another of its periods is complete, or its configuration is new."""
    rule = AlarmRule.read(alarm)
    due = (alarm["AlarmConfigurationUpdatedTimestamp"], rule.last_end(now))
    if _judged.get(key) == due:
        return
    _judged[key] = due
    account, region, _ = key
    with hooks.find("ministack.core.responses", "request_scope")(account, region):
        verdict = rule.judge(rule.points(metrics.store(), due[1]), alarm["StateValue"])
        if verdict.state != alarm["StateValue"]:
            _change(alarm, verdict.state, verdict.reason, reason_data(rule, verdict, now))


def _change(alarm: dict[str, Any], new: str, reason: str, data: str | None) -> None:
    """Put an alarm into a state; if that is another one than before, tell everybody."""
    with _changing:
        previous = state(alarm)
        now = time.time()
        alarm |= {"StateValue": new, "StateReason": reason, "StateUpdatedTimestamp": now}
        alarm.pop("StateReasonData", None)
        if data is not None:
            alarm["StateReasonData"] = data
        if previous["value"] == new:
            return
        alarm["StateTransitionedTimestamp"] = now
        _remember(alarm, "StateUpdate", *state_history(alarm, previous))
    logger.info("Alarm %s: %s -> %s. %s", alarm["AlarmName"], previous["value"], new, reason)
    _act(alarm, previous)
    hooks.find(MODULE, "_evaluate_parent_alarms")(alarm)


def _bare_state(alarm: Mapping[str, Any], value: str) -> dict[str, Any]:
    """The state before, where ministack tells no more than its value (composite alarms)."""
    return {"value": value, "reason": "", "timestamp": alarm_time(alarm["StateUpdatedTimestamp"])}


def _act(alarm: dict[str, Any], previous: Mapping[str, Any]) -> None:
    alarm_actions.announce(alarm, previous)
    if not alarm.get("ActionsEnabled", True):
        return
    for action in alarm.get(ACTIONS[alarm["StateValue"]]) or []:
        error = None
        try:
            alarm_actions.execute(action, alarm, previous)
        except alarm_actions.ActionRefusedError as refusal:
            error = str(refusal)
            logger.warning("Alarm %s: %s", alarm["AlarmName"], error)
        _remember(alarm, "Action", *action_history(alarm, action, error))


def _remember(alarm: Mapping[str, Any], kind: str, summary: str, data: str) -> None:
    with _changing:
        entries = hooks.find(MODULE, "_history_entries")()
        entries.append(
            {
                "AlarmName": alarm["AlarmName"],
                "AlarmType": "CompositeAlarm" if "AlarmRule" in alarm else "MetricAlarm",
                "Timestamp": time.time(),
                "HistoryItemType": kind,
                "HistorySummary": summary,
                "HistoryData": data,
            }
        )
        del entries[:-HISTORY_LENGTH]
