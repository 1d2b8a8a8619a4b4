"""Rules select the calls that fail: by caller, action, rate and seed."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import Any

import botocore.session
import pytest
from botocore.parsers import create_parser
from hypothesis import given
from hypothesis import strategies as st

from local_aws.faults import injection
from local_aws.faults.responses import error_response
from local_aws.faults.rules import FAULTS, Rule, Rules, parse_rules

FORWARDER = "shop-ForwarderRole-1A2B"


def faults_of(
    rules: Rules, calls: int, caller: str = FORWARDER, action: str = "kinesis:PutRecords"
) -> list[str | None]:
    selected = [rules.choose(caller, action) for _ in range(calls)]
    return [None if rule is None else rule.fault for rule in selected]


def test_rule_applies_to_its_caller_and_action_only() -> None:
    rules = Rules((Rule("*ForwarderRole*", "kinesis:*", "failed"),))
    assert faults_of(rules, 2) == ["failed", "failed"]
    assert faults_of(rules, 1, caller="shop-ValidatorRole-3C") == [None]
    assert faults_of(rules, 1, action="s3:PutObject") == [None]


@given(seed=st.integers(0, 1_000), rate=st.floats(0, 1))
def test_same_seed_selects_same_calls(seed: int, rate: float) -> None:
    rule = Rule("*", "*", "reset", rate)
    assert faults_of(Rules((rule,), seed), 50) == faults_of(Rules((rule,), seed), 50)


@given(st.lists(st.sampled_from(["kinesis:PutRecords", "other"]), max_size=30))
def test_other_calls_do_not_change_the_selection(others: list[str]) -> None:
    alone = Rules((Rule("*", "kinesis:PutRecords", "reset", 0.5),), 1)
    among = Rules((Rule("*", "kinesis:PutRecords", "reset", 0.5),), 1)
    for action in others:
        if action == "other":
            among.choose(FORWARDER, action)
    assert faults_of(alone, 20) == faults_of(among, 20)


def test_limited_rule_ends_and_next_rule_applies() -> None:
    rules = Rules((Rule("*", "*", "reset", at_most=2), Rule("*", "*", "failed")))
    assert faults_of(rules, 4) == ["reset", "reset", "failed", "failed"]


def test_share_of_faults_is_the_rate() -> None:
    rules = Rules((Rule("*", "*", "reset", 0.25),), 7)
    faults_ = faults_of(rules, 4_000)
    assert 0.2 < faults_.count("reset") / len(faults_) < 0.3


def test_report_counts_calls_and_faults() -> None:
    rules = Rules((Rule("*F*", "*", "reset", at_most=1), Rule("*F*", "*", "failed", at_most=1)))
    faults_of(rules, 5)
    assert rules.report() == {
        "calls": [{"caller": "*F*", "action": "kinesis:PutRecords", "count": 5}],
        "injected": [
            {"caller": "*F*", "action": "kinesis:PutRecords", "fault": "failed", "count": 1},
            {"caller": "*F*", "action": "kinesis:PutRecords", "fault": "reset", "count": 1},
        ],
    }


@pytest.mark.parametrize(
    "entry",
    [
        {"caller": "*", "action": "*", "fault": "meteor"},
        {"caller": "*", "action": "*", "fault": "reset", "rate": 2},
        {"caller": "*", "action": "*"},
        {"caller": "*", "action": "*", "fault": "reset", "colour": "red"},
    ],
)
def test_invalid_rule_is_refused(entry: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"is not a fault|between 0 and 1|invalid rule"):
        parse_rules({"rules": [entry]})


def test_faults_are_off_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(injection.VARIABLE, raising=False)
    injection.install()  # ministack is not installed here: any look-up would fail


# --- responses, as botocore parses them -------------------------------------------------------------------------------

PROTOCOLS = {
    "kinesis": ("json", "PutRecords", {"content-type": "application/x-amz-json-1.1"}),
    "dynamodb": ("json", "PutItem", {"content-type": "application/x-amz-json-1.0"}),
    "sagemaker": ("json", "CreateModel", {"content-type": "application/x-amz-json-1.1"}),
    "lambda": ("rest-json", "Invoke", {}),
    "sagemaker-runtime": ("rest-json", "InvokeEndpoint", {"content-type": "text/csv"}),
    "s3": ("rest-xml", "PutObject", {}),
    "cloudwatch": ("query", "GetMetricData", {"content-type": "application/x-www-form-urlencoded"}),
}


@pytest.mark.parametrize("service", PROTOCOLS)
@pytest.mark.parametrize("fault", ["throttled", "failed", "unavailable", "denied"])
def test_error_response_has_format_of_its_service(service: str, fault: str) -> None:
    protocol, operation, headers = PROTOCOLS[service]
    status, response_headers, body = error_response(fault, service, headers)
    shape = botocore.session.get_session().get_service_model(service).operation_model(operation).output_shape
    assert shape is not None
    parsed = create_parser(protocol).parse(
        {
            "status_code": status,
            "headers": {name.lower(): value for name, value in response_headers.items()},
            "body": body,
        },
        shape,
    )
    code = parsed["Error"]["Code"]
    expected = {"failed": "Internal|ServiceException", "unavailable": "Unavailable", "denied": "AccessDenied"}
    words = expected.get(fault, "Throttling|SlowDown|TooManyRequests|Throughput").split("|")
    assert any(word in code for word in words), code
    assert status >= 400


def test_model_error_contains_original_status() -> None:
    status, _, body = error_response("model_failed", "sagemaker-runtime", {"content-type": "text/csv"})
    assert status == 424
    assert json.loads(body)["OriginalStatusCode"] == 500


def test_s3_error_is_xml() -> None:
    _, _, body = error_response("denied", "s3", {})
    assert ET.fromstring(body).findtext("Code") == "AccessDenied"  # noqa: S314 (this module's own XML)


def test_faults_contain_every_kind() -> None:
    assert {"answer_lost", "killed_after", "partly_refused", "twice"} <= FAULTS
