"""The baselines do the same work as what they are compared with."""

from __future__ import annotations

import base64
import importlib
import io
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from benchmarks import samples
from benchmarks.baselines import transform as baseline
from validator.transform import transform

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from tests.unit.conftest import Context

    ReadEvent = Callable[[str], dict[str, Any]]
    LoadBaseline = Callable[[str], ModuleType]


def test_the_transform_returns_the_validators_rows() -> None:
    batch = samples.build_firehose_event(samples.build_lines(100))
    assert baseline.handler(batch, None)["records"] == transform(batch).results


@pytest.mark.parametrize(
    "echo",
    [
        None,
        "absent",
        {"expected_error": None, "model": None, "source": "fallback"},
        {"asked_at": None},
        {"asked_at": "2026-11-23T08:38:40.5+02:00"},
    ],
)
def test_the_transform_returns_the_validators_rows_for_any_echo(echo: Any) -> None:
    sample = json.loads(samples.build_lines(1)[0])
    if echo == "absent":
        del sample["prediction"]
    else:
        sample["prediction"] = echo and sample["prediction"] | echo
    batch = samples.build_firehose_event([json.dumps(sample).encode()])
    assert baseline.handler(batch, None)["records"] == transform(batch).results


@pytest.mark.usefixtures("robots")
def test_the_transform_rejects_what_the_validator_rejects(event: ReadEvent) -> None:
    # given every JSON line of the broken batch, one per record, and a valid one
    lines = [
        line
        for record in event("firehose-broken")["records"]
        for line in base64.b64decode(record["data"]).split(b"\n")
        if line.strip()[:1] == b"{"
    ]
    batch = samples.build_firehose_event([*lines, *samples.build_lines(1)])
    batch["records"][-1]["approximateArrivalTimestamp"] = samples.ARRIVED_AT_MS
    # when both transform it
    validated = transform(batch)
    ours = [result["result"] == "Ok" for result in validated.results]
    theirs = [result["result"] == "Ok" for result in baseline.handler(batch, None)["records"]]
    # then they agree, except on duplicate keys, which json.loads does not detect
    assert len({rejected.error.reason for rejected in validated.rejected}) > 6
    duplicates = [
        lines[int(rejected.message_id[-12:])]
        for rejected in validated.rejected
        if rejected.error.reason == "duplicate_key"
    ]
    compared = [line not in duplicates for line in [*lines, b""]]
    assert [result for result, is_compared in zip(ours, compared, strict=True) if is_compared] == [
        result for result, is_compared in zip(theirs, compared, strict=True) if is_compared
    ]


@pytest.fixture
def load_baseline(lambda_environment: pytest.MonkeyPatch) -> LoadBaseline:
    """Imports a module of the workshop's functions anew."""
    lambda_environment.setenv("STREAM_NAME", "samples")
    lambda_environment.setenv("ENDPOINT_NAME", "endpoint")

    def load(name: str) -> ModuleType:
        lambda_environment.delitem(sys.modules, f"benchmarks.baselines.{name}", raising=False)
        return importlib.import_module(f"benchmarks.baselines.{name}")

    return load


def test_the_workshops_forwarder_puts_the_message_unchanged(
    load_baseline: LoadBaseline, event: ReadEvent, context: Context
) -> None:
    forwarder, sns_event = load_baseline("forwarder"), event("sns-workshop-row")
    message = sns_event["Records"][0]["Sns"]["Message"].encode()
    with Stubber(forwarder.firehose) as stubber:
        stubber.add_response(
            "put_record", {"RecordId": "1"}, {"DeliveryStreamName": "samples", "Record": {"Data": message}}
        )
        assert forwarder.handler(sns_event, context) == {"RecordId": "1"}
        stubber.assert_no_pending_responses()


def test_the_workshops_inference_returns_the_endpoints_text(
    load_baseline: LoadBaseline, event: ReadEvent, context: Context
) -> None:
    inference, api_event = load_baseline("inference"), event("api-liveinference")
    request = {
        "EndpointName": "endpoint",
        "ContentType": "text/csv",
        "Body": api_event["queryStringParameters"]["features"],
    }
    with Stubber(inference.runtime) as stubber:
        body = io.BytesIO(b"14100.5")
        stubber.add_response("invoke_endpoint", {"Body": StreamingBody(body, 7)}, request)
        assert inference.handler(api_event, context) == {"statusCode": 200, "body": "14100.5"}
        stubber.assert_no_pending_responses()
