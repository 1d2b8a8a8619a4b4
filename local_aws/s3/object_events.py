"""S3's events on the event bus: the version of the object, which ministack leaves out, and a time in whole seconds.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
"""

from __future__ import annotations

import contextvars
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from local_aws import hooks

if TYPE_CHECKING:
    from collections.abc import Callable

_version_id: contextvars.ContextVar[str | None] = contextvars.ContextVar("version_id", default=None)


def install() -> None:
    """Wrap what sends a bucket's events, and what puts them on the bus."""
    fire = hooks.find("ministack.services.s3", "_fire_s3_event")
    dispatch = hooks.find("ministack.services.eventbridge", "_dispatch_event", arguments=("event", "view"))
    hooks.replace("ministack.services.s3", "_fire_s3_event", _remembering_the_version(fire))
    hooks.replace("ministack.services.eventbridge", "_dispatch_event", _as_documented(dispatch))


def _remembering_the_version(fire: Callable[..., None]) -> Callable[..., None]:
    def fire_event(*arguments: Any, version_id: str | None = None, **options: Any) -> None:
        token = _version_id.set(version_id)
        try:
            fire(*arguments, version_id=version_id, **options)
        finally:
            _version_id.reset(token)

    return fire_event


def _as_documented(dispatch: Callable[..., None]) -> Callable[..., None]:
    def dispatch_event(event: dict[str, Any], view: object | None = None) -> None:
        dispatch(with_documented_fields(event, _version_id.get()) if event.get("Source") == "aws.s3" else event, view)

    return dispatch_event


def with_documented_fields(event: dict[str, Any], version_id: str | None) -> dict[str, Any]:
    """An event of S3 with its object's version, if it has one, and its time without fractions of a second."""
    detail = json.loads(event["Detail"])
    if version_id:
        detail["object"]["version-id"] = version_id
    seconds = int(datetime.fromisoformat(event["Time"]).timestamp())
    return event | {"Detail": json.dumps(detail), "Time": seconds}
