"""Records of alarms."""

from __future__ import annotations

from local_aws.cloudwatch.alarm_record import create_record
from local_aws.tests.unit.cloudwatch.factories import NOW, alarm


def test_record_from_template_converts_strings() -> None:
    texts = alarm(Period="10", EvaluationPeriods="3", Threshold="1", ActionsEnabled="false")
    arn = "arn:aws:cloudwatch:us-east-1:000000000000:alarm:a"
    record = create_record(arn, texts, None, NOW)
    assert [record[name] for name in ("Period", "EvaluationPeriods", "Threshold", "ActionsEnabled")] == [
        10,
        3,
        1.0,
        False,
    ]
    # and an update keeps the state
    updated = create_record(arn, alarm(Threshold=7), record | {"StateValue": "ALARM"}, NOW + 1)
    assert (updated["StateValue"], updated["Threshold"]) == ("ALARM", 7.0)
