"""Which messages of a batch a function reports as failed.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting
"""

from __future__ import annotations

import json

import pytest

from local_aws.lambda_.queue_mapping import failed_messages

IDS = {"first", "second"}


@pytest.mark.parametrize("response", [None, {}, {"batchItemFailures": None}, {"batchItemFailures": []}, '{"other": 1}'])
def test_failed_messages_of_an_empty_report_are_none(response: object) -> None:
    assert failed_messages(response, IDS) == set()


@pytest.mark.parametrize("is_text", [True, False])
def test_failed_messages_are_those_reported(is_text: bool) -> None:
    report = {"batchItemFailures": [{"itemIdentifier": "second"}]}
    assert failed_messages(json.dumps(report) if is_text else report, IDS) == {"second"}


@pytest.mark.parametrize(
    "response",
    [
        "no JSON",
        ["first"],
        {"batchItemFailures": {}},
        {"batchItemFailures": ["first"]},
        {"batchItemFailures": [{"itemIdentifier": ""}]},
        {"batchItemFailures": [{"itemIdentifier": None}]},
        {"batchItemFailures": [{"itemId": "first"}]},
        {"batchItemFailures": [{"itemIdentifier": "first"}, {"itemIdentifier": "of another batch"}]},
    ],
)
def test_failed_messages_of_a_malformed_report_are_all(response: object) -> None:
    assert failed_messages(response, IDS) == IDS
