"""Samples as robots send them: compact JSON, each with a model's prediction, the same in every run."""

from __future__ import annotations

import base64
import json
import math
import random
from typing import Any

from dwell.messaging.batching import MAX_LINES_PER_MESSAGE
from feature_schema import FEATURES, TARGET, VERSION

ARRIVED_AT_MS = 1_795_415_940_789
"""Milliseconds since 1970: shortly after all samples were recorded."""

LINES_PER_MESSAGE = MAX_LINES_PER_MESSAGE
"""Samples in a message, as the robots batch them."""


def build_lines(count: int, seed: int = 7) -> list[bytes]:
    """Return ``count`` samples, each a line without newline; the same ones for the same seed."""
    rng = random.Random(seed)  # noqa: S311 - not for security

    def draw(field: Any) -> int:
        return rng.randint(math.ceil(field.minimum), math.floor(field.maximum))

    lines = []
    for index in range(count):
        sample = {
            "sample_id": f"s0-{index:09}",
            "robot_id": f"robot-{index % 1_000:05}",
            "fc_id": "fc-1",
            "recorded_at": f"2026-11-23T06:38:{index % 60:02}.{rng.randrange(1_000):03}Z",
            "schema_version": VERSION,
            TARGET.name: draw(TARGET),
            "features": {feature.name: draw(feature) for feature in FEATURES},
            "prediction": {
                TARGET.name: min(draw(TARGET) + 0.25, TARGET.maximum),
                "expected_error": min(1830.25, (TARGET.maximum - TARGET.minimum) / 8),
                "model": "xgboost-20261122T181500Z",
                "source": "model",
                "asked_at": f"2026-11-23T06:37:{index % 60:02}.{index % 1_000:03}Z",
            },
        }
        lines.append(json.dumps(sample, separators=(",", ":")).encode())
    return lines


def pack_messages(lines: list[bytes], lines_per_message: int) -> list[bytes]:
    """Join lines to messages of at most this many lines."""
    starts = range(0, len(lines), lines_per_message)
    return [b"\n".join(lines[start : start + lines_per_message]) for start in starts]


def build_firehose_event(messages: list[bytes]) -> dict[str, Any]:
    """Return the event with which Firehose invokes a transform, with a record for each message."""
    return {
        "invocationId": "invocation",
        "deliveryStreamArn": "arn:aws:firehose:us-east-1:123456789012:deliverystream/samples",
        "sourceKinesisStreamArn": "arn:aws:kinesis:us-east-1:123456789012:stream/samples",
        "region": "us-east-1",
        "records": [
            {
                "recordId": f"{index:056d}000000",
                "approximateArrivalTimestamp": ARRIVED_AT_MS,
                "data": base64.b64encode(message).decode(),
                "kinesisRecordMetadata": {
                    "sequenceNumber": f"{index:056d}",
                    "subsequenceNumber": 0,
                    "partitionKey": f"7c1d0f52-6a3b-5b0e-9f0e-{index:012d}",
                    "shardId": "shardId-000000000000",
                    "approximateArrivalTimestamp": ARRIVED_AT_MS,
                },
            }
            for index, message in enumerate(messages)
        ],
    }


def build_sns_event(messages: list[bytes]) -> dict[str, Any]:
    """Return the event with which SNS invokes a function, with a record for each message."""
    return {
        "Records": [
            {
                "EventSource": "aws:sns",
                "Sns": {"MessageId": f"7c1d0f52-6a3b-5b0e-9f0e-{index:012d}", "Message": message.decode()},
            }
            for index, message in enumerate(messages)
        ]
    }
