"""Samples as robots send them: compact JSON, all with a model's prediction, the same in each run."""

from __future__ import annotations

import base64
import json
import math
import random
from typing import Any

from dwell.messaging.batching import MAX_LINES
from feature_schema import FEATURES, TARGET, VERSION

ARRIVED = 1_795_415_940_789
"""Milliseconds since 1970: shortly after all of them were recorded."""

PACKED = MAX_LINES
"""Samples in a message, as the robots pack them."""


def lines(count: int, seed: int = 7) -> list[bytes]:
    """So many samples, each a line without newline."""
    chance = random.Random(seed)  # noqa: S311 (nobody gains by guessing a sample)

    def within(field: Any) -> int:
        return chance.randint(math.ceil(field.minimum), math.floor(field.maximum))

    made = []
    for number in range(count):
        sample = {
            "sample_id": f"s0-{number:09}",
            "robot_id": f"robot-{number % 1_000:05}",
            "fc_id": "fc-1",
            "recorded_at": f"2026-11-23T06:38:{number % 60:02}.{chance.randrange(1_000):03}Z",
            "schema_version": VERSION,
            TARGET.name: within(TARGET),
            "features": {feature.name: within(feature) for feature in FEATURES},
            "prediction": {
                TARGET.name: min(within(TARGET) + 0.25, TARGET.maximum),
                "expected_error": min(1830.25, (TARGET.maximum - TARGET.minimum) / 8),
                "model": "xgboost-20261122T181500Z",
                "source": "model",
            },
        }
        made.append(json.dumps(sample, separators=(",", ":")).encode())
    return made


def messages(of: list[bytes], packed: int) -> list[bytes]:
    """The lines in messages of so many."""
    return [b"\n".join(of[start : start + packed]) for start in range(0, len(of), packed)]


def firehose(of: list[bytes]) -> dict[str, Any]:
    """Messages as Firehose hands them to a transform."""
    return {
        "invocationId": "invocation",
        "deliveryStreamArn": "arn:aws:firehose:us-east-1:123456789012:deliverystream/samples",
        "sourceKinesisStreamArn": "arn:aws:kinesis:us-east-1:123456789012:stream/samples",
        "region": "us-east-1",
        "records": [
            {
                "recordId": f"{number:056d}000000",
                "approximateArrivalTimestamp": ARRIVED,
                "data": base64.b64encode(message).decode(),
                "kinesisRecordMetadata": {
                    "sequenceNumber": f"{number:056d}",
                    "subsequenceNumber": 0,
                    "partitionKey": f"7c1d0f52-6a3b-5b0e-9f0e-{number:012d}",
                    "shardId": "shardId-000000000000",
                    "approximateArrivalTimestamp": ARRIVED,
                },
            }
            for number, message in enumerate(of)
        ],
    }


def sns(of: list[bytes]) -> dict[str, Any]:
    """Messages as SNS hands them to a function."""
    return {
        "Records": [
            {
                "EventSource": "aws:sns",
                "Sns": {"MessageId": f"7c1d0f52-6a3b-5b0e-9f0e-{number:012d}", "Message": message.decode()},
            }
            for number, message in enumerate(of)
        ]
    }
