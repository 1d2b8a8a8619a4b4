"""One Kinesis-sourced delivery stream at work: read, transform, deliver, each step buffered as Firehose does."""

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

from local_aws.firehose import object_keys as delivery_names
from local_aws.firehose import settings as delivery_settings
from local_aws.firehose.buffer import Attempts, Buffer
from local_aws.firehose.stream_reader import StreamReader
from local_aws.firehose.transformation import (
    MAXIMUM_RECORDS,
    Answer,
    BatchFailedError,
    Failure,
    Record,
    event,
    failure_line,
    function_error,
    read_answer,
)
from local_aws.iam import service_role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from local_aws.firehose.settings import Settings, Transform

logger = logging.getLogger("firehose")

SERVICE = "firehose.amazonaws.com"
READ_PAUSE_SECONDS = 0.5
"""A shard allows five reads a second, and others read it too."""
IDLE_SECONDS = 5.0
"""How long it sleeps when nothing comes."""
HELD_BYTES = 8 * delivery_settings.MIB
"""It reads no further while so much waits for the transform."""
REFUSED = (ClientError, BotoCoreError, service_role.RoleRefusedError)


@dataclass(frozen=True, slots=True)
class _Object:
    """An object on its way to S3: whatever happens, it keeps its key."""

    key: str
    body: bytes
    records: int


