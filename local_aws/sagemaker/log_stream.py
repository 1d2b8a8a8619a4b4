"""Writes a container's output to CloudWatch Logs, in batches, with the role of its job or model.

https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

logger = logging.getLogger("local_aws.sagemaker")

MAX_BATCH_EVENTS = 5_000
MAX_LINE_CHARACTERS = 200_000
MAX_BATCH_CHARACTERS = 800_000
"""Within the limits of a PutLogEvents request (1 MB) and of an event (256 KB)."""
BATCH_SECONDS = 0.5
"""How long lines are collected before they are written."""


class LogStream:
    """Lines are queued and written by a thread; without permission they are lost, as on AWS."""

    def __init__(self, client: Any, group: str, stream: str) -> None:
        self._client, self._group, self._stream = client, group, stream
        self._lines: queue.SimpleQueue[tuple[int, str] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_all, daemon=True, name="sagemaker-logs")
        self._thread.start()

    def write(self, line: str) -> None:
        """Queue a line; empty ones are dropped, because CloudWatch Logs refuses them."""
        if line:
            self._lines.put((int(time.time() * 1000), line[:MAX_LINE_CHARACTERS]))

    def close(self) -> None:
        """Write the remaining lines, and wait for it."""
        self._lines.put(None)
        self._thread.join(timeout=30)

    def _write_all(self) -> None:
        try:
            self._create_stream()
            for batch in self._batches():
                self._client.put_log_events(logGroupName=self._group, logStreamName=self._stream, logEvents=batch)
        except (ClientError, BotoCoreError) as error:
            logger.warning("no logs of %s in %s: %s", self._stream, self._group, error)
            while self._lines.get() is not None:
                pass

    def _create_stream(self) -> None:
        try:
            self._client.create_log_stream(logGroupName=self._group, logStreamName=self._stream)
        except self._client.exceptions.ResourceNotFoundException:
            try:
                self._client.create_log_group(logGroupName=self._group)
            except self._client.exceptions.ResourceAlreadyExistsException:
                logger.debug("%s has just been created by another stream", self._group)
            self._client.create_log_stream(logGroupName=self._group, logStreamName=self._stream)

    def _batches(self) -> Any:
        ended = False
        while not ended:
            batch: list[dict[str, Any]] = []
            size = 0
            first = self._lines.get()
            if first is None:
                return
            time.sleep(BATCH_SECONDS if self._lines.empty() else 0.05)
            entry: tuple[int, str] | None = first
            while entry is not None:
                batch.append({"timestamp": entry[0], "message": entry[1]})
                size += len(entry[1])
                if self._lines.empty() or len(batch) >= MAX_BATCH_EVENTS or size >= MAX_BATCH_CHARACTERS:
                    break
                entry = self._lines.get()
            ended = entry is None
            yield batch
