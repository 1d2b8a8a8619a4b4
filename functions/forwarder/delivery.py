"""Putting entries into the stream, and putting those again that it refused.

``PutRecords`` succeeds although single entries are refused: each carries its own error code. botocore retries whole
requests only, so the entries are retried here, within the time that the function has left.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from forwarder.messages import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_kinesis.type_defs import PutRecordsRequestEntryTypeDef as Entry

FIRST_DELAY = 0.1
"""Longest pause before the first retry, in seconds; it doubles with every further one."""

LONGEST_DELAY = 5.0
"""A shard's limits are per second, so that longer pauses gain nothing."""

LAST_REQUEST_SECONDS = 3.0
"""Time kept for the request that follows a pause, and for the answer to Lambda."""


class EntriesRefusedError(RuntimeError):
    """The stream still refuses entries after all retries. Lambda tries again, then parks the event in the queue."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of the entries. ``retried`` counts an entry once for each time that it was put again."""

    forwarded: int = 0
    retried: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """Entries that never went in, by Kinesis' error code."""

    def raise_for_refused(self) -> None:
        """Raise ``EntriesRefusedError`` if an entry was refused for good."""
        if self.refused:
            codes = ", ".join(f"{code}: {count}" for code, count in sorted(self.refused.items()))
            raise EntriesRefusedError(f"the stream refused {self.refused.total()} entries for good ({codes})")


def longest_delay(retry: int) -> float:
    """The upper end of the pause before the given retry (from 0), in seconds."""
    return min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(retry, 16))


def full_jitter(longest: float) -> float:
    """Any pause up to ``longest`` seconds: functions that were refused together must not come back together."""
    return random.uniform(0, longest)  # noqa: S311 - nobody gains by guessing a pause


def deliver(
    kinesis: KinesisClient,
    stream_name: str,
    entries: Sequence[Entry],
    *,
    seconds_left: Callable[[], float],
    sleep: Callable[[float], None],
    jitter: Callable[[float], float] = full_jitter,
) -> Delivery:
    """Put all entries into the stream, those that it refuses again and again while the time lasts.

    ``seconds_left`` tells how long the function may still run. Errors of a whole request are botocore's and pass
    through. An entry may go in twice, when a request went in and its answer was lost.
    """
    forwarded = retried = 0
    refused: Counter[str] = Counter()
    for request in requests(entries):
        waiting, retry = request, 0
        while True:
            answer = kinesis.put_records(StreamName=stream_name, Records=waiting)
            results = list(zip(waiting, answer["Records"], strict=True))
            codes = Counter(result["ErrorCode"] for _, result in results if result.get("ErrorCode"))
            forwarded += len(waiting) - codes.total()
            if not codes:
                break
            pause = jitter(longest_delay(retry))
            if pause + LAST_REQUEST_SECONDS > seconds_left():
                refused += codes
                break
            sleep(pause)
            waiting = [entry for entry, result in results if result.get("ErrorCode")]
            retried += len(waiting)
            retry += 1
    return Delivery(forwarded=forwarded, retried=retried, refused=refused)
