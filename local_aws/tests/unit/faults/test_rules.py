"""The rules of a fault campaign: who is hit, how often, and always the same for the same seed."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import Any

import botocore.session
import pytest
from botocore.parsers import create_parser
from hypothesis import given
from hypothesis import strategies as st

from local_aws.faults import injection as faults
from local_aws.faults.responses import refusal
from local_aws.faults.rules import FAULTS, Rule, Rules, read

FORWARDER = "shop-ForwarderRole-1A2B"


def hits(rules: Rules, calls: int, caller: str = FORWARDER, action: str = "kinesis:PutRecords") -> list[str | None]:
    chosen = [rules.choose(caller, action) for _ in range(calls)]
    return [None if one is None else one.fault for one in chosen]


def test_only_the_named_caller_and_action_are_hit() -> None:
    rules = Rules((Rule("*ForwarderRole*", "kinesis:*", "failed"),))
    assert hits(rules, 2) == ["failed", "failed"]
    assert hits(rules, 1, caller="shop-ValidatorRole-3C") == [None]
    assert hits(rules, 1, action="s3:PutObject") == [None]


@given(seed=st.integers(0, 1_000), rate=st.floats(0, 1))
def test_the_same_seed_hits_the_same_calls(seed: int, rate: float) -> None:
    rule = Rule("*", "*", "reset", rate)
    assert hits(Rules((rule,), seed), 50) == hits(Rules((rule,), seed), 50)


@given(st.lists(st.sampled_from(["kinesis:PutRecords", "other"]), max_size=30))
def test_calls_of_others_do_not_change_what_is_hit(others: list[str]) -> None:
    alone = Rules((Rule("*", "kinesis:PutRecords", "reset", 0.5),), 1)
    among = Rules((Rule("*", "kinesis:PutRecords", "reset", 0.5),), 1)
    for action in others:
        if action == "other":
            among.choose(FORWARDER, action)
    assert hits(alone, 20) == hits(among, 20)


def test_hits_can_be_limited_and_the_first_rule_to_hit_wins() -> None:
    rules = Rules((Rule("*", "*", "reset", at_most=2), Rule("*", "*", "failed")))
    assert hits(rules, 4) == ["reset", "reset", "failed", "failed"]


def test_the_share_of_hits_is_the_rate() -> None:
    rules = Rules((Rule("*", "*", "reset", 0.25),), 7)
    found = hits(rules, 4_000)
    assert 0.2 < found.count("reset") / len(found) < 0.3


def test_the_report_counts_calls_and_hits() -> None:
    rules = Rules((Rule("*F*", "*", "reset", at_most=1), Rule("*F*", "*", "failed", at_most=1)))
    hits(rules, 5)
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
def test_what_is_no_rule_is_refused(entry: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"no fault|no share|not a rule"):
        read({"rules": [entry]})


def test_faults_are_off_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(faults.VARIABLE, raising=False)
    faults.install()  # touches nothing: the emulator's own names are not even there


# --- answers, as botocore reads them ----------------------------------------------------------------------------------

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
def test_a_refusal_is_read_as_the_services_own(service: str, fault: str) -> None:
    protocol, operation, headers = PROTOCOLS[service]
    status, answered, body = refusal(fault, service, headers)
    shape = botocore.session.get_session().get_service_model(service).operation_model(operation).output_shape
    assert shape is not None
    read_back = create_parser(protocol).parse(
        {"status_code": status, "headers": {name.lower(): value for name, value in answered.items()}, "body": body},
        shape,
    )
    code = read_back["Error"]["Code"]
    expected = {"failed": "Internal|ServiceException", "unavailable": "Unavailable", "denied": "AccessDenied"}
    wanted = expected.get(fault, "Throttling|SlowDown|TooManyRequests|Throughput").split("|")
    assert any(word in code for word in wanted), code
    assert status >= 400


def test_a_models_own_failure_says_which_status_it_had() -> None:
    status, _, body = refusal("model_failed", "sagemaker-runtime", {"content-type": "text/csv"})
    assert status == 424
    assert json.loads(body)["OriginalStatusCode"] == 500


def test_s3_answers_in_xml() -> None:
    _, _, body = refusal("denied", "s3", {})
    assert ET.fromstring(body).findtext("Code") == "AccessDenied"  # noqa: S314 (our own)


def test_every_fault_is_known() -> None:
    assert {"answer_lost", "killed_after", "partly_refused", "twice"} <= FAULTS
