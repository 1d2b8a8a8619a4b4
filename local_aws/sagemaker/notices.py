"""State changes as events on the default bus, in the order in which they happened."""

from __future__ import annotations

import logging
import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_aws.eventbridge import service_events as events

if TYPE_CHECKING:
    from local_aws.sagemaker.names import Scope

logger = logging.getLogger("local_aws.sagemaker")

SOURCE = "aws.sagemaker"
TRAINING = "SageMaker Training Job State Change"
ENDPOINT = "SageMaker Endpoint State Change"
DEPLOYMENT = "SageMaker Endpoint Deployment State Change"
PACKAGE = "SageMaker Model Package State Change"


@dataclass(frozen=True, slots=True)
class _Notice:
    scope: Scope
    kind: str
    detail: dict[str, Any]
    arn: str


class Notices:
    """Sends from one thread, so that neither a job nor the event loop waits for what an event starts."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[_Notice] = queue.SimpleQueue()
        threading.Thread(target=self._send_all, daemon=True, name="sagemaker-events").start()

    def send(self, scope: Scope, kind: str, detail: dict[str, Any], arn: str) -> None:
        """Queue one event about the resource ``arn``."""
        self._waiting.put(_Notice(scope, kind, detail, arn))

    def _send_all(self) -> None:
        while True:
            notice = self._waiting.get()
            scope = notice.scope
            try:
                events.send(
                    SOURCE, notice.kind, notice.detail, [notice.arn], account=scope.account, region=scope.region
                )
            except Exception:  # one event that some target could not take must not silence the next
                logger.exception("%s of %s", notice.kind, notice.arn)
