"""Sends events of AWS services in this process to the default event bus."""

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
    """The default bus refused an event."""


def install() -> None:
    """Find ministack's internal function, which accepts the sources ``aws.*`` that PutEvents refuses."""
    global _put_events, _request_scope  # noqa: PLW0603 (hooks are looked up once, at the start)
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
    """Send an event of an AWS service (``source`` is ``aws.sagemaker``, for instance) to the default bus; its id.

    When this returns, the rules have been matched; targets run in their own threads. Thread-safe.
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
    response = json.loads(body)
    if status != 200 or response["FailedEntryCount"]:
        raise EventRefusedError(f"{source} {detail_type!r}: {response}")
    return str(response["Entries"][0]["EventId"])
