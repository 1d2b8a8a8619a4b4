"""The benchmarks: what is compared does the same work, what is counted is billed right, and a goal is met or not."""

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
from benchmarks.measure import Row, entry, figure, in_turns, meets, over
from benchmarks.page import page
from benchmarks.prices import Counted, dollars_per_million
from feature_schema import FEATURES, TARGET
from validator.transform import transform

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from tests.unit.conftest import Context

# --- baselines do the same work --------------------------------------------------------------------------------


def test_the_samples_are_all_good_and_packed_as_told() -> None:
    of = samples.lines(200)
    batch = transform(samples.firehose(samples.messages(of, 80)))

    assert (len(batch.accepted), batch.rejected) == (200, [])
    assert [message.count(b"\n") + 1 for message in samples.messages(of, 80)] == [80, 80, 40]


def test_the_baseline_answers_good_samples_as_the_validator_does() -> None:
    batch = samples.firehose(samples.lines(100))
    assert baseline.handler(batch, None)["records"] == transform(batch).results


@pytest.mark.parametrize("echo", [None, "absent", {"expected_error": None, "model": None, "source": "fallback"}])
def test_the_baseline_answers_other_echoes_as_the_validator_does(echo: Any) -> None:
    sample = json.loads(samples.lines(1)[0])
    if echo == "absent":
        del sample["prediction"]
    else:
        sample["prediction"] = echo and sample["prediction"] | echo
    batch = samples.firehose([json.dumps(sample).encode()])
    assert baseline.handler(batch, None)["records"] == transform(batch).results


@pytest.mark.usefixtures("robots")
def test_the_baseline_refuses_what_the_validator_refuses(event: Callable[[str], dict[str, Any]]) -> None:
    lines = [
        line
        for record in event("firehose-broken")["records"]
        for line in base64.b64decode(record["data"]).split(b"\n")
        if line.strip()[:1] == b"{"
    ]
    batch = samples.firehose([*lines, *samples.lines(1)])
    batch["records"][-1]["approximateArrivalTimestamp"] = samples.ARRIVED

    ours = [answer["result"] == "Ok" for answer in transform(batch).results]
    theirs = [answer["result"] == "Ok" for answer in baseline.handler(batch, None)["records"]]

    reasons = [refused.error.reason for refused in transform(batch).rejected]
    assert len(set(reasons)) > 6
    twice = [
        lines[int(one.message_id[-12:])] for one in transform(batch).rejected if one.error.reason == "duplicate_key"
    ]
    assert [our for our, line in zip(ours, [*lines, b""], strict=True) if line not in twice] == [
        their for their, line in zip(theirs, [*lines, b""], strict=True) if line not in twice
    ]


