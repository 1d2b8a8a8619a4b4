"""The memory of the loop: rounds, decisions, models and the endpoint, as typed records in one DynamoDB table.

``records`` says what is remembered, ``store`` reads and writes it, ``metric_sum`` sums what Dwell's metrics have
counted over some time, ``requests`` reads what an operator asks for, ``resources`` names what Dwell makes in SageMaker
and tells absence from failure.
"""

from rounds.metric_sum import MAX_SUMS, NAMESPACE, MetricSum, counts, period, sums
from rounds.records import (
    CHANGING,
    Candidate,
    Champion,
    Comparison,
    Dataset,
    Decision,
    Endpoint,
    Entrant,
    FirstSeen,
    Flight,
    Lock,
    Model,
    Record,
    Round,
    Turn,
    iso,
    stamp,
)
from rounds.requests import UnusableRequestError, in_words, read_request
from rounds.resources import is_absent, job_name, resource_name, round_of_job
from rounds.store import ContentionError, Store

__all__ = [
    "CHANGING",
    "MAX_SUMS",
    "NAMESPACE",
    "Candidate",
    "Champion",
    "Comparison",
    "ContentionError",
    "Dataset",
    "Decision",
    "Endpoint",
    "Entrant",
    "FirstSeen",
    "Flight",
    "Lock",
    "MetricSum",
    "Model",
    "Record",
    "Round",
    "Store",
    "Turn",
    "UnusableRequestError",
    "counts",
    "in_words",
    "is_absent",
    "iso",
    "job_name",
    "period",
    "read_request",
    "resource_name",
    "round_of_job",
    "stamp",
    "sums",
]
