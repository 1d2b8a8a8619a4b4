"""Promotion's entry point: an event from its queue in; the endpoint, the rounds and the models brought up to date."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from promotion.context import Context
from promotion.events import Reconcile, parse
from promotion.reconcile import reconcile
from promotion.settings import Settings
from rounds import connect
from rounds.metric_counter import count_metric

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from promotion.events import Event

logger = Logger()


@cache
def create_context() -> Context:
    """The settings and clients of this execution environment, created at its first event."""
    settings = Settings.read(os.environ)
    return Context(settings=settings, count=count_metric, **connect(settings.table, read_timeout_seconds=5))


def handler(event: dict[str, Any], _context: LambdaContext) -> list[dict[str, Any]]:
    """Handle the message of an SQS event (the template sets ``BatchSize`` to 1); returns what became of it.

    Raises when AWS fails or the message is no event of promotion: SQS delivers it again after the queue's visibility
    timeout, and moves it to the dead-letter queue after three attempts.
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """
    context = create_context()
    results = []
    for record in event["Records"]:
        body = json.loads(record["body"])
        result = _handle(parse(body, endpoint=context.settings.endpoint), context)
        kind = body.get("detail-type") or body["source"]
        logger.info("handled", extra={"event": kind, "message_id": record["messageId"], "result": result})
        results.append(result)
    return results


def _handle(event: Event, context: Context) -> dict[str, Any]:
    try:
        return asdict(reconcile(event, context))
    except (ClientError, BotoCoreError, RuntimeError):
        if not isinstance(event, Reconcile):
            raise
        # The schedule's next message is the retry: this one must not hold up the events behind it for two minutes,
        # each time, while SageMaker refuses something for good (a quota, for instance). The alarm ReconcileFailed
        # tells operations.
        logger.exception("the schedule could not reconcile")
        context.count("ReconcileFailures")
        return {"outcome": "failed"}
