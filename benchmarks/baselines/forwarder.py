"""The workshop's forwarder: it puts the message of the first record unchanged to Firehose, with ``PutRecord``."""

from __future__ import annotations

import os
from typing import Any

import boto3

firehose = boto3.client("firehose")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Put the message of the first record."""
    message = event["Records"][0]["Sns"]["Message"]
    response = firehose.put_record(DeliveryStreamName=os.environ["STREAM_NAME"], Record={"Data": message.encode()})
    return {"RecordId": response["RecordId"]}
