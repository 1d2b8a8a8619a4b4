"""Prices and quotas of AWS: one table, each entry with its source. us-east-1, list prices in US dollars, no free tier.

Prices change and quotas differ between accounts: a plan is an order of magnitude, and its ratios are better than its
sums.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A price or a quota: ``value`` in ``unit``."""

    value: float
    unit: str
    source: str


_PRICES = "https://aws.amazon.com/{}/pricing/"
_DOCS = "https://docs.aws.amazon.com/{}"

PRICES: dict[str, Figure] = {
    "sns_publish": Figure(0.50e-6, "$ a publish of up to 64 KB; delivery to Lambda is free", _PRICES.format("sns")),
    "lambda_request": Figure(0.20e-6, "$ an invocation", _PRICES.format("lambda")),
    "lambda_gb_second": Figure(1.33334e-5, "$ a GB-second, arm64", _PRICES.format("lambda")),
    "lambda_gb_second_x86": Figure(1.66667e-5, "$ a GB-second, x86_64", _PRICES.format("lambda")),
    "kinesis_shard_hour": Figure(0.015, "$ an hour of a provisioned shard", _PRICES.format("kinesis/data-streams")),
    "kinesis_put_unit": Figure(0.014e-6, "$ 25 KB put, provisioned", _PRICES.format("kinesis/data-streams")),
    "kinesis_stream_hour": Figure(0.04, "$ an hour of an on-demand stream", _PRICES.format("kinesis/data-streams")),
    "kinesis_gb_in": Figure(0.08, "$ a GB written, on-demand", _PRICES.format("kinesis/data-streams")),
    "kinesis_gb_out": Figure(0.04, "$ a GB read, on-demand", _PRICES.format("kinesis/data-streams")),
    "firehose_gb": Figure(0.029, "$ a GB, each record rounded up to 5 KB", _PRICES.format("firehose")),
    "s3_put": Figure(0.005e-3, "$ a PUT or LIST", _PRICES.format("s3")),
    "s3_get": Figure(0.0004e-3, "$ a GET", _PRICES.format("s3")),
    "s3_gb_month": Figure(0.023, "$ a GB-month", _PRICES.format("s3")),
    "api_request": Figure(1.00e-6, "$ a request of an HTTP API", _PRICES.format("api-gateway")),
    "logs_gb": Figure(0.50, "$ a GB of logs taken in", _PRICES.format("cloudwatch")),
    "metric_month": Figure(0.30, "$ a custom metric and month", _PRICES.format("cloudwatch")),
    "alarm_metric_month": Figure(0.10, "$ a metric in an alarm and month", _PRICES.format("cloudwatch")),
    "alarm_metric_month_fast": Figure(0.30, "$ the same with a period below 60 s", _PRICES.format("cloudwatch")),
    "kms_key_month": Figure(1.00, "$ a key and month", _PRICES.format("kms")),
}

_KINESIS_QUOTAS = _DOCS.format("streams/latest/dev/service-sizes-and-limits.html")
_LAMBDA_QUOTAS = _DOCS.format("lambda/latest/dg/gettingstarted-limits.html")
_LAMBDA_MEMORY = _DOCS.format("lambda/latest/dg/configuration-memory.html")
_FIREHOSE_QUOTAS = _DOCS.format("firehose/latest/dev/limits.html")
_API_QUOTAS = _DOCS.format("apigateway/latest/developerguide/limits.html")

QUOTAS: dict[str, Figure] = {
    "shard_bytes": Figure(1_000_000, "bytes/s into a shard", _KINESIS_QUOTAS),
    "shard_records": Figure(1_000, "records/s into a shard", _KINESIS_QUOTAS),
    "shard_read_bytes": Figure(2_000_000, "bytes/s out of a shard", _KINESIS_QUOTAS),
    "on_demand_bytes": Figure(10e9, "bytes/s into an on-demand stream", _KINESIS_QUOTAS),
    "sns_publishes": Figure(30_000, "messages/s of a topic (adjustable)", _DOCS.format("general/latest/gr/sns.html")),
    "lambda_concurrency": Figure(1_000, "invocations at once in an account (adjustable)", _LAMBDA_QUOTAS),
    "lambda_mb_a_vcpu": Figure(1_769, "MB of memory that come with one vCPU", _LAMBDA_MEMORY),
    # Firehose has no throughput quota of its own if its source is a stream.
    "firehose_transforms": Figure(5, "invocations of the transform at once, for each shard", _FIREHOSE_QUOTAS),
    "api_requests": Figure(10_000, "requests/s of an account's APIs (adjustable)", _API_QUOTAS),
}


@dataclass(frozen=True, slots=True)
class Instance:
    """A SageMaker instance: dollars an hour, memory (GB), and the vCPUs that it can use permanently.

    A burstable instance can permanently use only a share of its vCPUs.
    """

    dollars: float
    memory: float
    vcpus: float


INSTANCES: dict[str, Instance] = {
    "ml.t2.medium": Instance(0.065, 4, 2 * 0.20),
    "ml.m5.large": Instance(0.115, 8, 2),
    "ml.m5.xlarge": Instance(0.23, 16, 4),
    "ml.m5.2xlarge": Instance(0.461, 32, 8),
    "ml.m5.4xlarge": Instance(0.922, 64, 16),
    "ml.c5.large": Instance(0.102, 4, 2),
    "ml.c5.xlarge": Instance(0.204, 8, 4),
    "ml.c6i.large": Instance(0.102, 4, 2),
    "ml.c6i.xlarge": Instance(0.204, 8, 4),
}
"""From https://aws.amazon.com/sagemaker-ai/pricing/ (training and hosting cost the same) as public price tables repeat
it, and https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/burstable-credits-baseline-concepts.html."""


def price(name: str) -> float:
    """Dollars for one unit."""
    return PRICES[name].value


def quota(name: str) -> float:
    """The quota in its unit."""
    return QUOTAS[name].value
