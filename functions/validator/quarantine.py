"""Where refused lines wait for a person: one NDJSON object for each batch that had any."""

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
    """The client of S3, made for the first refusal: it takes longer than all that a clean batch needs."""
    from botocore.config import Config  # noqa: PLC0415 (as said)
    from botocore.session import get_session  # noqa: PLC0415

    config = Config(connect_timeout=2, read_timeout=10, retries={"mode": "standard"})
    return cast("S3Client", get_session().create_client("s3", config=config))


def to_json_line(refused: RejectedLine) -> str:
    """One line of the object: reason, detail, where the line came from, and the line itself, in base64 if not UTF-8."""
    try:
        raw = {"raw": refused.line.decode()}
    except UnicodeDecodeError:
        raw = {"raw_base64": base64.b64encode(refused.line).decode()}
    return json.dumps(
        {
            "reason": refused.error.reason,
            "detail": refused.error.detail,
            **raw,
            "message_id": refused.message_id,
            "position": refused.position,
            "received_at": refused.received_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        },
        separators=(",", ":"),
    )


def build_object(refused: Sequence[RejectedLine]) -> tuple[str, bytes]:
    """Key and body of the object for at least one refused line.

    The key follows from the content: a batch that Firehose sends again overwrites its object and doubles nothing.
    """
    body = "".join(f"{to_json_line(line)}\n" for line in refused).encode()
    first = min(line.received_at for line in refused)
    digest = hashlib.sha256(body).hexdigest()[:32]
    return f"quarantine/date={first:%Y-%m-%d}/hour={first:%H}/{digest}.ndjson", body


def put(s3: S3Client, bucket: str, refused: Sequence[RejectedLine]) -> str:
    """Write the object and return its key. Raises what boto3 raises: then the batch must fail, and come again."""
    key, body = build_object(refused)
    s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/x-ndjson")
    return key
