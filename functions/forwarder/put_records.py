"""Putting entries into the stream, and putting those again that it rejected.

``PutRecords`` succeeds although single entries are rejected: each carries its own error code. botocore retries whole
requests only, so the entries are retried here, within the time that the function has left.
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
"""Longest pause before the first retry, in seconds; it doubles with every further one."""

MAX_DELAY_SECONDS = 5.0
"""A shard's limits are per second, so that longer pauses gain nothing."""

RESERVED_SECONDS = 3.0
"""Time kept for the request that follows a pause, and for the answer to Lambda."""


class PutRecordsFailedError(RuntimeError):
    """The stream still refuses entries after all retries. Lambda tries again, then parks the event in the queue."""


@dataclass(frozen=True, slots=True)
class PutResult:
    """What became of the entries. ``retried`` counts an entry once for each time that it was put again."""

    forwarded: int = 0
    retried: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    """Entries that never went in, by Kinesis' error code."""

    def raise_for_failed(self) -> None:
        """Raise ``PutRecordsFailedError`` if an entry was refused for good."""
        if self.failed:
            codes = ", ".join(f"{code}: {count}" for code, count in sorted(self.failed.items()))
            raise PutRecordsFailedError(f"the stream refused {self.failed.total()} entries for good ({codes})")


def backoff_cap(retry: int) -> float:
    """The upper end of the pause before the given retry (from 0), in seconds."""
    return min(MAX_DELAY_SECONDS, BASE_DELAY_SECONDS * 2.0 ** min(retry, 16))


def full_jitter(longest: float) -> float:
    """Any pause up to ``longest`` seconds: functions that were refused together must not come back together."""
    return random.uniform(0, longest)  # noqa: S311 - nobody gains by guessing a pause


def put_with_retries(
    kinesis: KinesisClient,
    stream_name: str,
    entries: Sequence[Entry],
    *,
    seconds_left: Callable[[], float],
    sleep: Callable[[float], None],
    jitter: Callable[[float], float] = full_jitter,
) -> PutResult:
    """Put all entries into the stream, those that it refuses again and again while the time lasts.

    ``seconds_left`` tells how long the function may still run. Errors of a whole request are botocore's and pass
    through. An entry may go in twice, when a request went in and its answer was lost.
    """
    forwarded = retried = 0
    failed: Counter[str] = Counter()
    for request in batch_entries(entries):
        waiting, retry = request, 0
        while True:
            answer = kinesis.put_records(StreamName=stream_name, Records=waiting)
            results = list(zip(waiting, answer["Records"], strict=True))
            codes = Counter(result["ErrorCode"] for _, result in results if result.get("ErrorCode"))
            forwarded += len(waiting) - codes.total()
            if not codes:
                break
            pause = jitter(backoff_cap(retry))
            if pause + RESERVED_SECONDS > seconds_left():
                failed += codes
                break
            sleep(pause)
            waiting = [entry for entry, result in results if result.get("ErrorCode")]
            retried += len(waiting)
            retry += 1
    return PutResult(forwarded=forwarded, retried=retried, failed=failed)
