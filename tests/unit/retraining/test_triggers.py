"""Triggers: one event always gives the same round, and a breach the same start."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retraining.alarm_breach import find_breach_start
from retraining.alarm_poll import find_active_alarms
from retraining.triggers import (
    AlarmEvent,
    OperatorEvent,
    ScheduleEvent,
    UnknownEventError,
    alarm_to_cause,
    from_alarm,
    from_operator,
    parse_event,
)
from rounds import UnusableRequestError
from tests.unit.fake_aws import STACK, Cloud

if TYPE_CHECKING:
    from collections.abc import Callable

    from retraining.triggers import Trigger

FUNCTIONS = Path(__file__).parents[3] / "functions"
ALARMS = ("dwell-ModelError", "dwell-NoModel")
CHANGED = datetime(2026, 11, 23, 6, 39, 0, 412_000, tzinfo=UTC)
FIRST_BREACH = datetime(2026, 11, 23, 6, 37, tzinfo=UTC)


def parse_alarm(event: dict[str, Any]) -> Trigger | None:
    parsed = parse_event(event)
    assert isinstance(parsed, AlarmEvent)
    return from_alarm(parsed, stack=STACK, alarms=ALARMS)


class TestAlarm:
    def test_model_error_has_drift_start(self, event: Callable[[str], dict[str, Any]]) -> None:
        trigger = parse_alarm(event("alarm-model-error"))
        assert trigger is not None
        assert (trigger.cause, trigger.kind, trigger.alarm) == ("model-error", "alarm", "dwell-ModelError")
        assert trigger.round_name == "20261123T063900Z-model-error"
        assert trigger.decision_name == "2026-11-23T06:39:00.412Z#dwell-ModelError@2026-11-23T06:39:00.412Z"
        assert trigger.drift_start == FIRST_BREACH

    def test_no_model_has_no_drift_start(self, event: Callable[[str], dict[str, Any]]) -> None:
        trigger = parse_alarm(event("alarm-no-model"))
        assert trigger is not None
        assert trigger.round_name == "20261123T051100Z-no-model"
        assert trigger.drift_start is None

    @pytest.mark.parametrize("state", ["OK", "INSUFFICIENT_DATA"])
    def test_other_state_is_no_trigger(self, state: str, event: Callable[[str], dict[str, Any]]) -> None:
        alarm_event = event("alarm-model-error")
        alarm_event["alarmData"]["state"]["value"] = state
        assert parse_alarm(alarm_event) is None

    def test_unlisted_alarm_raises_error(self, event: Callable[[str], dict[str, Any]]) -> None:
        alarm_event = event("alarm-model-error")
        alarm_event["alarmData"]["alarmName"] = "other-ModelError"
        with pytest.raises(UnknownEventError, match="other-ModelError"):
            parse_alarm(alarm_event)

    def test_alarm_without_reason_data_uses_its_period(self, event: Callable[[str], dict[str, Any]]) -> None:
        alarm_event = event("alarm-model-error")
        del alarm_event["alarmData"]["state"]["reasonData"]
        trigger = parse_alarm(alarm_event)
        assert trigger is not None
        assert trigger.drift_start == CHANGED - timedelta(seconds=60)
        del alarm_event["alarmData"]["configuration"]
        bare = parse_alarm(alarm_event)
        assert bare is not None
        assert bare.drift_start == CHANGED

    @pytest.mark.parametrize(
        ("alarm", "name"),
        [
            ("dwell-ModelError", "model-error"),
            ("dwell-NoModel", "no-model"),
            ("NoModel", "no-model"),
            ("dwell-Model Error (2)", "model-error-2"),
        ],
    )
    def test_cause_is_alarm_name_in_kebab_case(self, alarm: str, name: str) -> None:
        assert alarm_to_cause("dwell", alarm) == name


BREACH_START = datetime(2026, 11, 23, 6, 28, tzinfo=UTC)


class TestBreach:
    def data(self, **changes: Any) -> str:
        data = {
            "version": "1.0",
            "startDate": "2026-11-23T06:23:00.000+0000",
            "period": 300,
            "recentDatapoints": [1.0, 1.38, 1.61],
            "threshold": 1.25,
            "evaluatedDatapoints": [
                {"timestamp": "2026-11-23T06:33:00.000+0000", "value": 1.61},
                {"timestamp": "2026-11-23T06:28:00.000+0000", "value": 1.38},
                {"timestamp": "2026-11-23T06:23:00.000+0000", "value": 1.0},
            ],
        }
        return json.dumps({name: value for name, value in {**data, **changes}.items() if value is not None})

    @pytest.mark.parametrize(
        ("changes", "start"),
        [
            ({}, BREACH_START),
            ({"evaluatedDatapoints": None}, BREACH_START - timedelta(minutes=5)),
            ({"threshold": None}, BREACH_START - timedelta(minutes=5)),
            ({"evaluatedDatapoints": None, "startDate": None}, CHANGED - timedelta(minutes=15)),
            (
                {"evaluatedDatapoints": None, "startDate": None, "recentDatapoints": None},
                CHANGED - timedelta(minutes=5),
            ),
            ({"evaluatedDatapoints": None, "startDate": None, "period": None}, CHANGED - timedelta(minutes=20)),
            ({"evaluatedDatapoints": "rubbish"}, CHANGED - timedelta(minutes=20)),
        ],
    )
    def test_missing_reason_data_falls_back(self, changes: dict[str, Any], start: datetime) -> None:
        assert find_breach_start(self.data(**changes), CHANGED, evaluation_window=timedelta(minutes=20)) == start

    @pytest.mark.parametrize("data", [None, "", "not JSON", "[]", "null", '{"version": "1.0"}'])
    def test_unreadable_reason_data_uses_evaluation_window(self, data: str | None) -> None:
        window = timedelta(minutes=20)
        assert find_breach_start(data, CHANGED, evaluation_window=window) == CHANGED - window

    @given(st.text())
    def test_any_text_as_reason_data_gives_a_start(self, data: str) -> None:
        assert find_breach_start(data, CHANGED, evaluation_window=timedelta(0)) <= CHANGED

    def test_reason_data_of_later_evaluation_is_ignored(self) -> None:
        later = self.data(
            startDate="2026-11-23T07:23:00.000+0000",
            evaluatedDatapoints=[{"timestamp": "2026-11-23T07:28:00.000+0000", "value": 1.9}],
        )
        assert find_breach_start(later, CHANGED, evaluation_window=timedelta(0)) == CHANGED - timedelta(minutes=15)


class TestSchedule:
    SCHEDULED = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)

    def triggers(self, alarms: list[dict[str, Any]]) -> list[Trigger]:
        cloud = Cloud()
        cloud.cloudwatch.alarms = alarms
        return find_active_alarms(cloud.clients()[3], ALARMS, stack=STACK, scheduled_at=self.SCHEDULED)

    def alarm(self, name: str, state: str, event: dict[str, Any] | None = None) -> dict[str, Any]:
        data = {} if event is None else {"StateReasonData": event["alarmData"]["state"]["reasonData"]}
        return {
            "AlarmName": name,
            "StateValue": state,
            "StateUpdatedTimestamp": CHANGED,
            "EvaluationPeriods": 2,
            "Metrics": [
                {"Id": "ratio", "Expression": "SQRT(a / b)"},
                {"Id": "a", "MetricStat": {"Period": 300, "Stat": "Sum", "Metric": {}}},
            ],
            **data,
        }

    def test_active_alarms_are_triggers_in_given_order(self) -> None:
        triggers = self.triggers(
            [
                self.alarm("dwell-NoModel", "ALARM"),
                self.alarm("dwell-ModelError", "ALARM"),
                self.alarm("dwell-NoSamples", "ALARM"),
            ]
        )
        assert [trigger.round_name for trigger in triggers] == [
            "20261123T070000Z-model-error",
            "20261123T070000Z-no-model",
        ]
        assert {trigger.kind for trigger in triggers} == {"schedule"}
        assert len({trigger.decision_name for trigger in triggers}) == 2
        assert self.triggers([self.alarm("dwell-ModelError", "OK")]) == []

    def test_schedule_finds_same_drift_start_as_alarm_event(self, event: Callable[[str], dict[str, Any]]) -> None:
        from_event = parse_alarm(event("alarm-model-error"))
        (polled,) = self.triggers([self.alarm("dwell-ModelError", "ALARM", event("alarm-model-error"))])
        assert from_event is not None
        assert polled.drift_start == from_event.drift_start

    def test_active_alarm_without_reason_data_uses_its_evaluation(self) -> None:
        (polled,) = self.triggers([self.alarm("dwell-ModelError", "ALARM")])
        assert polled.drift_start == CHANGED - timedelta(minutes=10)

    def test_later_state_update_keeps_drift_start(self) -> None:
        updated = self.alarm("dwell-ModelError", "ALARM") | {
            "StateTransitionedTimestamp": CHANGED,
            "StateUpdatedTimestamp": CHANGED + timedelta(minutes=15),
        }
        (polled,) = self.triggers([updated])
        assert polled.drift_start == CHANGED - timedelta(minutes=10)


class TestOtherEvents:
    def test_schedule_event_has_scheduled_time(self, event: Callable[[str], dict[str, Any]]) -> None:
        parsed = parse_event(event("schedule"))
        assert isinstance(parsed, ScheduleEvent)
        assert parsed.time == TestSchedule.SCHEDULED

    def test_operator_event_gives_manual_trigger(self, event: Callable[[str], dict[str, Any]]) -> None:
        parsed = parse_event(event("retrain-manual"))
        assert isinstance(parsed, OperatorEvent)
        trigger = from_operator(parsed, event_id="operator:try-deeper-trees", received_at=CHANGED)
        assert trigger.round_name == "20261123T063900Z-manual"
        assert trigger.hyperparameters == {"xgboost.max_depth": 8}
        assert trigger.note == parsed.reason

    @pytest.mark.parametrize("name", ["a", "7 dwarves", "Team_A.2-b", "Zoë", "機械 学習", "a" * 40])
    def test_entrant_name_of_any_script_is_accepted(self, name: str) -> None:
        parsed = parse_event({"source": "dwell.operator", "entrant": name})
        assert isinstance(parsed, OperatorEvent)
        assert from_operator(parsed, event_id="operator:e", received_at=CHANGED).entrant == name

    def test_entrant_name_is_normalised(self) -> None:
        parsed = parse_event({"source": "dwell.operator", "entrant": "Zoe\u0308"})
        assert isinstance(parsed, OperatorEvent)
        assert parsed.entrant == "Zo\u00eb"

    @pytest.mark.parametrize(
        "invalid",
        [
            {"source": "dwell.operator", "id": "a b"},
            {"source": "dwell.operator", "hyperparameters": {"sagemaker_program": "other.py"}},
            {"source": "dwell.operator", "hyperparameters": [1]},
            {"source": "dwell.operator", "hyperparameters": {"xgboost.max_dept": 6}},
            {"source": "dwell.operator", "hyperparameters": {"xgboost.eta": "fast"}},
            {"source": "dwell.operator", "entrant": ""},
            {"source": "dwell.operator", "entrant": " ada"},
            {"source": "dwell.operator", "entrant": "ada "},
            {"source": "dwell.operator", "entrant": "<b>ada</b>"},
            {"source": "dwell.operator", "entrant": "ada\n"},
            {"source": "dwell.operator", "entrant": "a" * 41},
            {"source": "dwell.operator", "entrant": 7},
            {"source": "dwell.schedule"},
            {"source": "dwell.schedule", "time": "2026-11-23T07:00:00"},
            {"source": "aws.cloudwatch"},
        ],
    )
    def test_invalid_operator_request_is_refused(self, invalid: dict[str, Any]) -> None:
        with pytest.raises(UnusableRequestError) as refused:
            parse_event(invalid)
        assert "pydantic" not in str(refused.value)

    @pytest.mark.parametrize(
        ("invalid", "message"),
        [
            ({"entrant": "<b>x</b>"}, "entrant: 1 to 40 letters, digits, spaces and _ . - in any script, "),
            ({"hyperparameters": {"sagemaker_x": 1}}, "hyperparameters.sagemaker_x: hyperparameters called sagemaker_"),
        ],
    )
    def test_invalid_operator_request_has_clear_message(self, invalid: dict[str, Any], message: str) -> None:
        with pytest.raises(UnusableRequestError) as refused:
            parse_event({"source": "dwell.operator", **invalid})
        assert str(refused.value).startswith(message)

    @pytest.mark.parametrize("unknown", [{}, {"source": "aws.s3"}, {"source": None}, {"Records": []}])
    def test_other_events_raise_error(self, unknown: dict[str, Any]) -> None:
        with pytest.raises(UnknownEventError):
            parse_event(unknown)


def test_hyperparameters_are_validated_without_numpy() -> None:
    # given an interpreter without site-packages, as the function has none of the image's
    program = (
        f"import sys; sys.path.insert(0, {str(FUNCTIONS)!r})\n"
        "from retraining.training_job.algorithms import build_candidates\n"
        "print(len(build_candidates({'xgboost.eta': 0.3}, with_recent=True)))\n"
    )
    # when
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    # then
    assert int(done.stdout) >= 3
