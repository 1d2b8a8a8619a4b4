"""Firehose batch in, rows out; refused lines are in the quarantine before the answer is given."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger
from botocore.config import Config

from validator import meter, quarantine
from validator.transform import transform

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

BUCKET_NAME = os.environ["BUCKET_NAME"]

logger = Logger()
s3 = boto3.client("s3", config=Config(connect_timeout=2, read_timeout=10, retries={"mode": "standard"}))
published_models: set[str] = set()
"""Models that this environment has published metrics of."""


def handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Transform a batch. Raises when the quarantine cannot be written: Firehose then sends the batch again."""
    batch = transform(event)
    if batch.refused:
        key = quarantine.store(s3, BUCKET_NAME, batch.refused)
        logger.warning("lines refused", extra={"lines": len(batch.refused), "key": key})
    if batch.surplus:
        logger.error("rows outgrew the answer; records left to the error prefix", extra={"records": batch.surplus})
    readings = meter.read(batch.samples, (line.refusal.reason for line in batch.refused))
    models = meter.named(readings, published_models)
    published_models.update(models)
    meter.publish(readings, models)
    logger.info("validated", extra={"accepted": readings.accepted, "refused": readings.refused.total()})
    return {"records": batch.answers}
