"""Replaces ministack's metric alarms: evaluated every second by the clock, with all of CloudWatch's rules.

ministack evaluates an alarm when a metric is put, over the data of all dimensions together; it has no metric math and
sends notifications only.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

from local_aws import hooks
from local_aws.cloudwatch import actions, metrics
from local_aws.cloudwatch.alarm_record import ACTIONS, STATES, create_record
from local_aws.cloudwatch.alarm_states import AlarmEvaluator, StateChange, apply_change
from local_aws.cloudwatch.evaluation import AlarmRule
from local_aws.cloudwatch.notifications import action_history, format_time, state_history
from local_aws.cloudwatch.operations import Timestamp
from local_aws.cloudwatch.protocol import MODULE, RefusedError, serve
from local_aws.cloudwatch.queries import read_metric

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger("local_aws.alarms")

MAX_HISTORY_ENTRIES = 10_000
"""Of all alarms of an account together."""

_change_lock = threading.RLock()
_evaluator = AlarmEvaluator()


def install() -> None:
    """Replace ministack's alarms, for the API and for CloudFormation, and start the thread that evaluates them."""
    actions.check()
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


def _record(name: str, members: Mapping[str, Any]) -> dict[str, Any]:
    return create_record(metrics.arn("alarm", name), members, _alarms().get(name), time.time())


def _put_metric_alarm(request: dict[str, Any]) -> dict[str, Any]:
    name = request.get("AlarmName") or ""
    if hooks.find(MODULE, "_composite_alarms").get(name) is not None:
        raise RefusedError("ValidationError", f"{name} is a composite alarm")
    alarm = _record(name, request)
    tags = request.get("Tags") or []
    if not all(isinstance(tag.get("Key"), str) and isinstance(tag.get("Value"), str) for tag in tags):
        raise RefusedError("ValidationError", "each tag needs a Key and a Value")
    if tags and name not in _alarms():  # an update does not change tags
        hooks.find(MODULE, "_resource_tags")[alarm["AlarmArn"]] = {tag["Key"]: tag["Value"] for tag in tags}
    _store(alarm)
    return {}


def _store(alarm: dict[str, Any]) -> None:
    """Store a new or updated alarm, with the state in its record."""
    with _change_lock:
        existed = alarm["AlarmName"] in _alarms()
        _alarms()[alarm["AlarmName"]] = alarm
        event = "updated" if existed else "created"
        data = {"version": "1.0", "type": "Update" if existed else "Create"}
        _remember(alarm, "ConfigurationUpdate", f'Alarm "{alarm["AlarmName"]}" {event}', json.dumps(data))


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
    _change(alarm, StateChange(new, request.get("StateReason") or "", data))
    return {}


def _describe_alarms_for_metric(request: dict[str, Any]) -> dict[str, Any]:
    metric = read_metric(request.get("Namespace"), request.get("MetricName"), request.get("Dimensions"))
    matches = []
    for alarm in _alarms().values():
        stat = AlarmRule.read(alarm).result_query.stat
        if stat is None or stat.metric != metric:
            continue
        filters = ("Statistic", "ExtendedStatistic", "Unit")
        if all(request.get(member) in (None, "", alarm.get(member)) for member in filters):
            matches.append(
                {name: Timestamp(value) if name.endswith("Timestamp") else value for name, value in alarm.items()}
            )
    return {"MetricAlarms": matches}


# --- the clock -------------------------------------------------------------------------------------------------


def _watch() -> None:
    hooks.find("ministack.core.iam_evaluator", "pin_request_origin")("127.0.0.1", True)
    while True:
        time.sleep(1 - time.time() % 1)
        now = time.time()
        if int(now) % 60 == 0:
            metrics.prune(now)
        present = dict(_alarms().all_items())
        _evaluator.keep_only(present)
        for key, alarm in present.items():
            try:
                _evaluate(key, alarm, now)
            except Exception:  # one alarm that fails must not stop the others
                logger.exception("The alarm %s could not be evaluated", key[2])


def _evaluate(key: tuple[str, str, str], alarm: dict[str, Any], now: float) -> None:
    account, region, _ = key
    with hooks.find("ministack.core.responses", "request_scope")(account, region):
        change = _evaluator.evaluate(key, alarm, metrics.store(), now)
        if change is not None:
            _change(alarm, change)


def _change(alarm: dict[str, Any], change: StateChange) -> None:
    """Change an alarm's state, and if the value is new, record it and carry out the actions."""
    with _change_lock:
        previous = apply_change(alarm, change, time.time())
        if previous is None:
            return
        _remember(alarm, "StateUpdate", *state_history(alarm, previous))
    logger.info("Alarm %s: %s -> %s. %s", alarm["AlarmName"], previous["value"], change.state, change.reason)
    _act(alarm, previous)
    hooks.find(MODULE, "_evaluate_parent_alarms")(alarm)


def _bare_state(alarm: Mapping[str, Any], value: str) -> dict[str, Any]:
    """The previous state of a composite alarm, of which ministack reports the value alone."""
    return {"value": value, "reason": "", "timestamp": format_time(alarm["StateUpdatedTimestamp"])}


def _act(alarm: dict[str, Any], previous: Mapping[str, Any]) -> None:
    actions.announce(alarm, previous)
    if not alarm.get("ActionsEnabled", True):
        return
    for action in alarm.get(ACTIONS[alarm["StateValue"]]) or []:
        error = None
        try:
            actions.execute(action, alarm, previous)
        except actions.ActionRefusedError as refusal:
            error = str(refusal)
            logger.warning("Alarm %s: %s", alarm["AlarmName"], error)
        _remember(alarm, "Action", *action_history(alarm, action, error))


def _remember(alarm: Mapping[str, Any], kind: str, summary: str, data: str) -> None:
    with _change_lock:
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
        del entries[:-MAX_HISTORY_ENTRIES]
