"""A fake Kinesis stream, a fake clock and entries for tests of the forwarder."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from forwarder.kinesis_records import MAX_ENTRIES, MAX_REQUEST_BYTES, count_bytes

if TYPE_CHECKING:
    from mypy_boto3_kinesis.type_defs import PutRecordsRequestEntryTypeDef as Entry


THROTTLED = "ProvisionedThroughputExceededException"
INTERNAL = "InternalFailure"


@dataclass
class FakeStream:
    """A Kinesis stream that rejects each entry as often as configured and stores the others."""

    failures: dict[str, list[str]] = field(default_factory=dict)
    """By partition key: the error codes of the next attempts, in order."""
    records: list[tuple[str, bytes]] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)

    def put_records(self, *, StreamName: str, Records: list[Entry]) -> dict[str, Any]:  # noqa: N803 - boto3's names
        assert StreamName == "samples"
        assert 0 < len(Records) <= MAX_ENTRIES
        assert sum(count_bytes(entry) for entry in Records) <= MAX_REQUEST_BYTES
        self.requests.append(len(Records))
        results: list[dict[str, str]] = []
        for entry in Records:
            codes = self.failures.get(entry["PartitionKey"])
            if codes:
                results.append({"ErrorCode": codes.pop(0), "ErrorMessage": "rejected"})
            else:
                self.records.append((entry["PartitionKey"], cast("bytes", entry["Data"])))
                results.append({"ShardId": "shardId-000000000000", "SequenceNumber": str(len(self.records))})
        return {"FailedRecordCount": sum("ErrorCode" in result for result in results), "Records": results}


@dataclass
class FakeClock:
    """A clock that advances only by sleeping."""

    left: float = 30.0
    delays: list[float] = field(default_factory=list)

    def seconds_left(self) -> float:
        return self.left

    def sleep(self, seconds: float) -> None:
        self.delays.append(seconds)
        self.left -= seconds


def make_entry(key: str, data: bytes = b"data") -> Entry:
    return {"Data": data, "PartitionKey": key}
