"""The stack on an emulator that can fail on demand, and what the campaign looks at from outside."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import boto3
from boto3.dynamodb.conditions import Key

from dwell.client import stack
from dwell.demo.bucket_contents import BucketContents
from dwell.local import deployment
from dwell.local import emulator_process as laptop
from dwell.messaging.publisher import Publisher, create_sns_client
from dwell.operations import failed_batches, promotion_dead_letters
from dwell.operations import failed_events as failures_queue
from local_aws.faults import injection as faults
from tests.faults.rules import document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from dwell.client.stack import Stack
    from dwell.demo.screen import Screen
    from dwell.local.emulator_process import Laptop
    from local_aws.faults.rules import Rule

PARAMETERS = {"MinimumSamples": "1000", "CooldownSeconds": "0", "RoundsPerDay": "100", "EndpointTimeoutSeconds": "1"}


class BrokenPromiseError(AssertionError):
    """Something did not come true in time."""


@dataclass(slots=True)
class Stage:
    """One emulator, one stack. ``injected`` and ``calls`` add up what the rules did in all parts of the campaign."""

    aws: Laptop
    stack: Stack
    seed: int
    storage: BucketContents
    patience: float = 180.0
    """An event whose every attempt dies keeps others waiting for half a minute, and so may the next."""
    injected: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    parked: int = 0
    """Events that came back from the failures queue."""
    put_aside: int = 0
    """Lines that came back from ``failed/``."""

    @contextmanager
    def beset(self, *rules: Iterable[Rule]) -> Iterator[None]:
        """Let these rules hold for the time of a block."""
        self._control("PUT", document([rule for some in rules for rule in some], self.seed))
        try:
            yield
        finally:
            told = self._control("GET")
            self._control("PUT", document([], self.seed))
            for one in told["injected"]:
                self.injected[one["caller"], one["action"], one["fault"]] += one["count"]
            for one in told["calls"]:
                self.calls[one["caller"], one["action"]] += one["count"]

    def _control(self, method: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 (the emulator's own URL)
            self.aws.endpoint_url + faults.PATH,
            method=method,
            data=None if content is None else json.dumps(content).encode(),
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as response:
            told: dict[str, Any] = json.load(response)
        return told

    def until[T](self, look: Callable[[], T | None], otherwise: str, seconds: float | None = None) -> T:
        """Look until there is something to see. Raises ``BrokenPromiseError`` when patience ends."""
        end = time.monotonic() + (seconds or self.patience)
        while time.monotonic() < end:
            seen = look()
            if seen is not None:
                return seen
            time.sleep(0.5)
        raise BrokenPromiseError(otherwise)

    def waiting(self) -> int:
        """Events in the failures queue and in promotion's dead-letter queue."""
        return sum(map(self._messages, (self.stack.failures_queue, self.stack.promotion_dead_letters)))

    def _messages(self, queue: str) -> int:
        attributes = self.aws.client("sqs").get_queue_attributes(
            QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"]
        )["Attributes"]
        return int(attributes["ApproximateNumberOfMessages"])

    def redrive(self) -> None:
        """What ``dwell redrive`` does."""
        if self.waiting():
            now, sqs = datetime.now(UTC), boto3.client("sqs")
            sent = failures_queue.redrive(
                sqs,
                boto3.client("lambda"),
                self.stack.failures_queue,
                stack=self.stack.name,
                before=now,
                promotion_queue=self.stack.promotion_queue,
            )
            self.parked += sum(one.outcome == "sent" for one in sent)
            again = promotion_dead_letters.redrive(
                sqs, self.stack.promotion_dead_letters, self.stack.promotion_queue, before=now
            )
            self.parked += len(list(again))
        with Publisher(create_sns_client(self.stack.topic_arn), self.stack.topic_arn) as publisher:
            self.put_aside += failed_batches.republish(boto3.client("s3"), self.stack.bucket, publisher).lines

    def records(self, kind: str) -> list[dict[str, Any]]:
        """The table's items of one kind, oldest name first."""
        table = boto3.resource("dynamodb").Table(self.stack.table)
        condition = Key("kind").eq(kind)
        return list(table.query(KeyConditionExpression=condition, ConsistentRead=True)["Items"])

    def metric(self, name: str) -> float:
        """The sum of one of the service's metrics since the stack began."""
        now = datetime.now(UTC)
        points = self.aws.client("cloudwatch").get_metric_statistics(
            Namespace="Dwell",
            MetricName=name,
            Dimensions=[{"Name": "service", "Value": self.stack.name}],
            StartTime=now - timedelta(hours=2),
            EndTime=now + timedelta(minutes=1),
            Period=60,
            Statistics=["Sum"],
        )["Datapoints"]
        return float(sum(point["Sum"] for point in points))


@contextmanager
def staged(screen: Screen, seed: int) -> Iterator[Stage]:
    """The emulator with faults to be switched on, and the template deployed on it."""
    before = dict(os.environ)
    os.environ[faults.VARIABLE] = "on"
    log = laptop.ROOT / "build" / "faults" / "emulator.log"
    try:
        aws = laptop.start(log=log)
        try:
            os.environ.update(aws.environment())
            with screen.phase("deploy", "the stack, on AWS on this laptop"):
                deployment.build()
                deployment.deploy(aws, parameters=PARAMETERS)
            found = stack.find(deployment.STACK)
            yield Stage(aws, found, seed, BucketContents.create(aws.client("s3"), found.bucket))
        finally:
            aws.stop()
    finally:
        os.environ.clear()
        os.environ.update(before)
