"""A container's output in CloudWatch Logs, written under the role of its job or model, a batch at a time."""

from __future__ import annotations

import logging
import queue
import threading
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

logger = logging.getLogger("local_aws.sagemaker")

MOST_EVENTS = 5_000
LONGEST_LINE = 200_000
"""Characters; a PutLogEvents request holds 1 MB and an event 256 KB."""
MOST_CHARACTERS = 800_000
PAUSE_SECONDS = 0.5
"""How long lines gather before they are written."""


class LogStream:
    """Lines go in at once and reach CloudWatch Logs from a thread; without permission they are lost, as on AWS."""

    def __init__(self, client: Any, group: str, stream: str) -> None:
        self._client, self._group, self._stream = client, group, stream
        self._lines: queue.SimpleQueue[tuple[int, str] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_all, daemon=True, name="sagemaker-logs")
        self._thread.start()

    def write(self, line: str) -> None:
        """Add a line; empty ones are left out, for CloudWatch Logs takes none."""
        if line:
            self._lines.put((int(time.time() * 1000), line[:LONGEST_LINE]))

    def close(self) -> None:
        """Write what is left, and wait for that."""
        self._lines.put(None)
        self._thread.join(timeout=30)

    def _write_all(self) -> None:
        try:
            self._make_stream()
            for batch in self._batches():
                self._client.put_log_events(logGroupName=self._group, logStreamName=self._stream, logEvents=batch)
        except (ClientError, BotoCoreError) as error:
            logger.warning("no logs of %s in %s: %s", self._stream, self._group, error)
            while self._lines.get() is not None:
                pass

    def _make_stream(self) -> None:
        try:
            self._client.create_log_stream(logGroupName=self._group, logStreamName=self._stream)
        except self._client.exceptions.ResourceNotFoundException:
            try:
                self._client.create_log_group(logGroupName=self._group)
            except self._client.exceptions.ResourceAlreadyExistsException:
                logger.debug("%s was made by somebody else just now", self._group)
            self._client.create_log_stream(logGroupName=self._group, logStreamName=self._stream)

    def _batches(self) -> Any:
        ended = False
        while not ended:
            batch: list[dict[str, Any]] = []
            size = 0
            first = self._lines.get()
            if first is None:
                return
            time.sleep(PAUSE_SECONDS if self._lines.empty() else 0.05)
            entry: tuple[int, str] | None = first
            while entry is not None:
                batch.append({"timestamp": entry[0], "message": entry[1]})
                size += len(entry[1])
                if self._lines.empty() or len(batch) >= MOST_EVENTS or size >= MOST_CHARACTERS:
                    break
                entry = self._lines.get()
            ended = entry is None
            yield batch
