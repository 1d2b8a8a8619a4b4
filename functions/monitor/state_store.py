"""Reads and writes the monitor's state in S3. A conditional write keeps a second writer from overwriting it unseen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from monitor.monitor_state import State, decode, encode
from rounds.s3_prefixes import MONITOR

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

STATE_KEY = f"{MONITOR}state.json.gz"
_CHANGED = {"PreconditionFailed", "ConditionalRequestConflict"}


class StateChangedError(RuntimeError):
    """Another invocation wrote the state meanwhile. The event is to be retried from the state as it is now."""


@dataclass(frozen=True, slots=True)
class StoredState:
    """The state and the ETag of its object; no ETag if it has never been written."""

    state: State
    etag: str | None


def load(s3: S3Client, bucket: str) -> StoredState:
    """Read the state; an empty one before the first write. Raises ``UnknownStateError`` for an unreadable object."""
    try:
        response = s3.get_object(Bucket=bucket, Key=STATE_KEY)
    except s3.exceptions.NoSuchKey:
        return StoredState(State(), None)
    return StoredState(decode(response["Body"].read()), response["ETag"])


def save(s3: S3Client, bucket: str, state: State, previous: StoredState) -> StoredState:
    """Write the state over ``previous``. Raises ``StateChangedError`` if the object has changed since.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """
    body = encode(state)
    try:
        if previous.etag is None:
            response = s3.put_object(Bucket=bucket, Key=STATE_KEY, Body=body, IfNoneMatch="*")
        else:
            response = s3.put_object(Bucket=bucket, Key=STATE_KEY, Body=body, IfMatch=previous.etag)
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in _CHANGED:
            raise StateChangedError("another invocation of the monitor has written the state") from error
        raise
    return StoredState(state, response["ETag"])
