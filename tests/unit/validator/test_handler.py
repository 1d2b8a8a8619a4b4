"""The validator's handler: results, quarantine, metrics and logs."""

from __future__ import annotations

import importlib
import io
import json
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from aws_lambda_powertools import Logger
from botocore.stub import Stubber

from tests.unit.validator.factories import make_firehose_event
from validator import quarantine
from validator.batch_metrics import MAX_MODELS_PER_ENVIRONMENT
from validator.quarantine import build_object
from validator.transform import transform

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from tests.unit.conftest import Context, Metrics
    from tests.unit.validator.factories import ReadEvent


class UnavailableError(RuntimeError):
    """Raised by ``FakeBucket``."""


@dataclass
class FakeBucket:
    """A bucket that stores objects by key, or fails if it is not available."""

    objects: dict[str, bytes] = field(default_factory=dict)
    available: bool = True

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> None:  # noqa: N803 - boto3's names
        if not self.available:
            raise UnavailableError
        assert (Bucket, ContentType) == ("data", "application/x-ndjson")
        self.objects[Key] = Body


@pytest.fixture
def validator(lambda_environment: pytest.MonkeyPatch) -> ModuleType:
    lambda_environment.setenv("BUCKET_NAME", "data")
    lambda_environment.delitem(sys.modules, "validator.handler", raising=False)
    return importlib.import_module("validator.handler")


@pytest.fixture
def bucket(validator: ModuleType, monkeypatch: pytest.MonkeyPatch) -> FakeBucket:
    bucket = FakeBucket()
    monkeypatch.setattr(quarantine, "get_client", lambda: bucket)
    return bucket


@pytest.mark.usefixtures("robots")
def test_valid_batch_writes_no_quarantine_object(
    validator: ModuleType, bucket: FakeBucket, event: ReadEvent, context: Context, published: Callable[[], Metrics]
) -> None:
    result = validator.handler(event("firehose-packed"), context)

    assert json.loads(result) == {"records": transform(event("firehose-packed")).results}
    assert bucket.objects == {}
    squared = (14_350 - 14_100.5) ** 2 + (9_120 - 10_450) ** 2
    live_error = {"PredictedSamples": 2, "SquaredError": squared, "ExpectedSquaredError": 2 * 1_830.25**2}
    model = frozenset({("model", "xgboost-20261122T181500Z")})
    assert published() == pytest.approx(
        {
            (frozenset(), "AcceptedSamples"): 4,
            (frozenset(), "RefusedSamples"): 0,
            **{(frozenset(), name): value for name, value in live_error.items()},
            **{(model, name): value for name, value in live_error.items()},
        }
    )


@pytest.mark.usefixtures("robots")
def test_rejected_lines_are_stored_and_counted_by_reason(
    validator: ModuleType, bucket: FakeBucket, event: ReadEvent, context: Context, published: Callable[[], Metrics]
) -> None:
    validator.handler(event("firehose-broken"), context)

    ((key, body),) = bucket.objects.items()
    assert key.startswith("quarantine/date=2026-11-23/hour=06/")
    reasons = [json.loads(line)["reason"] for line in body.splitlines()]
    metrics = published()
    assert metrics[frozenset(), "RefusedSamples"] == len(reasons) == 13
    assert metrics[frozenset(), "AcceptedSamples"] == 2
    by_reason = {
        reason: count for (dims, name), count in metrics.items() if name == "RefusedSamples" for _, reason in dims
    }
    assert by_reason == {reason: reasons.count(reason) for reason in reasons}


@pytest.mark.usefixtures("robots")
def test_repeated_batch_overwrites_its_quarantine_object(
    validator: ModuleType, bucket: FakeBucket, event: ReadEvent, context: Context
) -> None:
    first = validator.handler(event("firehose-broken"), context)
    second = validator.handler(event("firehose-broken"), context)

    assert first == second
    assert len(bucket.objects) == 1


@pytest.mark.usefixtures("robots")
def test_failed_quarantine_write_fails_batch_without_metrics(
    validator: ModuleType, bucket: FakeBucket, event: ReadEvent, context: Context, published: Callable[[], Metrics]
) -> None:
    bucket.available = False

    with pytest.raises(UnavailableError):
        validator.handler(event("firehose-broken"), context)

    assert published() == {}


@pytest.mark.usefixtures("robots")
def test_request_matches_s3_api(validator: ModuleType, event: ReadEvent, context: Context) -> None:
    key, body = build_object(transform(event("firehose-broken")).rejected)
    expected = {"Bucket": "data", "Key": key, "Body": body, "ContentType": "application/x-ndjson"}
    with Stubber(quarantine.get_client()) as stubber:
        stubber.add_response("put_object", {}, expected)

        validator.handler(event("firehose-broken"), context)

        stubber.assert_no_pending_responses()


@pytest.mark.usefixtures("robots")
def test_batch_logs_one_metric_line_per_model_and_reason(
    validator: ModuleType, bucket: FakeBucket, event: ReadEvent, context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = event("firehose-broken")
    validator.handler(sent, context)

    metrics = [line for line in capsys.readouterr().out.splitlines() if "_aws" in json.loads(line)]
    reasons = {line.error.reason for line in transform(sent).rejected}
    assert len(metrics) == 1 + 1 + len(reasons)


@pytest.mark.usefixtures("robots")
def test_published_models_are_limited_per_environment(
    validator: ModuleType, bucket: FakeBucket, event: ReadEvent, context: Context, published: Callable[[], Metrics]
) -> None:
    sample = json.loads(event("sns-single")["Records"][0]["Sns"]["Message"])
    for number in range(MAX_MODELS_PER_ENVIRONMENT + 10):
        sample["prediction"]["model"] = f"invented-{number}"
        validator.handler(make_firehose_event(json.dumps(sample).encode()), context)

    metrics = published()
    models = {dims for dims, name in metrics if dims and name == "PredictedSamples"}
    assert len(models) == MAX_MODELS_PER_ENVIRONMENT
    assert metrics[frozenset(), "PredictedSamples"] == MAX_MODELS_PER_ENVIRONMENT + 10


@pytest.mark.usefixtures("robots")
def test_log_contains_counts_and_no_payload(
    validator: ModuleType, bucket: FakeBucket, event: ReadEvent, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = io.StringIO()
    monkeypatch.setattr(validator, "logger", Logger(service="validator-log", stream=log))

    validator.handler(event("firehose-broken"), context)

    assert '"accepted":2' in log.getvalue()
    assert "robot-0017" not in log.getvalue()