@pytest.fixture
def workshop(lambda_environment: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    lambda_environment.setenv("STREAM_NAME", "samples")
    lambda_environment.setenv("ENDPOINT_NAME", "endpoint")

    def load(name: str) -> ModuleType:
        lambda_environment.delitem(sys.modules, f"benchmarks.baselines.{name}", raising=False)
        return importlib.import_module(f"benchmarks.baselines.{name}")

    return load


def test_the_workshops_forwarder_puts_the_message_as_it_came(
    workshop: Callable[[str], ModuleType], event: Callable[[str], dict[str, Any]], context: Context
) -> None:
    forwarder, sent = workshop("forwarder"), event("sns-workshop-row")
    message = sent["Records"][0]["Sns"]["Message"].encode()
    with Stubber(forwarder.firehose) as stubber:
        stubber.add_response(
            "put_record", {"RecordId": "1"}, {"DeliveryStreamName": "samples", "Record": {"Data": message}}
        )
        assert forwarder.handler(sent, context) == {"RecordId": "1"}
        stubber.assert_no_pending_responses()


def test_the_workshops_inference_passes_numbers_on_and_the_answer_back(
    workshop: Callable[[str], ModuleType], event: Callable[[str], dict[str, Any]], context: Context
) -> None:
    inference, sent = workshop("inference"), event("api-liveinference")
    asked = {
        "EndpointName": "endpoint", "ContentType": "text/csv", "Body": sent["queryStringParameters"]["features"],
    }  # fmt: skip
    with Stubber(inference.runtime) as stubber:
        body = io.BytesIO(b"14100.5")
        stubber.add_response("invoke_endpoint", {"Body": StreamingBody(body, 7)}, asked)
        assert inference.handler(sent, context) == {"statusCode": 200, "body": "14100.5"}
        stubber.assert_no_pending_responses()


# --- bills -----------------------------------------------------------------------------------------------------


def test_the_workshops_path_costs_what_its_calls_cost() -> None:
    """Each sample is a publish, an invocation and a record of Firehose, which counts as 5 KB."""
    counted = Counted(samples=10, publishes=[300] * 10, invocations=10, gb_seconds=0.0, delivered_records=[300] * 10)

    bill = dollars_per_million(counted)

    assert bill["sns"] == pytest.approx(0.50)
    assert bill["lambda"] == pytest.approx(0.20)
    assert bill["firehose"] == pytest.approx(5_120 / 1e9 * 1e6 * 0.029)
    assert (bill["kinesis"], bill["s3"], bill["logs"]) == (0, 0, 0)


def test_packed_samples_share_their_calls() -> None:
    size = 40_000
    counted = Counted(
        samples=80, publishes=[size], invocations=2, gb_seconds=0.01, stream_records=[size], delivered_records=[size],
        objects=1, log_events=4, log_bytes=1_000,
    )  # fmt: skip

    bill = dollars_per_million(counted)

    millions = 1e6 / 80
    assert bill["sns"] == pytest.approx(0.50 / 80)
    assert bill["lambda"] == pytest.approx((2 * 0.20 / 1e6 + 0.01 * 0.0000133334) * millions)
    assert bill["kinesis"] == pytest.approx((2 * 0.014 / 1e6 + size / 1_000_000 / 3_600 * 0.015) * millions)
    assert bill["firehose"] == pytest.approx(8 * 5_120 / 1e9 * 0.029 * millions)
    assert bill["s3"] == pytest.approx(0.005 / 1_000 * millions)
    assert bill["logs"] == pytest.approx((1_000 + 4 * 26) / 1e9 * 0.50 * millions)


def test_a_message_over_64_kilobytes_is_more_than_one_publish() -> None:
    counted = Counted(samples=1, publishes=[65_537], invocations=0, gb_seconds=0.0)
    assert dollars_per_million(counted)["sns"] == pytest.approx(1.00)


# --- the report ------------------------------------------------------------------------------------------------


def test_both_sides_are_measured_in_turns_and_the_first_turn_does_not_count() -> None:
    order: list[str] = []

    def side(name: str, value: float) -> Callable[[], float]:
        return lambda: order.append(name) or value  # type: ignore[func-returns-value]

    turns = in_turns(side("ours", 2.0), side("theirs", 6.0), repeats=3)

    assert order == ["ours", "theirs"] * 4
    assert over(turns, 1, 0) == [3.0] * 3


@pytest.mark.parametrize(
    ("ratio", "goal", "met"), [(9, ">= 9", True), (8.9, ">= 9", False), (0.5, "<= 0.5", True), (0.51, "<= 0.5", False)]
)
def test_a_goal_is_met_or_not(ratio: float, goal: str, met: bool) -> None:
    assert meets(ratio, goal) is met


def test_an_entry_has_the_median_and_the_middle_half() -> None:
    row = Row("speed", ">= 2", "x slow", list)
    assert entry(row, [1.0, 2.0, 3.0, 4.0, 100.0]) == {
        "ratio": 3.0, "goal": ">= 2", "low": 1.5, "high": 52.0, "unit": "x slow",
    }  # fmt: skip
    assert entry(row, [7.0])["low"] == 7.0


@pytest.mark.parametrize(("value", "read"), [(1.0046, "1.00"), (0.0232, "0.0232"), (9.996, "10.0"), (1573.4, "1,573")])
def test_figures_have_three_digits(value: float, read: str) -> None:
    assert figure(value) == read


def test_the_page_shows_every_row() -> None:
    row = Row("speed", ">= 2", "x <slow>", list)
    text = page({"speed": entry(row, [3.0])})
    assert "<td>speed</td><td>3.00</td>" in text
    assert "x &lt;slow&gt;" in text


def test_samples_stay_within_the_schema() -> None:
    for line in samples.lines(50):
        sample = json.loads(line)
        assert all(one.minimum <= sample["features"][one.name] <= one.maximum for one in FEATURES)
        assert TARGET.minimum <= sample["prediction"][TARGET.name] <= TARGET.maximum
