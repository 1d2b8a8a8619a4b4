"""The worker of a delivery stream with a Kinesis source: it reads, transforms and delivers, with buffers between."""

from __future__ import annotations

import gzip
import json
import logging
import threading
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from local_aws.firehose.buffer import Backoff, Buffer
from local_aws.firehose.object_keys import data_prefix, failure_prefix, object_suffix
from local_aws.firehose.settings import MIB, read_settings
from local_aws.firehose.stream_reader import StreamReader
from local_aws.firehose.transformation import (
    MAX_BATCH_RECORDS,
    BatchFailedError,
    BatchResult,
    Failure,
    Record,
    build_event,
    failure_line,
    function_error,
    read_response,
)
from local_aws.iam import service_role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local_aws.firehose.settings import Settings, Transform

logger = logging.getLogger("local_aws.firehose")

SERVICE = "firehose.amazonaws.com"
READ_INTERVAL_SECONDS = 0.5
"""A shard allows five reads a second, and there are other readers.

https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
"""
IDLE_SECONDS = 5.0
"""How long it sleeps if no record arrives."""
MAX_BUFFERED_BYTES = 8 * MIB
"""It stops reading while so many bytes wait for the transform."""
REQUEST_ERRORS = (ClientError, BotoCoreError, service_role.RoleRefusedError)


@dataclass(frozen=True, slots=True)
class _Object:
    """An object to be written to S3; it keeps its key in every attempt."""

    key: str
    body: bytes
    records: int


