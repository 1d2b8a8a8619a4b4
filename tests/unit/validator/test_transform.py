"""Every line of a Firehose batch becomes a row or a rejected line."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
from aws_lambda_powertools.utilities.data_classes import KinesisFirehoseEvent
from hypothesis import given
from hypothesis import strategies as st

from feature_schema import FEATURES, TARGET, derive_csv_sample_id, parse_lines
from tests.unit.validator.factories import ARRIVED, make_firehose_event, make_row, make_shortest_row, read_rows
from validator.transform import MAX_RESPONSE_BYTES, transform

if TYPE_CHECKING:
    from tests.unit.validator.factories import ReadEvent


@pytest.mark.parametrize(
    "name",
    ["firehose-packed", "firehose-asked-at", "firehose-broken", "firehose-workshop-rows", "firehose-direct-put"],
)
def test_results_are_in_order_and_cover_every_line(event: ReadEvent, name: str) -> None:
    sent = list(KinesisFirehoseEvent(event(name)).records)

    batch = transform(event(name))

    assert [result["recordId"] for result in batch.results] == [record.record_id for record in sent]
    for record, result in zip(sent, batch.results, strict=True):
        message_id = record.record_id if record.metadata is None else record.metadata.partition_key
        lines = len(parse_lines(record.data_as_bytes, message_id=message_id, received_at=ARRIVED))
        rejected = [line for line in batch.rejected if line.message_id == message_id]
        rows = read_rows(result) if result["result"] == "Ok" else []
        assert len(rows) + len(rejected) == lines
        assert result["result"] == ("Ok" if rows else "Dropped")
    assert len(batch.accepted) == sum(len(read_rows(result)) for result in batch.results if result["result"] == "Ok")


@pytest.mark.usefixtures("robots")
def test_sns_message_becomes_rows_with_echoed_predictions(event: ReadEvent) -> None:
    message = event("sns-packed")["Records"][0]["Sns"]["Message"]

    (result,) = transform(event("firehose-packed")).results

    sent = [json.loads(line) for line in message.splitlines()]
    assert [cells["sample_id"] for cells in read_rows(result)] == [sample["sample_id"] for sample in sent]
    assert [cells["predicted"] for cells in read_rows(result)] == ["14100.5", "10450.0", "22000.0", ""]
    assert {cells["asked_at"] for cells in read_rows(result)} == {""}
    assert [cells["model"] for cells in read_rows(result)] == ["xgboost-20261122T181500Z"] * 2 + ["", ""]


@pytest.mark.usefixtures("robots")
def test_echoed_times_of_requests_are_stored(event: ReadEvent) -> None:
    (result,) = transform(event("firehose-asked-at")).results

    assert [cells["asked_at"] for cells in read_rows(result)] == [
        "2026-11-23T06:38:40.456Z", "2026-11-23T06:38:41.456Z", "2026-11-23T06:38:42.456Z",
    ]  # fmt: skip
    assert {cells["received_at"] for cells in read_rows(result)} == {"2026-11-23T06:39:00.789Z"}


@pytest.mark.usefixtures("robots")
def test_csv_rows_get_ids_from_message_and_arrival_time(event: ReadEvent) -> None:
    single, packed = transform(event("firehose-workshop-rows")).results

    row_id, packed_id = "7c1d0f52-6a3b-5b0e-9f0e-3a9c5a1f77d2", "95df01b4-ee98-5cb9-9903-4c221d41eb5e"
    assert [cells["sample_id"] for cells in read_rows(single)] == [derive_csv_sample_id(row_id, 0)]
    assert [cells["sample_id"] for cells in read_rows(packed)] == [
        derive_csv_sample_id(packed_id, position) for position in (0, 1)
    ]
    assert read_rows(single)[0]["recorded_at"] == "2026-11-23T06:39:00.789Z"
    assert read_rows(single)[0]["received_at"] == "2026-11-23T06:39:00.789Z"


def test_each_row_has_arrival_of_its_record() -> None:
    # given three records, of one line, two lines of which one is rejected, and two lines, which arrived one by one
    sent = make_firehose_event(make_row(), make_row() + b"\nbroken", make_row() + b"\n" + make_row())
    for index, record in enumerate(sent["records"]):
        record["approximateArrivalTimestamp"] = 1_795_415_940_009 + 61_000 * index

    results = transform(sent).results

    assert [[cells["received_at"] for cells in read_rows(result)] for result in results] == [
        ["2026-11-23T06:39:00.009Z"], ["2026-11-23T06:40:01.009Z"], ["2026-11-23T06:41:02.009Z"] * 2,
    ]  # fmt: skip


def test_direct_put_record_uses_its_own_id(event: ReadEvent) -> None:
    sent = event("firehose-direct-put")
    sent["records"][0]["data"] = base64.b64encode(make_row() + b"\nbroken").decode()

    batch = transform(sent)

    record_id = sent["records"][0]["recordId"]
    assert [cells["sample_id"] for cells in read_rows(batch.results[0])] == [derive_csv_sample_id(record_id, 0)]
    assert [(line.message_id, line.position) for line in batch.rejected] == [(record_id, 1)]


@pytest.mark.usefixtures("robots")
def test_invalid_lines_are_rejected_with_reason_and_position(event: ReadEvent) -> None:
    batch = transform(event("firehose-broken"))

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
    assert [result["result"] for result in batch.results] == ["Ok", "Dropped", "Ok"]
    assert batch.results[1]["data"] == ""


@given(st.lists(st.binary(max_size=60) | st.just(make_row()), max_size=5))
def test_arbitrary_batch_has_a_result_for_every_line(messages: list[bytes]) -> None:
    batch = transform(make_firehose_event(*messages))

    assert [result["recordId"] for result in batch.results] == [f"record-{n}" for n in range(len(messages))]
    stored = sum(len(read_rows(result)) for result in batch.results if result["result"] == "Ok")
    lines = sum(len(parse_lines(message, message_id="m", received_at=ARRIVED)) for message in messages)
    assert stored == len(batch.accepted)
    assert stored + len(batch.rejected) == lines


def test_response_limit_is_below_lambda_limit() -> None:
    assert MAX_RESPONSE_BYTES < 6 * 1024 * 1024


def test_overflowed_records_fail_whole_and_uncounted(monkeypatch: pytest.MonkeyPatch) -> None:
    # given CSV rows whose results exceed a response, both at a tenth of 3 MB (Firehose's largest buffer) and of 6 MB
    max_response_bytes = MAX_RESPONSE_BYTES // 10
    monkeypatch.setattr("validator.transform.MAX_RESPONSE_BYTES", max_response_bytes)
    message = b"\n".join([make_shortest_row()] * 900 + [b"broken"])
    sent = make_firehose_event(*[message] * 12)

    batch = transform(sent)

    results = [result["result"] for result in batch.results]
    kept = results.count("Ok")
    assert 0 < kept < 12
    assert results == ["Ok"] * kept + ["ProcessingFailed"] * batch.overflowed
    assert len(json.dumps({"records": batch.results})) <= max_response_bytes
    assert (len(batch.accepted), len(batch.rejected)) == (900 * kept, kept)


def test_buffer_of_one_megabyte_never_overflows() -> None:
    shortest = make_shortest_row()
    message = b"\n".join([shortest] * (250_000 // (len(shortest) + 1)))

    batch = transform(make_firehose_event(*[message] * 4))

    assert batch.overflowed == 0
    assert all(result["result"] == "Ok" for result in batch.results)
