"""Shared state of the functions: rounds, decisions, models and the endpoint, as typed records in one DynamoDB table.

``records`` defines the records and ``store`` reads and writes them. ``metrics`` reads sums of Dwell's metrics,
``operator_requests`` validates what operators send, and ``sagemaker_names`` builds the names of SageMaker resources and
recognises the error for a missing one.
"""

from rounds.metrics import (
    MAX_QUERIES_PER_REQUEST,
    METRIC_NAMESPACE,
    MetricQuery,
    choose_period,
    get_metric_series,
    get_metric_sums,
)
from rounds.operator_requests import UnusableRequestError, parse_request, with_error_message
from rounds.records import (
    ENDPOINT_TRANSITIONS,
    Candidate,
    Champion,
    Comparison,
    Dataset,
    Decision,
    Endpoint,
    Entrant,
    EventReceipt,
    InFlightRound,
    Model,
    Record,
    Round,
    RoundLock,
    Turn,
    format_iso,
    format_name_stamp,
)
from rounds.sagemaker_names import build_job_name, build_resource_name, is_not_found, parse_round_name
from rounds.store import ContentionError, Store

__all__ = [
    "ENDPOINT_TRANSITIONS",
    "MAX_QUERIES_PER_REQUEST",
    "METRIC_NAMESPACE",
    "Candidate",
    "Champion",
    "Comparison",
    "ContentionError",
    "Dataset",
    "Decision",
    "Endpoint",
    "Entrant",
    "EventReceipt",
    "InFlightRound",
    "MetricQuery",
    "Model",
    "Record",
    "Round",
    "RoundLock",
    "Store",
    "Turn",
    "UnusableRequestError",
    "build_job_name",
    "build_resource_name",
    "choose_period",
    "format_iso",
    "format_name_stamp",
    "get_metric_series",
    "get_metric_sums",
    "is_not_found",
    "parse_request",
    "parse_round_name",
    "with_error_message",
]
