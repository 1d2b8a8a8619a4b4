"""The age of a queue's oldest message.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
"""

from __future__ import annotations

from typing import Any

from local_aws.cloudwatch.service_metrics import find_oldest_age

NOW = 1000.0


def message(*, sent_at: float, receives: int = 0, **dead_letter: Any) -> dict[str, Any]:
    return {"sent_at": sent_at, "receive_count": receives} | dead_letter


def test_oldest_age_of_an_empty_queue_is_none() -> None:
    assert find_oldest_age([], NOW, is_fifo=False) is None


def test_oldest_age_leaves_out_poison_messages_of_standard_queues() -> None:
    messages = [message(sent_at=900, receives=3), message(sent_at=950, receives=2)]
    assert find_oldest_age(messages, NOW, is_fifo=False) == 50
    assert find_oldest_age(messages, NOW, is_fifo=True) == 100


def test_oldest_age_of_a_dead_letter_counts_from_its_move() -> None:
    dead = message(sent_at=100, receives=3, dead_since=990, receives_before=3)
    assert find_oldest_age([dead], NOW, is_fifo=False) == 10
