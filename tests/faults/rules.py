"""What goes wrong in each part of the campaign. Callers are the roles of the template, or the functions' names."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from local_aws.faults.rules import DELIVER, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def _rules(caller: str, action: str, rates: Mapping[str, float], *, seconds: float = 1.0) -> list[Rule]:
    """One rule for each fault; ``rates`` are the shares of all calls that each of them hits."""
    rules, left = [], 1.0
    for fault, rate in rates.items():
        # A rule sees the calls that those before it let through.
        rules.append(Rule(caller, action, fault, rate / left, seconds=seconds))
        left -= rate
    return rules


INGEST = (
    *_rules(
        "*ForwarderRole*",
        "kinesis:PutRecords",
        {
            "partly_refused": 0.25,
            "throttled": 0.06,
            "failed": 0.04,
            "unavailable": 0.02,
            "reset": 0.03,
            "answer_lost": 0.04,
            "killed_before": 0.015,
            "killed_after": 0.015,
            "slow": 0.005,
        },
        seconds=7,  # the function waits for 5
    ),
    *_rules("*-forwarder", DELIVER, {"twice": 0.1, "late": 0.1}, seconds=4),
    *_rules(
        "*ValidatorRole*",
        "s3:PutObject",
        {
            "throttled": 0.1,
            "failed": 0.1,
            "denied": 0.06,
            "reset": 0.05,
            "answer_lost": 0.1,
            "killed_before": 0.06,
            "killed_after": 0.06,
            "slow": 0.02,
        },
        seconds=12,  # the function waits for 10
    ),
    *_rules("*DeliveryRole*", "lambda:InvokeFunction", {"failed": 0.1, "throttled": 0.08, "answer_lost": 0.15}),
    *_rules("*DeliveryRole*", "s3:PutObject", {"failed": 0.15, "answer_lost": 0.15, "slow": 0.05}),
    *_rules("*DeliveryRole*", "kinesis:GetRecords", {"failed": 0.03, "throttled": 0.03}),
)
"""Everything between a robot's message and its row: nothing may get lost, or count twice."""

BATCHES_FAIL = (Rule("*DeliveryRole*", "lambda:InvokeFunction", "failed"),)
"""The validator fails on every batch, in every attempt."""

FORWARDER_DIES = (Rule("*ForwarderRole*", "kinesis:PutRecords", "killed_before"),)
"""Every event of the topic is poison: its forwarder dies, in every attempt."""

_UNSTEADY = {
    "throttled": 0.04,
    "failed": 0.03,
    "reset": 0.02,
    "answer_lost": 0.03,
    "killed_before": 0.006,
    "killed_after": 0.006,
    "slow": 0.02,
}

LOOP = (
    *_rules("*RetrainingRole*", "*", _UNSTEADY, seconds=1),
    *_rules("*PromotionRole*", "*", _UNSTEADY, seconds=1),
    *_rules("*-retraining", DELIVER, {"twice": 0.5, "late": 0.2}, seconds=3),
    *_rules("*-promotion", DELIVER, {"twice": 0.4, "late": 0.3}, seconds=3),
)
"""Everything that the round's functions call, and their events: one round at a time, each recorded with its end."""

ENDPOINT_DOES_NOT_COME_UP = (Rule("*ServingRole*", "s3:GetObject", "denied"),)
JOB_FAILS = (Rule("*TrainingRole*", "s3:GetObject", "denied"),)
ARCHIVE_IS_BROKEN = (Rule("*PromotionRole*", "s3:GetObject", "cut_in_half"),)

SERVING = tuple(
    _rules(
        "*InferenceRole*",
        "sagemaker:InvokeEndpoint",
        {
            "throttled": 0.05,
            "failed": 0.05,
            "unavailable": 0.05,
            "denied": 0.02,
            "model_failed": 0.05,
            "reset": 0.05,
            "answer_lost": 0.05,
            "nonsense": 0.05,
            "slow": 0.08,
        },
        seconds=3,  # a planner is promised one
    )
)
"""Whatever an endpoint can do to a planner."""


def document(rules: Iterable[Rule], seed: int) -> dict[str, Any]:
    """Rules as the emulator takes them."""
    return {"seed": seed, "rules": [asdict(rule) for rule in rules]}
