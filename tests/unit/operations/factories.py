"""Fakes for the tests of operations."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dwell.messaging.publish_log import PublishLog

if TYPE_CHECKING:
    from dwell.messaging.batching import Message


class FakePublisher:
    """Confirms all messages, or none."""

    def __init__(self, *, confirms: bool = True) -> None:
        self.publish_log = PublishLog()
        self.lines: list[dict[str, Any]] = []
        self.confirms = confirms

    def publish(self, messages: list[Message]) -> int:
        if not self.confirms:
            return 0
        self.lines += [json.loads(line.text) for message in messages for line in message.lines]
        return sum(len(message.lines) for message in messages)
