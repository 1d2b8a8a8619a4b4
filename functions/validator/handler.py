"""Transforms a Firehose batch into rows; stores rejected lines in the quarantine before it returns.

Code that a valid batch does not need is imported when it is needed, since every burst of messages causes cold starts.
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
"""Models for which this Lambda environment has published metrics."""


def handler(event: dict[str, Any], _context: LambdaContext) -> bytes:
    """Transform a batch. The result is JSON as bytes, which Lambda's runtime does not encode again.

    Raises if the quarantine cannot be written; Firehose then sends the batch again.
    """
    batch = transform(event)
    if batch.rejected:
        key = quarantine.put(quarantine.get_client(), BUCKET_NAME, batch.rejected)
        logger.warning("lines rejected", extra={"lines": len(batch.rejected), "key": key})
    if batch.overflowed:
        logger.error(
            "rows exceed the size of a response; records go to the error prefix", extra={"records": batch.overflowed}
        )
    metrics = batch_metrics.measure(batch.accepted, (line.error.reason for line in batch.rejected))
    models = batch_metrics.select_models(metrics, published_models)
    published_models.update(models)
    batch_metrics.emit(metrics, models)
    logger.info("validated", extra={"accepted": metrics.accepted, "refused": metrics.rejected.total()})
    return msgspec.json.encode({"records": batch.results})
