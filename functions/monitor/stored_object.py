"""S3's "Object Created" events, as EventBridge delivers them."""

from __future__ import annotations

from typing import Any


def object_key(event: dict[str, Any]) -> str:
    """The key of the object that was created.

    Unlike S3's own notifications these events do not encode the key:
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """
    key: str = event["detail"]["object"]["key"]
    return key
