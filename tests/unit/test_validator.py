"""The validator: every line of a Firehose batch becomes a row or lies in the quarantine, and is counted once."""

from __future__ import annotations

import base64
import dataclasses
import importlib
import io
import json
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.data_classes import KinesisFirehoseEvent
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st

from feature_schema import FEATURES, ROW_COLUMNS, TARGET, InvalidInputError, derive_csv_sample_id, parse_lines
from tests.factories.samples import field_value, make_csv_row
from validator import batch_metrics, quarantine, transform
from validator.batch_metrics import MAX_MODELS_PER_BATCH, MAX_MODELS_PER_ENVIRONMENT, BatchMetrics, LiveError
from validator.transform import RejectedLine

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from tests.unit.conftest import Context, Metrics

    type ReadEvent = Callable[[str], dict[str, Any]]

ARRIVED = datetime(2026, 11, 23, 6, 39, 0, 789_000, tzinfo=UTC)


def rows(answer: dict[str, str]) -> list[dict[str, str]]:
    """The rows in one answered record, by column."""
    text = base64.b64decode(answer["data"]).decode()
    assert text.endswith("\n")
    return [dict(zip(ROW_COLUMNS, line.split(","), strict=True)) for line in text.splitlines()]


def workshop_row() -> bytes:
    return make_csv_row().encode()


def shortest_row() -> bytes:
    """A row of few characters, filled up with blanks to the length from which a buffer is promised to fit."""
    promised = 26 if all(field.type == "integer" for field in (TARGET, *FEATURES)) else 34
    return ",".join(f"{field_value(field, 0):g}" for field in (TARGET, *FEATURES)).ljust(promised - 1).encode()


def firehose(*messages: bytes) -> dict[str, Any]:
    return {
        "invocationId": "invocation",
        "deliveryStreamArn": "arn:aws:firehose:us-east-1:123456789012:deliverystream/dwell-samples",
        "sourceKinesisStreamArn": "arn:aws:kinesis:us-east-1:123456789012:stream/dwell-samples",
        "region": "us-east-1",
        "records": [
            {
                "recordId": f"record-{number}",
                "approximateArrivalTimestamp": int(ARRIVED.timestamp() * 1000),
                "data": base64.b64encode(message).decode(),
                "kinesisRecordMetadata": {"partitionKey": f"message-{number}"},
            }
            for number, message in enumerate(messages)
        ],
    }


# --- rows ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["firehose-packed", "firehose-broken", "firehose-workshop-rows", "firehose-direct-put"]
)
def test_every_record_is_answered_in_order_and_every_line_accounted_for(event: ReadEvent, name: str) -> None:
    sent = list(KinesisFirehoseEvent(event(name)).records)

    batch = transform.transform(event(name))

    assert [answer["recordId"] for answer in batch.results] == [record.record_id for record in sent]
    for record, answer in zip(sent, batch.results, strict=True):
        message_id = record.record_id if record.metadata is None else record.metadata.partition_key
        lines = len(parse_lines(record.data_as_bytes, message_id=message_id, received_at=ARRIVED))
        refused = [line for line in batch.rejected if line.message_id == message_id]
        good = rows(answer) if answer["result"] == "Ok" else []
        assert len(good) + len(refused) == lines
        assert answer["result"] == ("Ok" if good else "Dropped")
    assert len(batch.accepted) == sum(len(rows(answer)) for answer in batch.results if answer["result"] == "Ok")


@pytest.mark.usefixtures("robots")
def test_the_message_that_sns_delivered_becomes_rows_with_what_the_robots_echoed(event: ReadEvent) -> None:
    message = event("sns-packed")["Records"][0]["Sns"]["Message"]

    (answer,) = transform.transform(event("firehose-packed")).results

    sent = [json.loads(line) for line in message.splitlines()]
    assert [cells["sample_id"] for cells in rows(answer)] == [sample["sample_id"] for sample in sent]
    assert [cells["predicted"] for cells in rows(answer)] == ["14100.5", "10450.0", "22000.0", ""]
    assert [cells["model"] for cells in rows(answer)] == ["xgboost-20261122T181500Z"] * 2 + ["", ""]


