"""Sends state changes to the default event bus, in their order.

https://docs.aws.amazon.com/sagemaker/latest/dg/automating-sagemaker-with-eventbridge.html
"""

from __future__ import annotations

import logging
import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_aws.eventbridge import service_events

if TYPE_CHECKING:
    from local_aws.sagemaker.names import Scope

logger = logging.getLogger("local_aws.sagemaker")

SOURCE = "aws.sagemaker"
TRAINING = "SageMaker Training Job State Change"
ENDPOINT = "SageMaker Endpoint State Change"
DEPLOYMENT = "SageMaker Endpoint Deployment State Change"
PACKAGE = "SageMaker Model Package State Change"


@dataclass(frozen=True, slots=True)
class _StateEvent:
    scope: Scope
    kind: str
    detail: dict[str, Any]
    arn: str


class StateEvents:
    """A queue and the thread that sends: neither a job nor the event loop waits for the targets of an event."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[_StateEvent] = queue.SimpleQueue()
        threading.Thread(target=self._send_all, daemon=True, name="sagemaker-events").start()

    def send(self, scope: Scope, kind: str, detail: dict[str, Any], arn: str) -> None:
        """Queue an event about the resource ``arn``."""
        self._waiting.put(_StateEvent(scope, kind, detail, arn))

    def _send_all(self) -> None:
        while True:
            event = self._waiting.get()
            scope = event.scope
            try:
                service_events.send(
                    SOURCE, event.kind, event.detail, [event.arn], account=scope.account, region=scope.region
                )
            except Exception:  # an event that fails must not stop the next ones
                logger.exception("%s of %s", event.kind, event.arn)
