"""Converts SNS messages to entries of Kinesis ``PutRecords`` and groups entries into requests within Kinesis' limits.

A message becomes one record, however many samples it contains: unpacking it here would cost one record per sample.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from mypy_boto3_kinesis.type_defs import PutRecordsRequestEntryTypeDef as Entry

MAX_ENTRIES = 500
"""Entries in one request: https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html"""

MAX_REQUEST_BYTES = 5 * 1024 * 1024
"""Bytes of one request, partition keys included. AWS accepts 10 MiB since 2025; older implementations accept 5 MiB.

https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html"""

MAX_RECORD_BYTES = 1024 * 1024
"""Bytes of one record, partition key included. SNS messages have at most 256 KiB.

https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
https://docs.aws.amazon.com/general/latest/gr/sns.html"""


class MessageTooLargeError(ValueError):
    """A message is larger than a record can be, so retrying is useless."""


def count_bytes(entry: Entry) -> int:
    """Return the bytes of an entry as Kinesis counts them: data and partition key."""
    return len(cast("bytes", entry["Data"])) + len(entry["PartitionKey"].encode())


def has_csv_rows(data: bytes) -> bool:
    """Return whether any line may be something other than a JSON sample. Counting takes far less time than sending."""
    line_ends = data.count(b"\n") - data.endswith(b"\n")  # a final newline starts no line
    return not data.startswith(b"{") or line_ends != data.count(b"\n{")


def to_entries(event: Mapping[str, Any]) -> list[Entry]:
    """Convert each message of an SNS event to an entry. Raises ``MessageTooLargeError``.

    The message's id is the partition key. It spreads messages over shards, and the validator derives the ids of CSV
    rows from it. If there may be CSV rows, the id also becomes the first line of the data, ``#<id>``, since records in
    Firehose's error prefix have no key.
    """
    entries: list[Entry] = []
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
        entries.append(entry)
    return entries


def batch_entries(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Group entries, in order, into as few requests as the limits allow."""
    batch: list[Entry] = []
    batch_bytes = 0
    for entry in entries:
        entry_bytes = count_bytes(entry)
        if batch and (len(batch) == MAX_ENTRIES or batch_bytes + entry_bytes > MAX_REQUEST_BYTES):
            yield batch
            batch, batch_bytes = [], 0
        batch.append(entry)
        batch_bytes += entry_bytes
    if batch:
        yield batch
