"""Causes: the same event always asks for the same round, and a breach keeps its beginning."""

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
FIRST_BREACH = datetime(2026, 11, 23, 6, 28, tzinfo=UTC)


def alarm_cause(event: dict[str, Any]) -> Trigger | None:
    parsed = parse_event(event)
    assert isinstance(parsed, AlarmEvent)
    return from_alarm(parsed, stack=STACK, alarms=ALARMS)


class TestAlarm:
    def test_a_model_error_asks_for_a_round_with_a_recent_part(self, event: Callable[[str], dict[str, Any]]) -> None:
        trigger = alarm_cause(event("alarm-model-error"))
        assert trigger is not None
        assert (trigger.cause, trigger.kind, trigger.alarm) == ("model-error", "alarm", "dwell-ModelError")
        assert trigger.round_name == "20261123T063900Z-model-error"
        assert trigger.decision_name == "2026-11-23T06:39:00.412Z#dwell-ModelError@2026-11-23T06:39:00.412Z"
        assert trigger.drift_start == FIRST_BREACH

    def test_no_model_asks_for_a_round_on_everything(self, event: Callable[[str], dict[str, Any]]) -> None:
        trigger = alarm_cause(event("alarm-no-model"))
        assert trigger is not None
        assert trigger.round_name == "20261123T051100Z-no-model"
        assert trigger.drift_start is None

    @pytest.mark.parametrize("state", ["OK", "INSUFFICIENT_DATA"])
    def test_only_the_alarm_state_asks(self, state: str, event: Callable[[str], dict[str, Any]]) -> None:
        given_event = event("alarm-model-error")
        given_event["alarmData"]["state"]["value"] = state
        assert alarm_cause(given_event) is None

    def test_an_alarm_of_somebody_else_is_an_error(self, event: Callable[[str], dict[str, Any]]) -> None:
        given_event = event("alarm-model-error")
        given_event["alarmData"]["alarmName"] = "other-ModelError"
        with pytest.raises(UnknownEventError, match="other-ModelError"):
            alarm_cause(given_event)

    def test_an_alarm_without_data_falls_back_to_its_periods(self, event: Callable[[str], dict[str, Any]]) -> None:
        given_event = event("alarm-model-error")
        del given_event["alarmData"]["state"]["reasonData"]
        trigger = alarm_cause(given_event)
        assert trigger is not None
        assert trigger.drift_start == CHANGED - timedelta(seconds=300)
        del given_event["alarmData"]["configuration"]
        bare = alarm_cause(given_event)
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
    def test_a_cause_is_named_after_its_alarm(self, alarm: str, name: str) -> None:
        assert alarm_to_cause("dwell", alarm) == name


