"""Stores rejected lines for people to inspect: one NDJSON object for each batch that has any."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_s3 import S3Client

    from validator.transform import RejectedLine


@cache
def get_client() -> S3Client:
    """Return the client of S3. Created for the first rejected line, since creation takes longer than a valid batch."""
    from botocore.config import Config  # noqa: PLC0415 (needed for rejected lines only)
    from botocore.session import get_session  # noqa: PLC0415

    config = Config(connect_timeout=2, read_timeout=10, retries={"mode": "standard"})
    return cast("S3Client", get_session().create_client("s3", config=config))


def to_json_line(line: RejectedLine) -> str:
    """Return one line of the object: reason, detail, origin and the line itself, in base64 if it is not UTF-8."""
    try:
        raw = {"raw": line.line.decode()}
    except UnicodeDecodeError:
        raw = {"raw_base64": base64.b64encode(line.line).decode()}
    return json.dumps(
        {
            "reason": line.error.reason,
            "detail": line.error.detail,
            **raw,
            "message_id": line.message_id,
            "position": line.position,
            "received_at": line.received_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        },
        separators=(",", ":"),
    )


def build_object(lines: Sequence[RejectedLine]) -> tuple[str, bytes]:
    """Return key and body of the object for at least one rejected line.

    The key derives from the content, so that a batch that Firehose sends again overwrites its object.
    """
    body = "".join(f"{to_json_line(line)}\n" for line in lines).encode()
    first = min(line.received_at for line in lines)
    digest = hashlib.sha256(body).hexdigest()[:32]
    return f"quarantine/date={first:%Y-%m-%d}/hour={first:%H}/{digest}.ndjson", body


def put(s3: S3Client, bucket: str, lines: Sequence[RejectedLine]) -> str:
    """Write the object and return its key. botocore's errors are not caught: the batch must fail and be retried."""
    key, body = build_object(lines)
    s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/x-ndjson")
    return key