class DeliveryStream(threading.Thread):
    """Runs from the creation of a delivery stream until ``drain`` or ``abandon``."""

    def __init__(self, described: Mapping[str, Any], positions: Mapping[str, str | None]) -> None:
        """``described``: ministack's record of the stream, whose configuration may change at any time.

        ``positions``: the last sequence number of each shard of the source at the creation, None for an empty shard;
        older records are not read.
        """
        super().__init__(name=f"firehose-{described['name']}", daemon=True)
        self.arn: str = described["arn"]
        self.source_arn: str = described["kinesis_source"]["KinesisStreamARN"]
        self._described = described
        self._reader = StreamReader(self.source_arn, positions)
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._abandoned = False
        self._give_up_at = float("inf")
        self._incoming: Buffer[Record] = Buffer()
        self._data: Buffer[tuple[int, bytes]] = Buffer()
        self._failures: Buffer[tuple[int, bytes]] = Buffer()
        self._undelivered: list[_Object] = []
        self._read_backoff, self._delivery_backoff = Backoff(), Backoff()
        self._read_at = float("-inf")
        self._behind = False
        self._read_to_the_end = False
        self._clients: dict[tuple[str, str], Any] = {}

    def wake(self) -> None:
        """Read the source now: a record has arrived."""
        self._wake.set()

    def drain(self, seconds: float) -> None:
        """Deliver all received records, then end, after at most ``seconds``. Blocks until it has ended."""
        self._give_up_at = time.monotonic() + seconds
        self._ending.set()
        self._wake.set()
        self.join(seconds + 1)

    def abandon(self) -> None:
        """End at once without delivering."""
        self._abandoned = True
        self._ending.set()
        self._wake.set()

    def run(self) -> None:
        """Read, transform and deliver until the end; a failed step is retried later."""
        while not self._abandoned:
            self._wake.clear()
            ending = self._ending.is_set()
            settings = self._settings()
            self._read(ending=ending)
            self._run_transform(settings, everything=ending)
            self._deliver(settings, everything=ending)
            if ending and (self._is_empty() or time.monotonic() > self._give_up_at):
                break
            self._sleep(settings)
        if not self._abandoned and not self._is_empty():
            lost = len(self._incoming) + len(self._data) + len(self._failures)
            lost += sum(object_.records for object_ in self._undelivered)
            logger.error("%s ended with %d records not delivered", self.arn, lost)

    # --- the source ------------------------------------------------------------------------------------------

    def _read(self, *, ending: bool) -> None:
        """Read new records until enough are buffered; the others wait in the Kinesis stream."""
        if self._read_to_the_end or self._undelivered or not (ending or self._read_backoff.is_due()):
            return
        self._read_at = time.monotonic()
        try:
            for records in self._reader.pages(self._client("kinesis", self._described["kinesis_source"]["RoleARN"])):
                for record in records:
                    self._incoming.add(record, len(record.data), time.monotonic())
                if self._incoming.size >= MAX_BUFFERED_BYTES:
                    self._behind = True
                    return
        except REQUEST_ERRORS as error:
            logger.warning("%s cannot read: %s", self.arn, error)
            self._read_backoff.record_failure()
        else:
            self._read_backoff.record_success()
        self._behind = False
        self._read_to_the_end = ending

    # --- the transform ---------------------------------------------------------------------------------------

    def _run_transform(self, settings: Settings, *, everything: bool) -> None:
        transform = settings.transform
        while len(self._incoming):
            now = time.monotonic()
            if transform is None:
                for record in self._incoming.take(MAX_BUFFERED_BYTES):
                    self._keep(record, record.data + settings.delimiter)
            elif everything or self._incoming.is_due(transform.hints, now):
                batch = self._incoming.take(transform.hints.size, max_items=MAX_BATCH_RECORDS)
                self._transform(transform, batch, settings.delimiter)
            else:
                return

    def _keep(self, record: Record, data: bytes) -> None:
        self._data.add((record.arrived, data), len(data), time.monotonic())

    def _transform(self, transform: Transform, batch: list[Record], delimiter: bytes) -> None:
        """Invoke the function until its response is valid or its retries are used up."""
        attempts, result = 0, None
        while result is None and not self._abandoned:
            attempts += 1
            try:
                result = self._invoke(transform, batch)
            except BatchFailedError as error:
                logger.warning("%s: attempt %d: %s: %s", self.arn, attempts, transform.function_arn, error)
                if attempts > transform.retries or time.monotonic() > self._give_up_at:
                    result = BatchResult([], [Failure(record, error.code, error.message) for record in batch])
                else:
                    self._ending.wait(min(0.1 * 2**attempts, 5.0))
        if result is None:
            return
        for record, data in result.transformed:
            self._keep(record, data + delimiter)
        now, ended = time.monotonic(), time.time_ns() // 1_000_000
        for failure in result.failed:
            line = failure_line(failure, attempts=attempts, ended=ended, function_arn=transform.function_arn)
            self._failures.add((failure.record.arrived, line), len(line), now)

    def _invoke(self, transform: Transform, batch: list[Record]) -> BatchResult:
        """Invoke the function once. Raises ``BatchFailedError``."""
        payload = build_event(
            batch, invocation_id=str(uuid.uuid4()), delivery_stream_arn=self.arn, source_arn=self.source_arn
        )
        try:
            response = self._client("lambda", transform.role_arn).invoke(
                FunctionName=transform.function_arn, Payload=json.dumps(payload, separators=(",", ":")).encode()
            )
            returned: bytes = response["Payload"].read()
        except ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
            denied = code.startswith("AccessDenied")
            raise BatchFailedError("Lambda.InvokeAccessDenied" if denied else f"Lambda.{code}", message) from error
        except (BotoCoreError, service_role.RoleRefusedError) as error:
            raise BatchFailedError("Lambda.InvocationFailure", str(error)) from error
        if "FunctionError" in response:
            raise function_error()
        return read_response(returned, batch)

    # --- the destination -------------------------------------------------------------------------------------

    def _deliver(self, settings: Settings, *, everything: bool) -> None:
        """Create objects from buffers that are due, and write them to S3 in order."""
        now = time.monotonic()
        for buffer, prefix_at in (
            (self._data, lambda when: data_prefix(settings.prefix, when)),
            (
                self._failures,
                lambda when: failure_prefix(settings.error_prefix, settings.prefix, when, "processing-failed"),
            ),
        ):
            while len(buffer) and (everything or buffer.is_due(settings.hints, now)):
                self._undelivered.append(self._build_object(settings, buffer.take(settings.hints.size), prefix_at))
        # An object that is refused stays the first: all later ones wait for it, as on AWS.
        while self._undelivered and (everything or self._delivery_backoff.is_due()):
            try:
                self._put(settings, self._undelivered[0])
            except REQUEST_ERRORS as error:
                logger.warning("%s cannot deliver: %s", self.arn, error)
                self._delivery_backoff.record_failure()
                return
            self._delivery_backoff.record_success()
            self._undelivered.pop(0)

    def _put(self, settings: Settings, object_: _Object) -> None:
        encryption = (
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": settings.kms_key_arn} if settings.kms_key_arn else {}
        )
        self._client("s3", settings.role_arn).put_object(
            Bucket=settings.bucket,
            Key=object_.key,
            Body=object_.body,
            ContentType="application/octet-stream",
            **encryption,
        )
        logger.info("%s: %s: %d records, %d bytes", self.arn, object_.key, object_.records, len(object_.body))

    def _build_object(
        self, settings: Settings, entries: list[tuple[int, bytes]], prefix_at: Callable[[datetime], str]
    ) -> _Object:
        oldest = datetime.fromtimestamp(min(arrived for arrived, _ in entries) / 1000, UTC).astimezone(settings.zone)
        body = b"".join(data for _, data in entries)
        suffix = object_suffix(
            self._described["name"], self._described["version"], oldest, str(uuid.uuid4()), settings.extension
        )
        content = gzip.compress(body, compresslevel=6) if settings.gzip else body
        return _Object(prefix_at(oldest) + suffix, content, len(entries))

    # --- its own state ---------------------------------------------------------------------------------------

    def _settings(self) -> Settings:
        return read_settings(self._described["destinations"][0]["config"])

    def _client(self, service: str, role_arn: str) -> Any:
        if (service, role_arn) not in self._clients:
            session = service_role.assume(
                role_arn, service=SERVICE, source_arn=self.arn, session_name=self._described["name"][:64]
            )
            # A transform function may run for five minutes.
            self._clients[service, role_arn] = service_role.client(session, service, read_timeout=310)
        return self._clients[service, role_arn]

    def _is_empty(self) -> bool:
        """Whether no record is left, neither in a buffer nor in the source."""
        return self._read_to_the_end and not (
            len(self._incoming) or len(self._data) or len(self._failures) or self._undelivered
        )

    def _sleep(self, settings: Settings) -> None:
        """Sleep until a buffer is due or a record arrives, and at least until the next read is allowed."""
        now = time.monotonic()
        if self._ending.is_set():
            time.sleep(0.05)
            return
        dues = [buffer.due_at(settings.hints) for buffer in (self._data, self._failures)]
        if settings.transform is not None:
            dues.append(self._incoming.due_at(settings.transform.hints))
        if self._behind:
            dues.append(now)
        latest = min([now + IDLE_SECONDS, *(due for due in dues if due is not None)])
        self._wake.wait(max(0.0, latest - now))
        self._ending.wait(max(0.0, self._read_at + READ_INTERVAL_SECONDS - time.monotonic()))