@pytest.mark.usefixtures("robots")
def test_workshop_rows_get_ids_from_their_message_and_the_time_of_arrival(event: ReadEvent) -> None:
    single, packed = transform.transform(event("firehose-workshop-rows")).results

    row_id, packed_id = "7c1d0f52-6a3b-5b0e-9f0e-3a9c5a1f77d2", "95df01b4-ee98-5cb9-9903-4c221d41eb5e"
    assert [cells["sample_id"] for cells in rows(single)] == [derive_csv_sample_id(row_id, 0)]
    assert [cells["sample_id"] for cells in rows(packed)] == [
        derive_csv_sample_id(packed_id, position) for position in (0, 1)
    ]
    assert rows(single)[0]["recorded_at"] == "2026-11-23T06:39:00.789Z"


def test_a_record_put_directly_is_known_by_its_own_id(event: ReadEvent) -> None:
    sent = event("firehose-direct-put")
    sent["records"][0]["data"] = base64.b64encode(workshop_row() + b"\nbroken").decode()

    batch = transform.transform(sent)

    record_id = sent["records"][0]["recordId"]
    assert [cells["sample_id"] for cells in rows(batch.results[0])] == [derive_csv_sample_id(record_id, 0)]
    assert [(line.message_id, line.position) for line in batch.rejected] == [(record_id, 1)]


@pytest.mark.usefixtures("robots")
def test_broken_lines_are_refused_with_reason_and_place_and_the_good_one_beside_them_is_kept(event: ReadEvent) -> None:
    batch = transform.transform(event("firehose-broken"))

    weight, fullness, length = FEATURES[5].name, FEATURES[10].name, FEATURES[1].name
    assert [(line.error.reason, line.position) for line in batch.rejected] == [
        ("malformed", 1),
        (f"missing:{weight}", 2),
        (f"out_of_range:{fullness}", 3),
        (f"wrong_type:{length}", 4),
        ("unknown_schema_version", 5),
        ("unexpected_field", 6),
        ("in_the_future", 7),
        (f"wrong_type:{TARGET.name}", 8),
        ("duplicate_key", 9),
        ("empty", 10),
        ("malformed", 11),
        ("malformed", 12),
        ("malformed", 0),
    ]
    assert [answer["result"] for answer in batch.results] == ["Ok", "Dropped", "Ok"]
    assert batch.results[1]["data"] == ""


@given(st.lists(st.binary(max_size=60) | st.just(workshop_row()), max_size=5))
def test_any_batch_is_answered_and_accounted_for(messages: list[bytes]) -> None:
    batch = transform.transform(firehose(*messages))

    assert [answer["recordId"] for answer in batch.results] == [f"record-{n}" for n in range(len(messages))]
    stored = sum(len(rows(answer)) for answer in batch.results if answer["result"] == "Ok")
    lines = sum(len(parse_lines(message, message_id="m", received_at=ARRIVED)) for message in messages)
    assert stored == len(batch.accepted)
    assert stored + len(batch.rejected) == lines


def test_records_whose_rows_do_not_fit_into_the_answer_are_left_whole_and_uncounted() -> None:
    # 3 MB of bare rows, the largest buffer that Firehose has, grow to more than an answer may weigh.
    message = b"\n".join([shortest_row()] * 9_000 + [b"broken"])
    sent = firehose(*[message] * 12)

    batch = transform.transform(sent)

    results = [answer["result"] for answer in batch.results]
    kept = results.count("Ok")
    assert 0 < kept < 12
    assert results == ["Ok"] * kept + ["ProcessingFailed"] * batch.overflowed
    assert len(json.dumps({"records": batch.results})) <= transform.MAX_RESPONSE_BYTES
    assert (len(batch.accepted), len(batch.rejected)) == (9_000 * kept, kept)


