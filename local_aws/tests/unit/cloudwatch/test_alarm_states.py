"""Alarms change state by a clock that the caller provides."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local_aws.cloudwatch.alarm_record import create_record
from local_aws.cloudwatch.alarm_states import AlarmEvaluator, StateChange, apply_change
from local_aws.cloudwatch.store import Datum, Metric, MetricStore

ROOT = Path(__file__).resolve().parents[4]
CREATED = 60_000.0


@pytest.fixture
def alarm() -> dict[str, Any]:
    """The record of an alarm that goes off above 1 in two periods of a minute."""
    members = {
        "Namespace": "Shop",
        "MetricName": "Failures",
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 2,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 1,
        "TreatMissingData": "notBreaching",
    }
    return create_record("arn:aws:cloudwatch:us-east-1:000000000000:alarm:failures", members, None, CREATED)


def test_states_over_a_virtual_day_follow_the_metric(alarm: dict[str, Any]) -> None:
    # given failures from the 10th to the 12th minute after the alarm's creation
    store = MetricStore()
    metric = Metric("Shop", "Failures")
    store.put(Datum(metric, CREATED + 60 * minute, ((2.0, 1.0),)) for minute in (10, 11, 12))
    # when a clock runs through a day in steps of ten seconds
    evaluator = AlarmEvaluator()
    changes: list[tuple[float, str]] = []
    for step in range(24 * 360):
        now = CREATED + 10 * step
        change = evaluator.evaluate("failures", alarm, store, now)
        if change is not None and apply_change(alarm, change, now) is not None:
            changes.append((now - CREATED, change.state))
    # then each change follows a period's end and the delay for late data; both bad periods stay in range for two more
    assert changes == [(0, "OK"), (12 * 60 + 10, "ALARM"), (16 * 60 + 10, "OK")]


def test_alarm_is_evaluated_again_only_if_due_or_changed(alarm: dict[str, Any]) -> None:
    evaluator, store, now = AlarmEvaluator(), MetricStore(), CREATED + 10
    assert evaluator.evaluate("failures", alarm, store, now) is not None
    assert evaluator.evaluate("failures", alarm, store, now) is None  # no period has ended since
    alarm["AlarmConfigurationUpdatedTimestamp"] = now
    assert evaluator.evaluate("failures", alarm, store, now) is not None  # its configuration is new
    evaluator.keep_only([])
    assert evaluator.evaluate("failures", alarm, store, now) is not None  # it was deleted and created again


def test_change_to_the_same_state_updates_the_reason_only(alarm: dict[str, Any]) -> None:
    previous = apply_change(alarm, StateChange("OK", "fine", "{}"), CREATED + 1)
    assert previous is not None
    assert previous["value"] == "INSUFFICIENT_DATA"
    assert apply_change(alarm, StateChange("OK", "still fine"), CREATED + 2) is None
    assert (alarm["StateReason"], alarm["StateUpdatedTimestamp"]) == ("still fine", CREATED + 2)
    assert alarm["StateTransitionedTimestamp"] == CREATED + 1
    assert "StateReasonData" not in alarm


def test_core_imports_the_standard_library_alone() -> None:
    program = """
import sys
from local_aws.cloudwatch import alarm_record, alarm_states, embedded_metrics, evaluation, expressions, math_functions
from local_aws.cloudwatch import notifications, operations, queries, store
print(sorted({name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)))
"""
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}){program}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ran.stdout.strip() == "['__main__', 'local_aws']"
