"""Reads a Kinesis stream shard by shard, behind the records that existed when the delivery stream was created."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from local_aws.firehose.transformation import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SHARD_LIST_SECONDS = 5.0
"""How long a list of shards is reused."""
PAGE_RECORDS = 200


class StreamReader:
    """The reading position in every shard of one stream."""

    def __init__(self, stream_arn: str, positions: Mapping[str, str | None]) -> None:
        """``positions``: the sequence number of the last record to skip, by shard; None to skip none."""
        self.stream_arn = stream_arn
        self._positions = dict(positions)
        self._iterators: dict[str, str] = {}
        self._listed_at = float("-inf")

    def pages(self, kinesis: Any) -> Iterator[list[Record]]:
        """New records, shard by shard, in order of arrival; a page that was yielded is not read again.

        Raises botocore's ``ClientError``.
        """
        self._list_shards(kinesis)
        for shard in self._positions:
            more = True
            while more:
                records, more = self._page(kinesis, shard)
                if records:
                    yield records

    def _list_shards(self, kinesis: Any) -> None:
        """Add new shards, which are read from their beginning, and remove closed ones."""
        if time.monotonic() - self._listed_at < SHARD_LIST_SECONDS:
            return
        kinesis.describe_stream(StreamARN=self.stream_arn)  # AWS requires this permission of the role, too
        pages = kinesis.get_paginator("list_shards").paginate(StreamARN=self.stream_arn)
        present = sorted(shard["ShardId"] for page in pages for shard in page["Shards"])
        self._positions = {shard: self._positions.get(shard) for shard in present}
        self._iterators = {shard: iterator for shard, iterator in self._iterators.items() if shard in present}
        self._listed_at = time.monotonic()

    def _page(self, kinesis: Any, shard: str) -> tuple[list[Record], bool]:
        """The records of one response, and whether there are more."""
        if shard not in self._iterators:
            self._iterators[shard] = self._iterator(kinesis, shard)
        try:
            page = kinesis.get_records(
                ShardIterator=self._iterators[shard], Limit=PAGE_RECORDS, StreamARN=self.stream_arn
            )
        except kinesis.exceptions.ExpiredIteratorException:
            del self._iterators[shard]
            return [], True
        records = [
            Record(
                shard_id=shard,
                sequence_number=record["SequenceNumber"],
                partition_key=record["PartitionKey"],
                arrived=round(record["ApproximateArrivalTimestamp"].timestamp() * 1000),
                data=record["Data"],
            )
            for record in page["Records"]
        ]
        if records:
            self._positions[shard] = records[-1].sequence_number
        self._iterators[shard] = page["NextShardIterator"]
        return records, len(records) == PAGE_RECORDS

    def _iterator(self, kinesis: Any, shard: str) -> str:
        after = self._positions[shard]
        start: dict[str, str] = (
            {"ShardIteratorType": "TRIM_HORIZON"}
            if after is None
            else {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": after}
        )
        response = kinesis.get_shard_iterator(StreamARN=self.stream_arn, ShardId=shard, **start)
        return str(response["ShardIterator"])