def test_a_buffer_of_one_megabyte_always_fits() -> None:
    shortest = shortest_row()
    message = b"\n".join([shortest] * (250_000 // (len(shortest) + 1)))

    batch = transform.transform(firehose(*[message] * 4))

    assert batch.overflowed == 0
    assert all(answer["result"] == "Ok" for answer in batch.results)


# --- quarantine ------------------------------------------------------------------------------------------------


def refused_line(line: bytes = b"broken", *, received_at: datetime = ARRIVED, position: int = 0) -> RejectedLine:
    return RejectedLine(
        line, InvalidInputError("malformed", None, "not valid JSON"), "message-1", position, received_at
    )


def test_a_quarantined_line_tells_all_that_is_needed_to_send_it_again() -> None:
    assert json.loads(quarantine.to_json_line(refused_line(b'{"a": "\xc3\xbc"', position=3))) == {
        "reason": "malformed",
        "detail": "not valid JSON",
        "raw": '{"a": "ü"',
        "message_id": "message-1",
        "position": 3,
        "received_at": "2026-11-23T06:39:00.789Z",
    }


def test_a_line_that_is_not_utf8_is_kept_byte_by_byte() -> None:
    kept = json.loads(quarantine.to_json_line(refused_line(b"\xff\x00")))

    assert base64.b64decode(kept["raw_base64"]) == b"\xff\x00"
    assert "raw" not in kept


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5))
def test_a_document_is_one_line_of_json_for_each_refused_line(lines: list[bytes]) -> None:
    key, body = quarantine.build_object([refused_line(line) for line in lines])

    entries = [json.loads(entry) for entry in body.splitlines()]
    raw = [entry["raw"].encode() if "raw" in entry else base64.b64decode(entry["raw_base64"]) for entry in entries]
    assert raw == lines
    assert key.startswith("quarantine/date=2026-11-23/hour=06/")
    assert key.endswith(".ndjson")


def test_the_same_lines_have_the_same_key_and_others_another() -> None:
    once, again = quarantine.build_object([refused_line()]), quarantine.build_object([refused_line()])
    other, _ = quarantine.build_object([refused_line(position=1)])

    assert once == again
    assert other != once[0]


def test_the_key_has_the_hour_of_the_first_arrival() -> None:
    later = ARRIVED.replace(hour=7)
    key, _ = quarantine.build_object([refused_line(received_at=later), refused_line(received_at=ARRIVED)])
    assert "/hour=06/" in key


# --- the meter -------------------------------------------------------------------------------------------------


def samples_of(event: dict[str, Any]) -> list[Any]:
    return transform.transform(event).accepted


@pytest.mark.usefixtures("robots")
def test_only_echoes_of_a_model_count_as_predicted(event: ReadEvent) -> None:
    readings = batch_metrics.measure(samples_of(event("firehose-packed")), [])

    assert readings.accepted == 4
    (model,) = readings.models
    assert model == "xgboost-20261122T181500Z"
    assert dataclasses.astuple(readings.models[model]) == pytest.approx(
        (2, (14_350 - 14_100.5) ** 2 + (9_120 - 10_450) ** 2, 2 * 1_830.25**2)
    )


@pytest.mark.usefixtures("robots")
@pytest.mark.parametrize("changed", [{"model": None}, {"expected_error": None}, {"source": "fallback"}], ids=str)
def test_an_echo_that_does_not_say_who_or_how_well_is_no_measurement(event: ReadEvent, changed: dict[str, Any]) -> None:
    sample = json.loads(event("sns-single")["Records"][0]["Sns"]["Message"])
    sample["prediction"] |= changed

    readings = batch_metrics.measure(samples_of(firehose(json.dumps(sample).encode())), [])

    assert (readings.accepted, readings.models) == (1, {})


def readings_of(counts: dict[str, int]) -> BatchMetrics:
    return BatchMetrics(models={model: LiveError(count, count * 4.0, float(count)) for model, count in counts.items()})


def test_the_models_with_most_predictions_get_metrics_of_their_own() -> None:
    readings = readings_of({f"noise-{n}": 1 for n in range(100)} | {"live": 50, "canary": 5})

    names = batch_metrics.select_models(readings, set())

    assert names[:2] == ["live", "canary"]
    assert len(names) == MAX_MODELS_PER_BATCH
    assert readings.total().predicted == 155


def test_invented_names_do_not_make_metrics_without_end() -> None:
    published: set[str] = {"live"}
    for batch in range(1_000):
        published.update(batch_metrics.select_models(readings_of({"live": 10, f"noise-{batch}": 20}), published))

    assert len(published) == MAX_MODELS_PER_ENVIRONMENT
    assert batch_metrics.select_models(readings_of({"live": 10, "noise-1000": 20}), published) == ["live"]


# --- the function ----------------------------------------------------------------------------------------------


class UnavailableError(RuntimeError):
    """What the bucket below raises."""


