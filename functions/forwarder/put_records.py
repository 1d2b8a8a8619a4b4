"""Puts entries into the Kinesis stream and retries those that Kinesis rejects.

``PutRecords`` succeeds even if some entries fail; each failed entry has its own error code. botocore retries only
complete requests, so failed entries are retried here, within the remaining time of the invocation.

https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from forwarder.kinesis_records import batch_entries

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_kinesis.type_defs import PutRecordsRequestEntryTypeDef as Entry

BASE_DELAY_SECONDS = 0.1
"""Longest delay before the first retry; doubles with every further retry."""

MAX_DELAY_SECONDS = 5.0
"""A shard's limits are per second, so longer delays gain nothing.

https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html"""

RESERVED_SECONDS = 3.0
"""Time reserved for the request after a delay and for the function's result."""


class PutRecordsFailedError(RuntimeError):
    """Entries still fail after all retries. Lambda retries the event, then sends it to the failed-events queue."""


@dataclass(frozen=True, slots=True)
class PutResult:
    """Counts of entries. ``retried`` counts an entry once for every retry."""

    forwarded: int = 0
    retried: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    """Entries that failed after all retries, by Kinesis' error code."""

    def raise_for_failed(self) -> None:
        """Raise ``PutRecordsFailedError`` if an entry failed."""
        if self.failed:
            codes = ", ".join(f"{code}: {count}" for code, count in sorted(self.failed.items()))
            raise PutRecordsFailedError(
                f"the stream rejected {self.failed.total()} entries after all retries ({codes})"
            )


def backoff_cap(retry: int) -> float:
    """Return the longest delay in seconds before a retry (from 0): exponential, at most ``MAX_DELAY_SECONDS``."""
    return min(MAX_DELAY_SECONDS, BASE_DELAY_SECONDS * 2.0 ** min(retry, 16))


def full_jitter(max_seconds: float) -> float:
    """Return a random delay from 0 to ``max_seconds``, so that concurrent functions do not retry at the same moment."""
    return random.uniform(0, max_seconds)  # noqa: S311 - delays need no cryptographic randomness


def put_with_retries(
    kinesis: KinesisClient,
    stream_name: str,
    entries: Sequence[Entry],
    *,
    seconds_left: Callable[[], float],
    sleep: Callable[[float], None],
    jitter: Callable[[float], float] = full_jitter,
) -> PutResult:
    """Put all entries into the stream; retry failed ones until the time is over.

    ``seconds_left`` returns the remaining time of the invocation. Errors of a complete request are botocore's and are
    not caught. If a request succeeds but its response is lost, its entries are put twice.
    """
    forwarded = retried = 0
    failed: Counter[str] = Counter()
    for batch in batch_entries(entries):
        pending, retry = batch, 0
        while True:
            response = kinesis.put_records(StreamName=stream_name, Records=pending)
            results = list(zip(pending, response["Records"], strict=True))
            codes = Counter(result["ErrorCode"] for _, result in results if result.get("ErrorCode"))
            forwarded += len(pending) - codes.total()
            if not codes:
                break
            delay = jitter(backoff_cap(retry))
            if delay + RESERVED_SECONDS > seconds_left():
                failed += codes
                break
            sleep(delay)
            pending = [entry for entry, result in results if result.get("ErrorCode")]
            retried += len(pending)
            retry += 1
    return PutResult(forwarded=forwarded, retried=retried, failed=failed)
