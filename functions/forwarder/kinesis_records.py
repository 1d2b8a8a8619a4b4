"""SNS messages as entries of Kinesis ``PutRecords``, grouped into requests that Kinesis takes.

A message stays whole, however many samples it carries: unpacking it here would cost a record for each of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mypy_boto3_kinesis.type_defs import PutRecordsRequestEntryTypeDef as Entry

MAX_ENTRIES = 500
"""Entries that one ``PutRecords`` request may have."""

MAX_REQUEST_BYTES = 5 * 1024 * 1024
"""Bytes of one request, partition keys included. AWS takes 10 MiB since 2025; half of it is taken everywhere."""

MAX_RECORD_BYTES = 1024 * 1024
"""Bytes of one record, partition key included. SNS stops at 256 KB."""


class MessageTooLargeError(ValueError):
    """A message that the stream would never take, so that trying again is useless."""


def count_bytes(entry: Entry) -> int:
    """The bytes that Kinesis counts: data and partition key."""
    return len(cast("bytes", entry["Data"])) + len(entry["PartitionKey"].encode())


def has_csv_rows(data: bytes) -> bool:
    """Whether any line may be something else than a JSON sample. Counting costs nothing beside sending."""
    others = data.count(b"\n") - data.endswith(b"\n")  # a last newline starts no line
    return not data.startswith(b"{") or others != data.count(b"\n{")


def to_entries(event: Mapping[str, Any]) -> list[Entry]:
    """One entry for each message of an SNS event. Raises ``MessageTooLargeError``.

    The message's id is the partition key: it spreads messages over the shards, and the validator, which sees it as
    the record's key, derives the ids of samples from it that carry none. Where there may be such samples it is also a
    line in front of them, ``#<id>``: what Firehose puts aside has no key.
    """
    made: list[Entry] = []
    for record in event["Records"]:
        message = record["Sns"]
        data = message["Message"].encode()
        if has_csv_rows(data):
            data = b"#%s\n%s" % (message["MessageId"].encode(), data)
        entry: Entry = {"Data": data, "PartitionKey": message["MessageId"]}
        if count_bytes(entry) > MAX_RECORD_BYTES:
            raise MessageTooLargeError(
                f"message {message['MessageId']} has {count_bytes(entry)} bytes, a record at most {MAX_RECORD_BYTES}"
            )
        made.append(entry)
    return made


def batch_entries(of: Iterable[Entry]) -> Iterator[list[Entry]]:
    """The entries in their order, in as few requests as the limits allow."""
    request: list[Entry] = []
    request_bytes = 0
    for entry in of:
        entry_bytes = count_bytes(entry)
        if request and (len(request) == MAX_ENTRIES or request_bytes + entry_bytes > MAX_REQUEST_BYTES):
            yield request
            request, request_bytes = [], 0
        request.append(entry)
        request_bytes += entry_bytes
    if request:
        yield request