class TestBreach:
    def data(self, **changes: Any) -> str:
        known = {
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
        return json.dumps({name: value for name, value in {**known, **changes}.items() if value is not None})

    @pytest.mark.parametrize(
        ("changes", "began"),
        [
            ({}, FIRST_BREACH),
            ({"evaluatedDatapoints": None}, FIRST_BREACH - timedelta(minutes=5)),
            ({"threshold": None}, FIRST_BREACH - timedelta(minutes=5)),
            ({"evaluatedDatapoints": None, "startDate": None}, CHANGED - timedelta(minutes=15)),
            (
                {"evaluatedDatapoints": None, "startDate": None, "recentDatapoints": None},
                CHANGED - timedelta(minutes=5),
            ),
            ({"evaluatedDatapoints": None, "startDate": None, "period": None}, CHANGED - timedelta(minutes=20)),
            ({"evaluatedDatapoints": "rubbish"}, CHANGED - timedelta(minutes=20)),
        ],
    )
    def test_what_the_data_leaves_out_is_filled_in(self, changes: dict[str, Any], began: datetime) -> None:
        assert find_breach_start(self.data(**changes), CHANGED, evaluation_window=timedelta(minutes=20)) == began

    @pytest.mark.parametrize("data", [None, "", "not JSON", "[]", "null", '{"version": "1.0"}'])
    def test_without_data_the_evaluated_time_counts_back(self, data: str | None) -> None:
        assert find_breach_start(data, CHANGED, evaluation_window=timedelta(minutes=20)) == CHANGED - timedelta(
            minutes=20
        )

    @given(st.text())
    def test_no_text_breaks_it(self, data: str) -> None:
        assert find_breach_start(data, CHANGED, evaluation_window=timedelta(0)) <= CHANGED

    def test_data_of_a_later_evaluation_does_not_move_the_beginning(self) -> None:
        later = self.data(
            startDate="2026-11-23T07:23:00.000+0000",
            evaluatedDatapoints=[{"timestamp": "2026-11-23T07:28:00.000+0000", "value": 1.9}],
        )
        assert find_breach_start(later, CHANGED, evaluation_window=timedelta(0)) == CHANGED - timedelta(minutes=15)


class TestLook:
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

    def test_only_alarms_in_alarm_ask_in_their_order(self) -> None:
        found = self.triggers(
            [
                self.alarm("dwell-NoModel", "ALARM"),
                self.alarm("dwell-ModelError", "ALARM"),
                self.alarm("dwell-NoSamples", "ALARM"),
            ]
        )
        assert [trigger.round_name for trigger in found] == [
            "20261123T070000Z-model-error",
            "20261123T070000Z-no-model",
        ]
        assert {trigger.kind for trigger in found} == {"schedule"}
        assert len({trigger.decision_name for trigger in found}) == 2
        assert self.triggers([self.alarm("dwell-ModelError", "OK")]) == []

    def test_the_breach_begins_where_the_alarms_own_event_says(self, event: Callable[[str], dict[str, Any]]) -> None:
        own = alarm_cause(event("alarm-model-error"))
        (looked,) = self.triggers([self.alarm("dwell-ModelError", "ALARM", event("alarm-model-error"))])
        assert own is not None
        assert looked.drift_start == own.drift_start

    def test_without_data_the_alarms_evaluation_counts_back(self) -> None:
        (looked,) = self.triggers([self.alarm("dwell-ModelError", "ALARM")])
        assert looked.drift_start == CHANGED - timedelta(minutes=10)

    def test_a_later_update_of_the_state_does_not_move_the_beginning(self) -> None:
        updated = self.alarm("dwell-ModelError", "ALARM") | {
            "StateTransitionedTimestamp": CHANGED,
            "StateUpdatedTimestamp": CHANGED + timedelta(minutes=15),
        }
        (looked,) = self.triggers([updated])
        assert looked.drift_start == CHANGED - timedelta(minutes=10)


class TestOthers:
    def test_the_schedule_tells_its_time(self, event: Callable[[str], dict[str, Any]]) -> None:
        parsed = parse_event(event("schedule"))
        assert isinstance(parsed, ScheduleEvent)
        assert parsed.time == TestLook.SCHEDULED

    def test_an_operator_names_the_request(self, event: Callable[[str], dict[str, Any]]) -> None:
        parsed = parse_event(event("retrain-manual"))
        assert isinstance(parsed, OperatorEvent)
        trigger = from_operator(parsed, event_id="operator:try-deeper-trees", received_at=CHANGED)
        assert trigger.round_name == "20261123T063900Z-manual"
        assert trigger.hyperparameters == {"xgboost.max_depth": 8}
        assert trigger.note == parsed.reason

    @pytest.mark.parametrize("name", ["a", "7 dwarves", "Team_A.2-b", "Zoë", "機械 学習", "a" * 40])
    def test_an_entrant_enters_under_a_name_of_any_script(self, name: str) -> None:
        parsed = parse_event({"source": "dwell.operator", "entrant": name})
        assert isinstance(parsed, OperatorEvent)
        assert from_operator(parsed, event_id="operator:e", received_at=CHANGED).entrant == name

    def test_one_name_typed_in_two_ways_is_one_entrant(self) -> None:
        parsed = parse_event({"source": "dwell.operator", "entrant": "Zoe\u0308"})
        assert isinstance(parsed, OperatorEvent)
        assert parsed.entrant == "Zo\u00eb"

    @pytest.mark.parametrize(
        "bad",
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
    def test_a_request_that_breaks_the_contract_is_refused(self, bad: dict[str, Any]) -> None:
        with pytest.raises(UnusableRequestError) as refused:
            parse_event(bad)
        assert "pydantic" not in str(refused.value)

    @pytest.mark.parametrize(
        ("bad", "sentence"),
        [
            ({"entrant": "<b>x</b>"}, "entrant: 1 to 40 letters, digits, spaces and _ . - in any script, "),
            ({"hyperparameters": {"sagemaker_x": 1}}, "hyperparameters.sagemaker_x: hyperparameters called sagemaker_"),
        ],
    )
    def test_a_person_is_told_in_a_sentence(self, bad: dict[str, Any], sentence: str) -> None:
        with pytest.raises(UnusableRequestError) as refused:
            parse_event({"source": "dwell.operator", **bad})
        assert str(refused.value).startswith(sentence)

    @pytest.mark.parametrize("unknown", [{}, {"source": "aws.s3"}, {"source": None}, {"Records": []}])
    def test_other_events_are_errors(self, unknown: dict[str, Any]) -> None:
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
