"""Shared state of the functions: rounds, decisions, models and the endpoint, as typed records in one DynamoDB table.

``records`` defines the records, ``store`` reads and writes them, and ``lock`` releases the one that admits one round at
a time. ``aws_context`` creates a function's clients, ``metrics`` reads sums of Dwell's metrics and ``metric_counter``
counts, ``operator_requests`` validates what operators send, ``sagemaker_names`` builds the names of SageMaker resources
and recognises the error for a missing one, ``s3_prefixes`` names the prefixes of the data bucket, and ``timestamps``
formats times.
"""

from rounds import s3_prefixes
from rounds.aws_context import AwsClients, AwsContext, build_client_config, connect, open_store
from rounds.lock import release_round_lock
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
    RequestOutcome,
    Round,
    RoundLock,
)
from rounds.sagemaker_names import build_job_name, build_resource_name, is_not_found, parse_round_name
from rounds.store import ContentionError, Store
from rounds.timestamps import NAME_STAMP_FORMAT, format_iso, format_name_stamp, utc_now

__all__ = [
    "ENDPOINT_TRANSITIONS",
    "MAX_QUERIES_PER_REQUEST",
    "METRIC_NAMESPACE",
    "NAME_STAMP_FORMAT",
    "AwsClients",
    "AwsContext",
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
    "RequestOutcome",
    "Round",
    "RoundLock",
    "Store",
    "UnusableRequestError",
    "build_client_config",
    "build_job_name",
    "build_resource_name",
    "choose_period",
    "connect",
    "format_iso",
    "format_name_stamp",
    "get_metric_series",
    "get_metric_sums",
    "is_not_found",
    "open_store",
    "parse_request",
    "parse_round_name",
    "release_round_lock",
    "s3_prefixes",
    "utc_now",
    "with_error_message",
]
