"""Publishing messages to an SNS topic, on AWS or on a laptop."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

from dwell.messaging.batching import MAX_BYTES
from dwell.messaging.publish_log import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sns.type_defs import PublishBatchRequestEntryTypeDef

    from dwell.messaging.batching import Message

_TOPIC = re.compile(r"^arn:aws[a-z-]*:sns:(?P<region>[a-z0-9-]+):\d{12}:[A-Za-z0-9_-]{1,256}$")

_HOPELESS = frozenset(
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
"""Error codes that no later attempt will change."""

_BATCH = 10
"""Messages in one PublishBatch, at most."""

_PATIENCE = 20
"""After so many messages in a row that SNS did not take, the publisher gives up."""


class PublishError(RuntimeError):
    """The topic cannot be published to: it is not there, not allowed, or not reachable."""


class NoTopicError(ValueError):
    """What was given as a topic cannot be one."""


def check_topic(topic_arn: str) -> str:
    """The region of a topic. Raises ``NoTopicError`` if ``topic_arn`` is not the ARN of a standard topic."""
    topic = _TOPIC.match(topic_arn)
    if topic is None:
        raise NoTopicError(f"{topic_arn!r} is not the ARN of a standard SNS topic (arn:aws:sns:REGION:ACCOUNT:NAME)")
    return topic["region"]


def sns_client(topic_arn: str, *, threads: int = 4) -> SNSClient:
    """A client for the topic's region, with credentials and endpoint from the usual AWS chain.

    Raises ``NoTopicError`` if ``topic_arn`` is not the ARN of a standard topic.
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
    """Publishes messages to one topic with a few threads and keeps the ledger. Use it as a context manager."""

    def __init__(self, sns: SNSClient, topic_arn: str, *, threads: int = 4) -> None:
        self.ledger = Ledger()
        self._sns = sns
        self._topic_arn = topic_arn
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="publisher")
        self._refused_in_a_row = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def publish(self, messages: Sequence[Message]) -> int:
        """Publish ``messages`` and answer how many of their lines SNS confirmed; the others are in the ledger.

        Raises ``PublishError`` when going on makes no sense.
        """
        confirmed = 0
        fatal = None
        for message, answer in self.send(messages):
            if isinstance(answer, str):
                self.ledger.confirm(message, answer)
                self._refused_in_a_row = 0
                confirmed += len(message.lines)
            else:
                self.ledger.fail(message, _code(answer))
                self._refused_in_a_row += 1
                if is_hopeless(answer) or self._refused_in_a_row >= _PATIENCE:
                    fatal = answer
        if fatal is not None:
            raise PublishError(f"cannot publish to {self._topic_arn}: {fatal}") from fatal
        return confirmed

    def send(self, messages: Sequence[Message]) -> Iterator[tuple[Message, str | Exception]]:
        """Publish ``messages``; each with its SNS message id or the error, in their order. The ledger is left alone."""
        for group, answers in self._pool.map(self._publish_group, batches(messages)):
            yield from zip(group, answers, strict=True)

    def _publish_group(self, group: list[Message]) -> tuple[list[Message], list[str | Exception]]:
        """An SNS message id or an error for each message."""
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
        # A refused entry is not retried by botocore; published alone it is, and tells its error.
        return group, [ids.get(str(index)) or self._publish_one(message) for index, message in enumerate(group)]

    def _publish_one(self, message: Message) -> str | Exception:
        try:
            return self._sns.publish(TopicArn=self._topic_arn, Message=message.text)["MessageId"]
        except (ClientError, BotoCoreError) as error:
            return error


def batches(messages: Sequence[Message]) -> list[list[Message]]:
    """Group messages so that each group is one request: at most ten, and 256 KB together."""
    groups: list[list[Message]] = []
    size = 0
    for message in messages:
        if not groups or len(groups[-1]) == _BATCH or size + message.size > MAX_BYTES:
            groups.append([])
            size = 0
        groups[-1].append(message)
        size += message.size
    return groups


def _code(error: Exception) -> str:
    if isinstance(error, ClientError):
        response: dict[str, Any] = dict(error.response)
        return str(response.get("Error", {}).get("Code", "unknown"))
    return type(error).__name__


def is_hopeless(error: Exception) -> bool:
    """Whether no later attempt will go better."""
    return _code(error) in _HOPELESS or isinstance(error, NoCredentialsError | PartialCredentialsError)