class DeliveryStream(threading.Thread):
    """Works in the background from the creation of a delivery stream until ``drain`` or ``abandon``."""

    def __init__(self, described: Mapping[str, Any], positions: Mapping[str, str | None]) -> None:
        """``described``: ministack's own record of the stream, whose configuration may change at any time.

        ``positions``: the last sequence number of each shard of the source when the stream was created; none for an
        empty one. What is older is not read.
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
        self._reading, self._delivering = Attempts(), Attempts()
        self._read_at = float("-inf")
        self._behind = False
        self._read_to_the_end = False
        self._clients: dict[tuple[str, str], Any] = {}

    def wake(self) -> None:
        """Something has arrived in the source."""
        self._wake.set()

    def drain(self, seconds: float) -> None:
        """Deliver all that has arrived, then end; give up after ``seconds``. Waits for it."""
        self._give_up_at = time.monotonic() + seconds
        self._ending.set()
        self._wake.set()
        self.join(seconds + 1)

    def abandon(self) -> None:
        """End at once: there is nothing left to deliver to."""
        self._abandoned = True
        self._ending.set()
        self._wake.set()

    def run(self) -> None:
        """Read, transform and deliver until told to end. What cannot go on waits, and is tried again."""
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
            lost += sum(waiting.records for waiting in self._undelivered)
            logger.error("%s ended with %d records not delivered", self.arn, lost)

    # --- the source ------------------------------------------------------------------------------------------

    def _read(self, *, ending: bool) -> None:
        """Take what is new, until enough is held: the Kinesis stream is the better place to wait."""
        if self._read_to_the_end or self._undelivered or not (ending or self._reading.is_due()):
            return
        self._read_at = time.monotonic()
        try:
            for records in self._reader.pages(self._client("kinesis", self._described["kinesis_source"]["RoleARN"])):
                for record in records:
                    self._incoming.add(record, len(record.data), time.monotonic())
                if self._incoming.size >= HELD_BYTES:
                    self._behind = True
                    return
        except REFUSED as error:
            logger.warning("%s cannot read: %s", self.arn, error)
            self._reading.failed()
        else:
            self._reading.succeeded()
        self._behind = False
        self._read_to_the_end = ending

    # --- the transform ---------------------------------------------------------------------------------------

    def _run_transform(self, settings: Settings, *, everything: bool) -> None:
        transform = settings.transform
        while len(self._incoming):
            now = time.monotonic()
            if transform is None:
                for record in self._incoming.take(HELD_BYTES):
                    self._keep(record, record.data + settings.delimiter)
            elif everything or self._incoming.is_due(transform.hints, now):
                batch = self._incoming.take(transform.hints.size, count=MAXIMUM_RECORDS)
                self._transform(transform, batch, settings.delimiter)
            else:
                return

    def _keep(self, record: Record, data: bytes) -> None:
        self._data.add((record.arrived, data), len(data), time.monotonic())

    def _transform(self, transform: Transform, batch: list[Record], delimiter: bytes) -> None:
        """Invoke the function until it answers as it should, or has failed once too often."""
        attempts, answer = 0, None
        while answer is None and not self._abandoned:
            attempts += 1
            try:
                answer = self._invoke(transform, batch)
            except BatchFailedError as error:
                logger.warning("%s: attempt %d: %s: %s", self.arn, attempts, transform.function_arn, error)
                if attempts > transform.retries or time.monotonic() > self._give_up_at:
                    answer = Answer([], [Failure(record, error.code, error.message) for record in batch])
                else:
                    self._ending.wait(min(0.1 * 2**attempts, 5.0))
        if answer is None:
            return
        for record, data in answer.transformed:
            self._keep(record, data + delimiter)
        now, ended = time.monotonic(), time.time_ns() // 1_000_000
        for failure in answer.failed:
            line = failure_line(failure, attempts=attempts, ended=ended, function_arn=transform.function_arn)
            self._failures.add((failure.record.arrived, line), len(line), now)

    def _invoke(self, transform: Transform, batch: list[Record]) -> Answer:
        """Invoke the function once. Raises ``BatchFailedError``."""
        payload = event(
            batch, invocation_id=str(uuid.uuid4()), delivery_stream_arn=self.arn, source_arn=self.source_arn
        )
        try:
            answer = self._client("lambda", transform.role_arn).invoke(
                FunctionName=transform.function_arn, Payload=json.dumps(payload, separators=(",", ":")).encode()
            )
            returned: bytes = answer["Payload"].read()
        except ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
            denied = code.startswith("AccessDenied")
            raise BatchFailedError("Lambda.InvokeAccessDenied" if denied else f"Lambda.{code}", message) from error
        except (BotoCoreError, service_role.RoleRefusedError) as error:
            raise BatchFailedError("Lambda.InvocationFailure", str(error)) from error
        if "FunctionError" in answer:
            raise function_error()
        return read_answer(returned, batch)

    # --- the destination -------------------------------------------------------------------------------------

    def _deliver(self, settings: Settings, *, everything: bool) -> None:
        """Pack what is due, and put what is packed."""
        now = time.monotonic()
        for buffer, prefix_at in (
            (self._data, lambda when: delivery_names.data_prefix(settings.prefix, when)),
            (
                self._failures,
                lambda when: delivery_names.failure_prefix(
                    settings.error_prefix, settings.prefix, when, "processing-failed"
                ),
            ),
        ):
            while len(buffer) and (everything or buffer.is_due(settings.hints, now)):
                self._undelivered.append(self._packed(settings, buffer.take(settings.hints.size), prefix_at))
        # One that is refused stays first in line: everything behind it waits, as it does on AWS.
        while self._undelivered and (everything or self._delivering.is_due()):
            try:
                self._put(settings, self._undelivered[0])
            except REFUSED as error:
                logger.warning("%s cannot deliver: %s", self.arn, error)
                self._delivering.failed()
                return
            self._delivering.succeeded()
            self._undelivered.pop(0)

    def _put(self, settings: Settings, waiting: _Object) -> None:
        encryption = (
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": settings.kms_key_arn} if settings.kms_key_arn else {}
        )
        self._client("s3", settings.role_arn).put_object(
            Bucket=settings.bucket,
            Key=waiting.key,
            Body=waiting.body,
            ContentType="application/octet-stream",
            **encryption,
        )
        logger.info("%s: %s: %d records, %d bytes", self.arn, waiting.key, waiting.records, len(waiting.body))

    def _packed(
        self, settings: Settings, entries: list[tuple[int, bytes]], prefix_at: Callable[[datetime], str]
    ) -> _Object:
        oldest = datetime.fromtimestamp(min(arrived for arrived, _ in entries) / 1000, UTC).astimezone(settings.zone)
        body = b"".join(data for _, data in entries)
        suffix = delivery_names.object_suffix(
            self._described["name"], self._described["version"], oldest, str(uuid.uuid4()), settings.extension
        )
        packed = gzip.compress(body, compresslevel=6) if settings.gzip else body
        return _Object(prefix_at(oldest) + suffix, packed, len(entries))

    # --- its own state ---------------------------------------------------------------------------------------

    def _settings(self) -> Settings:
        return delivery_settings.read(self._described["destinations"][0]["config"])

    def _client(self, service: str, role_arn: str) -> Any:
        if (service, role_arn) not in self._clients:
            session = service_role.assume(
                role_arn, service=SERVICE, source_arn=self.arn, session_name=self._described["name"][:64]
            )
            # A transform may take five minutes.
            self._clients[service, role_arn] = service_role.client(session, service, read_timeout=310)
        return self._clients[service, role_arn]

    def _is_empty(self) -> bool:
        """Whether nothing waits, here or (when it has to end) in the source."""
        return self._read_to_the_end and not (
            len(self._incoming) or len(self._data) or len(self._failures) or self._undelivered
        )

    def _sleep(self, settings: Settings) -> None:
        """Until something is due or has arrived, but no sooner than the source or a failed step allows."""
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
        self._ending.wait(max(0.0, self._read_at + READ_PAUSE_SECONDS - time.monotonic()))
