"""Conversion of SNS messages to Kinesis entries, and batches within Kinesis' limits."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, cast

import pytest
from aws_lambda_powertools.utilities.data_classes import SNSEvent
from hypothesis import given
from hypothesis import strategies as st

from feature_schema import split_message_header
from forwarder.kinesis_records import (
    MAX_ENTRIES,
    MAX_RECORD_BYTES,
    MAX_REQUEST_BYTES,
    MessageTooLargeError,
    batch_entries,
    count_bytes,
    to_entries,
)
from tests.unit.forwarder.factories import make_entry

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("name", ["sns-packed", "sns-single"])
def test_message_becomes_one_unchanged_record(event: Callable[[str], dict[str, Any]], name: str) -> None:
    sent = SNSEvent(event(name))

    entries = to_entries(event(name))

    assert entries == [{"Data": r.sns.message.encode(), "PartitionKey": r.sns.message_id} for r in sent.records]
    assert len(entries) == 1


@given(
    message=st.lists(st.sampled_from(['{"sample_id":"a"}', "1,2,3", "", " ", "#a", "#b\n", "{"]), min_size=1).map(
        "\n".join
    )
)
def test_record_contains_message_and_id_for_csv_rows(message: str) -> None:
    event = {"Records": [{"Sns": {"MessageId": "95df01b4-ee98-5cb9-9903-4c221d41eb5e", "Message": message}}]}

    (entry,) = to_entries(event)

    lines, message_id = split_message_header(cast("bytes", entry["Data"]), "unknown")
    assert lines == message.encode()
    if any(not line.startswith("{") for line in message.removesuffix("\n").split("\n")):
        assert message_id == entry["PartitionKey"]


def test_event_with_two_messages_gives_two_entries(event: Callable[[str], dict[str, Any]]) -> None:
    two_messages = {"Records": event("sns-packed")["Records"] + event("sns-single")["Records"]}

    assert [entry["PartitionKey"] for entry in to_entries(two_messages)] == [
        *("95df01b4-ee98-5cb9-9903-4c221d41eb5e", "0a5f4b1e-2d4c-5f3e-8f5b-1d2f6f3f5d11")
    ]


def test_non_ascii_text_counts_in_bytes(event: Callable[[str], dict[str, Any]]) -> None:
    sent = event("sns-single")
    sent["Records"][0]["Sns"]["Message"] = "{" + "ü" * 10

    (entry,) = to_entries(sent)

    assert count_bytes(entry) == 21 + len(entry["PartitionKey"])


def test_too_large_message_raises_error_with_its_id(event: Callable[[str], dict[str, Any]]) -> None:
    sent = event("sns-single")
    sent["Records"][0]["Sns"]["Message"] = "x" * MAX_RECORD_BYTES

    with pytest.raises(MessageTooLargeError, match="0a5f4b1e-2d4c-5f3e-8f5b-1d2f6f3f5d11"):
        to_entries(sent)


@given(st.lists(st.sampled_from([1, 1_000, 400_000, MAX_RECORD_BYTES - 10]), max_size=40))
def test_batches_keep_order_and_limits(sizes: list[int]) -> None:
    entries = [make_entry(str(number), bytes(length)) for number, length in enumerate(sizes)]

    batches = list(batch_entries(entries))

    assert [entry["PartitionKey"] for batch in batches for entry in batch] == [
        entry["PartitionKey"] for entry in entries
    ]
    assert all(sum(map(count_bytes, batch)) <= MAX_REQUEST_BYTES for batch in batches)
    # As few as possible: the first entry of a batch would not have fitted into the previous one.
    for previous, batch in itertools.pairwise(batches):
        assert sum(map(count_bytes, previous)) + count_bytes(batch[0]) > MAX_REQUEST_BYTES


def test_batches_have_at_most_max_entries() -> None:
    entries = [make_entry(str(number)) for number in range(2 * MAX_ENTRIES + 1)]

    assert [len(batch) for batch in batch_entries(entries)] == [MAX_ENTRIES, MAX_ENTRIES, 1]
