"""Fixtures of all integration tests: one running local AWS with nothing deployed on it."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest

from local_aws.tests.integration.factories import LOGS, FunctionMaker, LocalAws, running_aws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def aws(request: pytest.FixtureRequest) -> Iterator[LocalAws]:
    """One for the whole session, so every test gives unique names to what it creates.

    If a test fails, its log stays in ``build/local_aws``.
    """
    log = LOGS / f"tests-{os.getpid()}.log"
    with running_aws(log) as running:
        yield running
    if not request.session.testsfailed:
        log.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def make_function(aws: LocalAws) -> FunctionMaker:
    """Creates functions."""
    return FunctionMaker(aws)


@pytest.fixture(scope="session")
def make_queue(aws: LocalAws) -> Callable[..., tuple[str, str]]:
    """Creates queues with the given attributes and returns the URL and the ARN of each.

    ``fifo`` ones deduplicate by content unless an attribute says otherwise.
    """

    def make(*, fifo: bool = False, **attributes: str) -> tuple[str, str]:
        name = f"queue-{uuid.uuid4().hex[:12]}"
        if fifo:
            name += ".fifo"
            attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true"} | attributes
        sqs = aws.client("sqs")
        url = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        described = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, described["Attributes"]["QueueArn"]

    return make
