"""EventBridge: what services of this process tell the default bus."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from local_aws import hooks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ACCOUNT = "000000000000"
REGION = "us-east-1"

_put_events: Callable[..., tuple[int, Any, bytes]]
_request_scope: Callable[[str, str], Any]


class EventRefusedError(RuntimeError):
    """The default bus did not take an event."""


def install() -> None:
    """Find ministack's own way in, which lets sources called ``aws.*`` through; PutEvents refuses them to callers."""
    global _put_events, _request_scope  # noqa: PLW0603 (hooks are found once, when the emulator starts)
    _put_events = hooks.find("ministack.services.eventbridge", "_put_events", arguments=("data", "allow_aws_source"))
    _request_scope = hooks.find("ministack.core.responses", "request_scope", arguments=("account_id", "region"))


def send(
    source: str,
    detail_type: str,
    detail: Mapping[str, Any],
    resources: Sequence[str] = (),
    *,
    account: str = ACCOUNT,
    region: str = REGION,
) -> str:
    """Put an event of an AWS service (``source`` such as ``aws.sagemaker``) on the default bus; its id.

    Rules match and targets are started before this returns; targets then run on their own. From any thread.
    Raises ``EventRefusedError``.
    """
    entry = {
        "Source": source,
        "DetailType": detail_type,
        "Detail": json.dumps(detail),
        "Resources": list(resources),
        "EventBusName": "default",
    }
    with _request_scope(account, region):
        status, _, body = _put_events({"Entries": [entry]}, allow_aws_source=True)
    answer = json.loads(body)
    if status != 200 or answer["FailedEntryCount"]:
        raise EventRefusedError(f"{source} {detail_type!r}: {answer}")
    return str(answer["Entries"][0]["EventId"])
