"""Firehose batch in, rows out; refused lines are in the quarantine before the answer is given.

What a clean batch does not need is not imported before it is needed: this function starts cold with every burst.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec
from aws_lambda_powertools import Logger

from validator import batch_metrics, quarantine
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
    if batch.rejected:
        key = quarantine.put(quarantine.get_client(), BUCKET_NAME, batch.rejected)
        logger.warning("lines refused", extra={"lines": len(batch.rejected), "key": key})
    if batch.overflowed:
        logger.error("rows outgrew the answer; records left to the error prefix", extra={"records": batch.overflowed})
    readings = batch_metrics.measure(batch.accepted, (line.error.reason for line in batch.rejected))
    models = batch_metrics.select_models(readings, published_models)
    published_models.update(models)
    batch_metrics.emit(readings, models)
    logger.info("validated", extra={"accepted": readings.accepted, "refused": readings.rejected.total()})
    return msgspec.json.encode({"records": batch.results})
