"""Firehose batch in, rows out; refused lines are in the quarantine before the answer is given.

What a clean batch does not need is not imported before it is needed: this function starts cold with every burst.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec
from aws_lambda_powertools import Logger

from validator import meter, quarantine
from validator.transform import transform

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

BUCKET_NAME = os.environ["BUCKET_NAME"]

logger = Logger()
published_models: set[str] = set()
"""Models that this environment has published metrics of."""


def handler(event: dict[str, Any], _context: LambdaContext) -> bytes:
    """Transform a batch. The answer is JSON already, and Lambda's runtime passes bytes on as they are.

    Raises when the quarantine cannot be written: Firehose then sends the batch again.
    """
    batch = transform(event)
    if batch.refused:
        key = quarantine.store(quarantine.client(), BUCKET_NAME, batch.refused)
        logger.warning("lines refused", extra={"lines": len(batch.refused), "key": key})
    if batch.surplus:
        logger.error("rows outgrew the answer; records left to the error prefix", extra={"records": batch.surplus})
    readings = meter.read(batch.accepted, (line.refusal.reason for line in batch.refused))
    models = meter.named(readings, published_models)
    published_models.update(models)
    meter.publish(readings, models)
    logger.info("validated", extra={"accepted": readings.accepted, "refused": readings.refused.total()})
    return msgspec.json.encode({"records": batch.answers})
