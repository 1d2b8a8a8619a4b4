"""Publishes messages to an SNS topic, on AWS or on a laptop."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

from dwell.console.errors import InvalidUsageError, ReportedError
from dwell.messaging.batching import MAX_MESSAGE_BYTES
from dwell.messaging.publish_log import PublishLog

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import PublishBatchRequestEntryTypeDef

    from dwell.messaging.batching import Message

_TOPIC = re.compile(r"^arn:aws[a-z-]*:sns:(?P<region>[a-z0-9-]+):\d{12}:[A-Za-z0-9_-]{1,256}$")

_PERMANENT_ERRORS = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "ExpiredToken",
        "InvalidClientTokenId",
        "InvalidParameter",
        "InvalidParameterException",
        "NotFound",
        "NotFoundException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
"""Error codes that a retry does not change."""

_MAX_BATCH_MESSAGES = 10
"""https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html"""

_MAX_CONSECUTIVE_FAILURES = 20
"""Consecutive messages that SNS may refuse before the publisher gives up."""


class PublishError(ReportedError):
    """Publishing to the topic is impossible: it does not exist, access is denied, or it is not reachable."""


class InvalidTopicError(InvalidUsageError):
    """The text is not the ARN of a standard SNS topic."""


def check_topic(topic_arn: str) -> str:
    """Return the region of a topic. Raises ``InvalidTopicError``."""
    match = _TOPIC.match(topic_arn)
    if match is None:
        raise InvalidTopicError(
            f"{topic_arn!r} is not the ARN of a standard SNS topic (arn:aws:sns:REGION:ACCOUNT:NAME)"
        )
    return match["region"]


def create_sns_client(topic_arn: str, *, threads: int = 4) -> SNSClient:
    """A client for the topic's region, with credentials and endpoint from the usual AWS chain.

    Raises ``InvalidTopicError``.
    """
    region = check_topic(topic_arn)
    config = Config(
        connect_timeout=5,
        read_timeout=15,
        retries={"mode": "standard", "total_max_attempts": 4},
        max_pool_connections=threads,
    )
    return boto3.Session().client("sns", region_name=region, config=config)


class Publisher:
    """Publishes messages to a topic with a few threads and keeps a log. Use it as a context manager."""

    def __init__(self, sns: SNSClient, topic_arn: str, *, threads: int = 4) -> None:
        self.publish_log = PublishLog()
        self._sns = sns
        self._topic_arn = topic_arn
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="publisher")
        self._consecutive_failures = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def publish(self, messages: Sequence[Message]) -> int:
        """Publish ``messages``; returns the number of lines that SNS confirmed. The log has the others as failed.

        Raises ``PublishError`` for a permanent error, and after many consecutive failures.
        """
        confirmed = 0
        fatal_error = None
        for message, result in self.send(messages):
            if isinstance(result, str):
                self.publish_log.confirm(message, result)
                self._consecutive_failures = 0
                confirmed += len(message.lines)
            else:
                self.publish_log.fail(message, _get_code(result))
                self._consecutive_failures += 1
                if is_permanent(result) or self._consecutive_failures >= _MAX_CONSECUTIVE_FAILURES:
                    fatal_error = result
        if fatal_error is not None:
            raise PublishError(f"cannot publish to {self._topic_arn}: {fatal_error}") from fatal_error
        return confirmed

    def send(self, messages: Sequence[Message]) -> Iterator[tuple[Message, str | Exception]]:
        """Publish ``messages``; yields each with its SNS message id or the error, in order. Does not use the log."""
        for group, results in self._pool.map(self._publish_group, group_messages(messages)):
            yield from zip(group, results, strict=True)

    def _publish_group(self, group: list[Message]) -> tuple[list[Message], list[str | Exception]]:
        """The group, and for each message its SNS message id or an error."""
        if len(group) == 1:
            return group, [self._publish_one(group[0])]
        entries: list[PublishBatchRequestEntryTypeDef] = [
            {"Id": str(index), "Message": message.text} for index, message in enumerate(group)
        ]
        try:
            response = self._sns.publish_batch(TopicArn=self._topic_arn, PublishBatchRequestEntries=entries)
        except (ClientError, BotoCoreError) as error:
            return group, [error] * len(group)
        ids = {entry["Id"]: entry["MessageId"] for entry in response.get("Successful", [])}
        # botocore does not retry a failed entry of a batch; a single publish is retried, and raises its own error.
        return group, [ids.get(str(index)) or self._publish_one(message) for index, message in enumerate(group)]

    def _publish_one(self, message: Message) -> str | Exception:
        try:
            return self._sns.publish(TopicArn=self._topic_arn, Message=message.text)["MessageId"]
        except (ClientError, BotoCoreError) as error:
            return error


def group_messages(messages: Sequence[Message]) -> list[list[Message]]:
    """Group messages into requests of at most 10 messages and 256 KB."""
    groups: list[list[Message]] = []
    size = 0
    for message in messages:
        if not groups or len(groups[-1]) == _MAX_BATCH_MESSAGES or size + message.size > MAX_MESSAGE_BYTES:
            groups.append([])
            size = 0
        groups[-1].append(message)
        size += message.size
    return groups


def _get_code(error: Exception) -> str:
    if isinstance(error, ClientError):
        response: dict[str, Any] = dict(error.response)
        return str(response.get("Error", {}).get("Code", "unknown"))
    return type(error).__name__


def is_permanent(error: Exception) -> bool:
    """Whether a retry cannot succeed."""
    return _get_code(error) in _PERMANENT_ERRORS or isinstance(error, NoCredentialsError | PartialCredentialsError)