@dataclass
class Bucket:
    """A bucket that keeps objects by key, or is out of order."""

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
def bucket(validator: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    bucket = Bucket()
    monkeypatch.setattr(quarantine, "get_client", lambda: bucket)
    return bucket


@pytest.mark.usefixtures("robots")
def test_a_clean_batch_is_answered_without_a_quarantine(
    validator: ModuleType, bucket: Bucket, event: ReadEvent, context: Context, published: Callable[[], Metrics]
) -> None:
    answer = validator.handler(event("firehose-packed"), context)

    assert json.loads(answer) == {"records": transform.transform(event("firehose-packed")).results}
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
def test_refused_lines_are_stored_and_counted_by_reason(
    validator: ModuleType, bucket: Bucket, event: ReadEvent, context: Context, published: Callable[[], Metrics]
) -> None:
    validator.handler(event("firehose-broken"), context)

    ((key, body),) = bucket.objects.items()
    assert key.startswith("quarantine/date=2026-11-23/hour=06/")
    reasons = [json.loads(line)["reason"] for line in body.splitlines()]
    counted = published()
    assert counted[frozenset(), "RefusedSamples"] == len(reasons) == 13
    assert counted[frozenset(), "AcceptedSamples"] == 2
    by_reason = {
        reason: count for (dims, name), count in counted.items() if name == "RefusedSamples" for _, reason in dims
    }
    assert by_reason == {reason: reasons.count(reason) for reason in reasons}


@pytest.mark.usefixtures("robots")
def test_a_batch_that_comes_again_doubles_nothing_in_the_quarantine(
    validator: ModuleType, bucket: Bucket, event: ReadEvent, context: Context
) -> None:
    first = validator.handler(event("firehose-broken"), context)
    again = validator.handler(event("firehose-broken"), context)

    assert first == again
    assert len(bucket.objects) == 1


@pytest.mark.usefixtures("robots")
def test_when_the_quarantine_cannot_be_written_the_batch_fails_and_counts_nothing(
    validator: ModuleType, bucket: Bucket, event: ReadEvent, context: Context, published: Callable[[], Metrics]
) -> None:
    bucket.available = False

    with pytest.raises(UnavailableError):
        validator.handler(event("firehose-broken"), context)

    assert published() == {}


@pytest.mark.usefixtures("robots")
def test_the_quarantine_is_written_as_s3_expects(validator: ModuleType, event: ReadEvent, context: Context) -> None:
    key, body = quarantine.build_object(transform.transform(event("firehose-broken")).rejected)
    expected = {"Bucket": "data", "Key": key, "Body": body, "ContentType": "application/x-ndjson"}
    with Stubber(quarantine.get_client()) as stubber:
        stubber.add_response("put_object", {}, expected)

        validator.handler(event("firehose-broken"), context)

        stubber.assert_no_pending_responses()


@pytest.mark.usefixtures("robots")
def test_one_batch_logs_one_metric_line_and_one_more_for_each_model_and_reason(
    validator: ModuleType, bucket: Bucket, event: ReadEvent, context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = event("firehose-broken")
    validator.handler(sent, context)

    metrics = [line for line in capsys.readouterr().out.splitlines() if "_aws" in json.loads(line)]
    reasons = {line.error.reason for line in transform.transform(sent).rejected}
    assert len(metrics) == 1 + 1 + len(reasons)


@pytest.mark.usefixtures("robots")
def test_the_function_remembers_which_models_it_has_published(
    validator: ModuleType, bucket: Bucket, event: ReadEvent, context: Context, published: Callable[[], Metrics]
) -> None:
    sample = json.loads(event("sns-single")["Records"][0]["Sns"]["Message"])
    for number in range(MAX_MODELS_PER_ENVIRONMENT + 10):
        sample["prediction"]["model"] = f"invented-{number}"
        validator.handler(firehose(json.dumps(sample).encode()), context)

    counted = published()
    models = {dims for dims, name in counted if dims and name == "PredictedSamples"}
    assert len(models) == MAX_MODELS_PER_ENVIRONMENT
    assert counted[frozenset(), "PredictedSamples"] == MAX_MODELS_PER_ENVIRONMENT + 10


@pytest.mark.usefixtures("robots")
def test_the_log_has_counts_and_no_payload(
    validator: ModuleType, bucket: Bucket, event: ReadEvent, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = io.StringIO()
    monkeypatch.setattr(validator, "logger", Logger(service="validator-log", stream=log))

    validator.handler(event("firehose-broken"), context)

    assert '"accepted":2' in log.getvalue()
    assert "robot-0017" not in log.getvalue()
